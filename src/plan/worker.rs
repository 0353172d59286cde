//! How a worker runs: the closed list of what a policy may say, with every default filled in.

use std::collections::BTreeMap;

use crate::api::policy::{
    ComputeQuantities, Resources, SecurityContext, Toleration, TolerationOperator, Worker,
};

use super::names;
use super::problem::Problems;
use super::quantity;

/// How many files are sent at once where the policy does not say.
const CONCURRENCY_DEFAULT: u16 = 8;

/// How long one attempt may take where the policy does not say, in seconds.
pub const ACTIVE_DEADLINE_DEFAULT_SECONDS: i64 = 6 * 60 * 60;

/// The user and group of the image.
const IMAGE_USER: i64 = 65532;

const CPU_REQUEST_DEFAULT: &str = "100m";
const MEMORY_REQUEST_DEFAULT: &str = "128Mi";
const MEMORY_LIMIT_DEFAULT: &str = "512Mi";

/// How a worker runs, with nothing left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidWorker {
    /// What is set aside for it.
    pub requests: Amounts,
    /// What it may use at most.
    pub limits: Amounts,
    /// Labels that the node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that it bears.
    pub tolerations: Vec<Toleration>,
    /// The user id.
    pub user: i64,
    /// The group id.
    pub group: i64,
    /// Further groups.
    pub supplemental_groups: Vec<i64>,
    /// How many files are sent at once.
    pub concurrency: u16,
    /// How long one attempt may take, in seconds.
    pub active_deadline_seconds: i64,
}

/// Processor and memory, as Kubernetes writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amounts {
    /// Processor; absent where there is no limit.
    pub cpu: Option<String>,
    /// Memory.
    pub memory: String,
}

impl ValidWorker {
    /// Fills in the defaults and checks what remains.
    pub(super) fn new(worker: Option<&Worker>, problems: &mut Problems) -> Self {
        let worker = worker.cloned().unwrap_or_default();
        let (requests, limits) = amounts(worker.resources.unwrap_or_default(), problems);
        check_node_selector(&worker.node_selector, problems);
        for (index, toleration) in worker.tolerations.iter().enumerate() {
            check_toleration(
                &format!("spec.worker.tolerations[{index}]"),
                toleration,
                problems,
            );
        }
        let SecurityContext {
            run_as_user,
            run_as_group,
            supplemental_groups,
        } = worker.security_context.unwrap_or_default();
        Self {
            requests,
            limits,
            node_selector: worker.node_selector,
            tolerations: worker.tolerations,
            user: run_as_user.unwrap_or(IMAGE_USER),
            group: run_as_group.unwrap_or(IMAGE_USER),
            supplemental_groups,
            concurrency: worker.concurrency.unwrap_or(CONCURRENCY_DEFAULT),
            active_deadline_seconds: worker
                .active_deadline_seconds
                .unwrap_or(ACTIVE_DEADLINE_DEFAULT_SECONDS),
        }
    }
}

/// A default never stands in the way of what the policy says: it gives way to it.
fn amounts(resources: Resources, problems: &mut Problems) -> (Amounts, Amounts) {
    let requests = resources.requests.unwrap_or_default();
    let limits = resources.limits.unwrap_or_default();
    for (name, amounts) in [("requests", &requests), ("limits", &limits)] {
        check_quantities(&format!("spec.worker.resources.{name}"), amounts, problems);
    }
    check_order(
        "cpu",
        requests.cpu.as_deref(),
        limits.cpu.as_deref(),
        problems,
    );
    check_order(
        "memory",
        requests.memory.as_deref(),
        limits.memory.as_deref(),
        problems,
    );
    let cpu_request = requests.cpu.clone().unwrap_or_else(|| {
        smaller(
            CPU_REQUEST_DEFAULT,
            limits.cpu.as_deref().unwrap_or(CPU_REQUEST_DEFAULT),
        )
    });
    let memory_request = requests.memory.clone().unwrap_or_else(|| {
        smaller(
            MEMORY_REQUEST_DEFAULT,
            limits.memory.as_deref().unwrap_or(MEMORY_LIMIT_DEFAULT),
        )
    });
    let memory_limit = limits.memory.unwrap_or_else(|| {
        larger(
            MEMORY_LIMIT_DEFAULT,
            requests.memory.as_deref().unwrap_or(MEMORY_LIMIT_DEFAULT),
        )
    });
    (
        Amounts {
            cpu: Some(cpu_request),
            memory: memory_request,
        },
        Amounts {
            cpu: limits.cpu,
            memory: memory_limit,
        },
    )
}

fn smaller(a: &str, b: &str) -> String {
    if quantity::nano_units(b) < quantity::nano_units(a) {
        b
    } else {
        a
    }
    .to_owned()
}

fn larger(a: &str, b: &str) -> String {
    if quantity::nano_units(b) > quantity::nano_units(a) {
        b
    } else {
        a
    }
    .to_owned()
}

fn check_quantities(field: &str, amounts: &ComputeQuantities, problems: &mut Problems) {
    for (name, value) in [("cpu", &amounts.cpu), ("memory", &amounts.memory)] {
        if let Some(value) = value
            && quantity::nano_units(value).is_none_or(|amount| amount == 0)
        {
            problems.add(
                format!("{field}.{name}"),
                value,
                "must be an amount such as 500m or 256Mi",
            );
        }
    }
}

fn check_order(name: &str, request: Option<&str>, limit: Option<&str>, problems: &mut Problems) {
    let (Some(request), Some(limit)) = (request, limit) else {
        return;
    };
    if quantity::nano_units(request) > quantity::nano_units(limit) {
        let field = format!("spec.worker.resources.requests.{name}");
        problems.add(
            field,
            request,
            format_args!("must not be more than the limit, {limit}"),
        );
    }
}

fn check_node_selector(labels: &BTreeMap<String, String>, problems: &mut Problems) {
    for (key, value) in labels {
        let field = format!("spec.worker.nodeSelector.{key}");
        problems.check(&field, key, names::check_label_key(key));
        problems.check(&field, value, names::check_label_value(value));
    }
}

fn check_toleration(field: &str, toleration: &Toleration, problems: &mut Problems) {
    let exists = toleration.operator == Some(TolerationOperator::Exists);
    match &toleration.key {
        Some(key) => {
            problems.check(format!("{field}.key"), key, names::check_label_key(key));
        }
        None if !exists => {
            problems.add(
                format!("{field}.operator"),
                "",
                "must be Exists where there is no key",
            );
        }
        None => {}
    }
    if let Some(value) = &toleration.value {
        let field = format!("{field}.value");
        problems.check(&field, value, names::check_label_value(value));
        if exists && !value.is_empty() {
            problems.add(
                field,
                value,
                "must be left out where the operator is Exists",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(yaml: &str) -> (ValidWorker, Vec<String>) {
        let worker: Worker = serde_saphyr::from_str(yaml).expect("a worker");
        let mut problems = Problems::default();
        let valid = ValidWorker::new(Some(&worker), &mut problems);
        (
            valid,
            problems
                .into_vec()
                .iter()
                .map(ToString::to_string)
                .collect(),
        )
    }

    #[test]
    fn defaults_give_way_to_what_is_said() {
        let (worker, problems) = valid("resources: {requests: {memory: 1Gi}}");
        assert_eq!(
            (
                worker.requests.memory.as_str(),
                worker.limits.memory.as_str()
            ),
            ("1Gi", "1Gi")
        );
        assert_eq!(problems, Vec::<String>::new());
        let (worker, _) = valid("resources: {limits: {memory: 64Mi, cpu: 50m}}");
        assert_eq!(worker.requests.memory, "64Mi");
        assert_eq!(worker.requests.cpu.as_deref(), Some("50m"));
        let (worker, _) = valid("{}");
        assert_eq!(
            (
                worker.requests.memory.as_str(),
                worker.limits.memory.as_str()
            ),
            ("128Mi", "512Mi")
        );
        assert_eq!((worker.user, worker.concurrency), (65532, 8));
    }

    #[test]
    fn what_the_api_server_would_refuse_in_a_pod_is_a_problem() {
        let (_, problems) = valid(
            "{resources: {requests: {cpu: '2'}, limits: {cpu: 500m, memory: '0'}}, \
             nodeSelector: {'bad key': x}, \
             tolerations: [{key: a, operator: Exists, value: b}, {effect: NoSchedule}]}",
        );
        let fields: Vec<&str> = problems
            .iter()
            .filter_map(|problem| problem.split(' ').next())
            .collect();
        assert_eq!(
            fields,
            [
                "spec.worker.nodeSelector.bad",
                "spec.worker.resources.limits.memory",
                "spec.worker.resources.requests.cpu",
                "spec.worker.tolerations[0].value",
                "spec.worker.tolerations[1].operator",
            ]
        );
    }
}
