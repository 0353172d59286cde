//! What should exist: a CronJob for each source, and a Deployment for each that a queue tells of. Pure, and infallible: what could be refused has
//! been found before.
//!
//! The pod's template is ours; a policy sets the closed list under `worker` and nothing else. Every
//! field whose foreign value would hurt is stated, and so is every default of the API server's,
//! so that what was applied can be compared with what is there. A pod satisfies Pod Security
//! *restricted*, has a read-only root file system, sees its source read-only, and holds no token.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{
    CronJob, CronJobSpec, JobSpec, JobTemplateSpec, PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource,
    EnvVar, EnvVarSource, ObjectFieldSelector, PersistentVolumeClaimVolumeSource,
    PodSchedulingGate, PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements,
    SeccompProfile, SecretVolumeSource, SecurityContext, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Serialize;

use crate::api::left::{LEFT_ANNOTATION, LEFT_FILE};
use crate::api::policy::{Credentials, TaintEffect, TolerationOperator};
use crate::api::run::{CREDENTIALS_DIRECTORY, RUN_SPEC_ANNOTATION, SOURCE_CREDENTIALS_DIRECTORY};
use crate::plan::names::CronJobName;
use crate::plan::placement::GATE;
use crate::plan::policy::CLAIM_ROOT;
use crate::plan::worker::{Amounts, ValidWorker};

use super::follow;
use super::labels;
use super::observe::Observed;
use super::run::WorkerOptions;
use super::validate::{OrderedSource, Validated};

/// The name of the container in a worker's pod.
pub(super) const WORKER_CONTAINER: &str = "worker";

/// Where a worker finds its order, and its credentials.
const ORDER_DIRECTORY: &str = "/backstay/run";
const ORDER_FILE: &str = "run-spec.json";

/// Where a worker may write, and how much beside memory.
const SCRATCH_DIRECTORY: &str = "/tmp";
const SCRATCH_SIZE: &str = "128Mi";

/// How often a run is tried again after a failure that may pass.
pub(super) const RETRIES: i32 = 2;

/// How long a worker's pod stays on a node that is lost, in seconds.
const LOST_NODE_SECONDS: i64 = 30;

/// How long a worker has to stop, in seconds.
const GRACE_SECONDS: i64 = 60;

/// How many Jobs are kept; a Job carries its run's report.
const HISTORY: i32 = 10;

/// Read-only, for whatever user the worker is.
const FILE_MODE: i32 = 0o444;

/// Exit codes that no second attempt changes. Sorted, as the API server demands.
pub(super) const FATAL_EXIT_CODES: [i32; 8] = [20, 21, 22, 25, 26, 27, 28, 29];

/// Exit codes that may pass: another writer, and what is transient.
const PASSING_EXIT_CODES: [i32; 12] = [23, 24, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49];

/// Objects at a stage: [`Prepared`] when built, [`Applied`] when the API server has them.
#[derive(Debug)]
pub(super) struct Desired<Stage> {
    pub(super) cron_jobs: Vec<DesiredObject<CronJob>>,
    /// Of the sources that a queue tells of.
    pub(super) followers: Vec<DesiredObject<Deployment>>,
    stage: PhantomData<Stage>,
}

/// Built, and not sent.
#[derive(Debug)]
pub(super) struct Prepared;

/// As the API server has it.
#[derive(Debug)]
pub(super) struct Applied;

/// What a source has of a kind.
#[derive(Debug)]
pub(super) struct DesiredObject<K> {
    pub(super) source: String,
    pub(super) name: CronJobName,
    pub(super) object: K,
}

impl<Stage> Desired<Stage> {
    /// The same objects at the next stage, those of them that reached it.
    pub(super) fn advance<Next>(self, reached: impl Fn(&String) -> bool) -> Desired<Next> {
        let (mut cron_jobs, mut followers) = (self.cron_jobs, self.followers);
        cron_jobs.retain(|object| reached(&object.source));
        followers.retain(|object| reached(&object.source));
        Desired {
            cron_jobs,
            followers,
            stage: PhantomData,
        }
    }
}

/// Builds what should exist for a policy.
pub(super) fn build(
    observed: &Observed,
    validated: &Validated,
    options: &WorkerOptions,
) -> Desired<Prepared> {
    let sources = validated.sources.iter();
    let with_queue = sources.clone().filter(|source| {
        let bucket = source.order.bucket.as_ref();
        bucket.is_some_and(|bucket| bucket.queue.is_some())
    });
    let cron_jobs = sources.map(|source| {
        let labels = labels::of_source(&observed.name, &source.source.name);
        desired(observed, source, labels, |metadata| {
            cron_job(validated, source, metadata, options)
        })
    });
    let followers = with_queue.map(|source| {
        let labels = labels::of_follower(&observed.name, &source.source.name);
        desired(observed, source, labels, |metadata| {
            follow::deployment(validated, source, metadata, options)
        })
    });
    Desired {
        cron_jobs: cron_jobs.collect(),
        followers: followers.collect(),
        stage: PhantomData,
    }
}

/// An object of a source, which is also its policy's.
fn desired<K>(
    observed: &Observed,
    source: &OrderedSource,
    labels: BTreeMap<String, String>,
    object: impl FnOnce(ObjectMeta) -> K,
) -> DesiredObject<K> {
    let name = CronJobName::new(&observed.name, &source.source.name);
    let owner = observed.policy.controller_owner_ref(&());
    let metadata = ObjectMeta {
        name: Some(name.as_str().to_owned()),
        namespace: Some(observed.namespace.clone()),
        labels: Some(labels),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    DesiredObject {
        source: source.source.name.clone(),
        name,
        object: object(metadata),
    }
}

fn cron_job(
    validated: &Validated,
    source: &OrderedSource,
    metadata: ObjectMeta,
    options: &WorkerOptions,
) -> CronJob {
    let labels = metadata.labels.clone().unwrap_or_default();
    CronJob {
        metadata,
        spec: CronJobSpec {
            schedule: source.source.schedule.text().to_owned(),
            time_zone: Some(validated.policy.time_zone.clone()),
            concurrency_policy: Some("Forbid".to_owned()),
            suspend: Some(validated.policy.suspend),
            starting_deadline_seconds: Some(source.source.starting_deadline_seconds),
            successful_jobs_history_limit: Some(HISTORY),
            failed_jobs_history_limit: Some(HISTORY),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels.clone()),
                    ..ObjectMeta::default()
                }),
                spec: Some(job(validated, source, labels, options)),
            },
        },
        status: None,
    }
}

/// Deadlines nest: the worker ends itself a minute before the pod's deadline, which keeps the pod
/// and its last word; the Job's leaves room for the wait at the gate and for every attempt.
fn job(
    validated: &Validated,
    source: &OrderedSource,
    labels: BTreeMap<String, String>,
    options: &WorkerOptions,
) -> JobSpec {
    let attempt_seconds = validated.policy.worker.active_deadline_seconds;
    let wait_seconds = source.source.starting_deadline_seconds;
    JobSpec {
        active_deadline_seconds: Some(wait_seconds + i64::from(RETRIES + 1) * attempt_seconds),
        backoff_limit: Some(RETRIES),
        completion_mode: Some("NonIndexed".to_owned()),
        completions: Some(1),
        parallelism: Some(1),
        pod_failure_policy: Some(pod_failure_policy(&FATAL_EXIT_CODES)),
        pod_replacement_policy: Some("Failed".to_owned()),
        suspend: Some(false),
        template: template(
            &validated.policy.worker,
            &Task::backup(validated, source),
            labels,
            &source.order,
            options,
        ),
        ..JobSpec::default()
    }
}

/// A pod, and the order that it carries.
pub(super) fn template(
    worker: &ValidWorker,
    task: &Task<'_>,
    labels: BTreeMap<String, String>,
    order: &impl Serialize,
    options: &WorkerOptions,
) -> PodTemplateSpec {
    let order = serde_json::to_string(order).expect("an order is JSON");
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: Some(BTreeMap::from([(RUN_SPEC_ANNOTATION.to_owned(), order)])),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(worker, task, options)),
    }
}

/// `ended_for_good` are the exit codes that no second attempt changes, sorted.
pub(super) fn pod_failure_policy(ended_for_good: &[i32]) -> PodFailurePolicy {
    let on_exit_codes = |action: &str, values: &[i32]| PodFailurePolicyRule {
        action: action.to_owned(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            container_name: Some(WORKER_CONTAINER.to_owned()),
            operator: "In".to_owned(),
            values: values.to_vec(),
        }),
        on_pod_conditions: None,
    };
    let on_disruption = PodFailurePolicyRule {
        action: "Ignore".to_owned(),
        on_exit_codes: None,
        on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
            type_: "DisruptionTarget".to_owned(),
            status: Some("True".to_owned()),
        }]),
    };
    PodFailurePolicy {
        rules: vec![
            on_disruption,
            on_exit_codes("FailJob", ended_for_good),
            on_exit_codes("Count", &PASSING_EXIT_CODES),
        ],
    }
}

/// What a pod is for.
pub(super) struct Task<'a> {
    /// The words after the command's name, before the order's file.
    pub(super) arguments: &'a [&'a str],
    /// Who it is to the store.
    pub(super) credentials: Option<&'a Credentials>,
    /// The source that it reads.
    pub(super) source: Option<&'a OrderedSource>,
    /// How long an attempt may take; without it, it goes on until it is stopped.
    pub(super) active_deadline_seconds: Option<i64>,
}

impl<'a> Task<'a> {
    fn backup(validated: &'a Validated, source: &'a OrderedSource) -> Self {
        Self {
            arguments: &["backup", "--run-spec"],
            credentials: validated.policy.credentials.as_ref(),
            source: Some(source),
            active_deadline_seconds: Some(validated.policy.worker.active_deadline_seconds),
        }
    }

    /// What goes on for ever reads no claim, and waits at no gate.
    fn goes_on(&self) -> bool {
        self.active_deadline_seconds.is_none()
    }
}

fn pod(worker: &ValidWorker, task: &Task<'_>, options: &WorkerOptions) -> PodSpec {
    let service_account = task
        .credentials
        .and_then(|credentials| credentials.service_account.as_ref())
        .map(|account| account.name.clone());
    PodSpec {
        active_deadline_seconds: task.active_deadline_seconds,
        automount_service_account_token: Some(false),
        containers: vec![container(worker, task, options)],
        dns_policy: Some("ClusterFirst".to_owned()),
        enable_service_links: Some(false),
        host_ipc: Some(false),
        host_network: Some(false),
        host_pid: Some(false),
        node_selector: (!worker.node_selector.is_empty()).then(|| worker.node_selector.clone()),
        restart_policy: Some(if task.goes_on() { "Always" } else { "Never" }.to_owned()),
        scheduler_name: Some("default-scheduler".to_owned()),
        scheduling_gates: task.source.filter(|_| !task.goes_on()).map(|_| {
            vec![PodSchedulingGate {
                name: GATE.to_owned(),
            }]
        }),
        security_context: Some(pod_security_context(worker)),
        // The API server keeps both of these names of one field.
        service_account: service_account.clone(),
        service_account_name: service_account,
        share_process_namespace: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        tolerations: Some(tolerations(worker)),
        volumes: Some(volumes(task)),
        ..PodSpec::default()
    }
}

/// No `fsGroup`: it would change the owner of every file on the volume.
fn pod_security_context(worker: &ValidWorker) -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(worker.user),
        run_as_group: Some(worker.group),
        supplemental_groups: (!worker.supplemental_groups.is_empty())
            .then(|| worker.supplemental_groups.clone()),
        seccomp_profile: Some(seccomp_profile()),
        ..PodSecurityContext::default()
    }
}

fn seccomp_profile() -> SeccompProfile {
    SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        localhost_profile: None,
    }
}

fn container(worker: &ValidWorker, task: &Task<'_>, options: &WorkerOptions) -> Container {
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(read_only),
        ..VolumeMount::default()
    };
    let mut mounts = vec![
        mount("run", ORDER_DIRECTORY, true),
        mount("tmp", SCRATCH_DIRECTORY, false),
    ];
    if task.source.is_some_and(|source| source.claim.is_some()) {
        mounts.insert(0, mount("source", CLAIM_ROOT, true));
    }
    if task.source.and_then(source_secret).is_some() {
        let directory = SOURCE_CREDENTIALS_DIRECTORY;
        mounts.push(mount("source-credentials", directory, true));
    }
    if task
        .credentials
        .is_some_and(|credentials| credentials.secret.is_some())
    {
        mounts.push(mount("credentials", CREDENTIALS_DIRECTORY, true));
    }
    Container {
        name: WORKER_CONTAINER.to_owned(),
        image: Some(options.image.clone()),
        image_pull_policy: Some(options.image_pull_policy.clone()),
        args: Some(
            task.arguments
                .iter()
                .map(|word| (*word).to_owned())
                .chain([format!("{ORDER_DIRECTORY}/{ORDER_FILE}")])
                .collect(),
        ),
        env: Some(environment(task)),
        resources: Some(ResourceRequirements {
            requests: Some(amounts(&worker.requests)),
            limits: Some(amounts(&worker.limits)),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            privileged: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            ..SecurityContext::default()
        }),
        termination_message_path: Some("/dev/termination-log".to_owned()),
        termination_message_policy: Some("File".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn environment(task: &Task<'_>) -> Vec<EnvVar> {
    let mut environment = vec![
        field(
            "BACKSTAY_RUN_ID",
            &format!("metadata.labels['{}']", labels::JOB_UID),
        ),
        field("BACKSTAY_POD_NAME", "metadata.name"),
        // The node's own identity is never fallen back to.
        value("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    // It begins anew in the same pod, where it finds what it has left.
    if task.goes_on() {
        environment.push(value("BACKSTAY_STATE_DIRECTORY", SCRATCH_DIRECTORY));
    }
    environment
}

fn value(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(field_selector(path)),
            ..EnvVarSource::default()
        }),
    }
}

fn field_selector(path: &str) -> ObjectFieldSelector {
    ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: path.to_owned(),
    }
}

fn amounts(amounts: &Amounts) -> BTreeMap<String, Quantity> {
    let cpu = amounts
        .cpu
        .clone()
        .map(|cpu| ("cpu".to_owned(), Quantity(cpu)));
    let memory = ("memory".to_owned(), Quantity(amounts.memory.clone()));
    cpu.into_iter().chain([memory]).collect()
}

/// A lost node must not hold a run for the five minutes that are the cluster's default.
fn tolerations(worker: &ValidWorker) -> Vec<Toleration> {
    let lost = [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]
    .map(|key| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        toleration_seconds: Some(LOST_NODE_SECONDS),
        value: None,
    });
    let asked = worker.tolerations.iter().map(|toleration| Toleration {
        key: toleration.key.clone(),
        operator: toleration.operator.map(|operator| {
            match operator {
                TolerationOperator::Exists => "Exists",
                TolerationOperator::Equal => "Equal",
            }
            .to_owned()
        }),
        value: toleration.value.clone(),
        effect: toleration.effect.map(|effect| {
            match effect {
                TaintEffect::NoSchedule => "NoSchedule",
                TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                TaintEffect::NoExecute => "NoExecute",
            }
            .to_owned()
        }),
        toleration_seconds: None,
    });
    lost.into_iter().chain(asked).collect()
}

/// The Secret with the keys for a source's bucket, where it has keys of its own.
fn source_secret(source: &OrderedSource) -> Option<&str> {
    let credentials = source.order.bucket.as_ref()?.credentials.as_ref()?;
    Some(credentials.secret.as_ref()?.name.as_str())
}

/// A file with what stands in an annotation of the pod; empty where it has none.
fn annotation(file: &str, name: &str) -> DownwardAPIVolumeFile {
    DownwardAPIVolumeFile {
        path: file.to_owned(),
        field_ref: Some(field_selector(&format!("metadata.annotations['{name}']"))),
        ..DownwardAPIVolumeFile::default()
    }
}

fn volumes(task: &Task<'_>) -> Vec<Volume> {
    let claim = task.source.and_then(|source| source.claim.as_ref());
    let claim = claim.map(|claim| Volume {
        name: "source".to_owned(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.clone(),
            // The mount is read-only; the attachment is the application's, and stays as it is.
            read_only: Some(false),
        }),
        ..Volume::default()
    });
    let order = Volume {
        name: "run".to_owned(),
        downward_api: Some(DownwardAPIVolumeSource {
            default_mode: Some(FILE_MODE),
            items: Some(vec![
                annotation(ORDER_FILE, RUN_SPEC_ANNOTATION),
                annotation(LEFT_FILE, LEFT_ANNOTATION),
            ]),
            ..DownwardAPIVolumeSource::default()
        }),
        ..Volume::default()
    };
    let scratch = Volume {
        name: "tmp".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(SCRATCH_SIZE.to_owned())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    };
    let secret = task
        .credentials
        .and_then(|credentials| credentials.secret.as_ref());
    let secret = secret.map(|secret| secret_volume("credentials", &secret.name));
    let source_secret = task
        .source
        .and_then(source_secret)
        .map(|name| secret_volume("source-credentials", name));
    let always = claim.into_iter().chain([order, scratch]);
    always.chain(secret).chain(source_secret).collect()
}

fn secret_volume(name: &str, secret: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            default_mode: Some(FILE_MODE),
            // A missing Secret is told by the worker; the pod would hang without a word.
            optional: Some(true),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::controller::fixtures::{CLAIM, POLICY, observed, options};
    use crate::controller::validate::validate;

    use super::*;

    fn built(policy: &str) -> CronJob {
        let observed = observed(&[policy, CLAIM]);
        let validated = validate(&observed, "test-cluster").expect("valid");
        let desired = build(&observed, &validated, &options());
        desired
            .cron_jobs
            .into_iter()
            .next()
            .expect("one source")
            .object
    }

    fn pod_of(cron_job: CronJob) -> PodSpec {
        let job = cron_job.spec.job_template.spec.expect("a job");
        job.template.spec.expect("a pod")
    }

    #[test]
    fn the_cron_job_is_the_golden_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/cron-job.yaml");
        let yaml = serde_saphyr::to_string(&built(POLICY)).expect("YAML");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &yaml).expect("write the golden file");
        }
        let golden = std::fs::read_to_string(path).expect("read the golden file");
        assert_eq!(
            golden, yaml,
            "run the tests with UPDATE=1 and look at the diff"
        );
    }

    #[test]
    fn deadlines_nest() {
        let cron_job = built(&POLICY.replace(
            "  schedule",
            "  worker: {activeDeadlineSeconds: 600}\n  schedule",
        ));
        let job = cron_job.spec.job_template.spec.clone().expect("a job");
        assert_eq!(job.active_deadline_seconds, Some(7200 + 3 * 600));
        assert_eq!(pod_of(cron_job).active_deadline_seconds, Some(600));
    }

    #[test]
    fn an_identity_of_the_cloud_has_no_secret_and_no_token() {
        let pod = pod_of(built(
            &POLICY.replace("secret: {name: s3-keys}", "serviceAccount: {name: backup}"),
        ));
        assert_eq!(pod.service_account_name.as_deref(), Some("backup"));
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert!(
            pod.volumes
                .iter()
                .flatten()
                .all(|volume| volume.secret.is_none())
        );
    }

    #[test]
    fn a_bucket_needs_no_volume_and_may_have_keys_of_its_own() {
        let claim = "persistentVolumeClaim: {claimName: shop-data}";
        let bucket = "bucket: {name: incoming, credentials: {secret: {name: other-account}}}";
        let mut pod = pod_of(built(&POLICY.replace(claim, bucket)));
        let volumes = pod.volumes.take().unwrap_or_default();
        let names: Vec<&str> = volumes.iter().map(|volume| volume.name.as_str()).collect();
        assert_eq!(names, ["run", "tmp", "credentials", "source-credentials"]);
        let mounts = pod.containers.remove(0).volume_mounts.unwrap_or_default();
        let mut mounted: Vec<&str> = mounts.iter().map(|mount| mount.name.as_str()).collect();
        mounted.sort_unstable();
        assert_eq!(mounted, ["credentials", "run", "source-credentials", "tmp"]);
    }

    #[test]
    fn exit_codes_are_sorted_and_disjoint() {
        let all: Vec<i32> = FATAL_EXIT_CODES
            .into_iter()
            .chain(PASSING_EXIT_CODES)
            .collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), all.len());
        assert!(FATAL_EXIT_CODES.is_sorted() && PASSING_EXIT_CODES.is_sorted());
    }

    /// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
    fn assert_restricted(pod: &PodSpec) {
        let security = pod.security_context.as_ref().expect("a security context");
        assert_eq!(security.run_as_non_root, Some(true));
        assert_ne!(security.run_as_user, Some(0));
        let profile = security
            .seccomp_profile
            .as_ref()
            .map(|profile| profile.type_.as_str());
        assert_eq!(profile, Some("RuntimeDefault"));
        assert_eq!(
            (pod.host_network, pod.host_pid, pod.host_ipc),
            (Some(false), Some(false), Some(false))
        );
        assert_eq!(pod.priority_class_name, None);
        assert_eq!(pod.init_containers, None);
        let [container] = &pod.containers[..] else {
            panic!("one container")
        };
        let security = container
            .security_context
            .as_ref()
            .expect("a security context");
        assert_eq!(security.allow_privilege_escalation, Some(false));
        assert_eq!(security.privileged, Some(false));
        assert_eq!(security.read_only_root_filesystem, Some(true));
        let capabilities = security.capabilities.as_ref().expect("capabilities");
        assert_eq!(capabilities.drop.as_deref(), Some(&["ALL".to_owned()][..]));
        assert_eq!(capabilities.add, None);
        assert_eq!(container.ports, None);
        for volume in pod.volumes.iter().flatten() {
            assert!(volume.host_path.is_none(), "{volume:?}");
        }
        for mount in container.volume_mounts.iter().flatten() {
            assert_eq!(mount.sub_path, None);
            assert_eq!(mount.read_only, Some(mount.name != "tmp"), "{mount:?}");
        }
    }

    proptest! {
        #[test]
        fn t03_whatever_a_policy_says_its_pod_is_restricted(
            user in 1_i64..100_000,
            cpu in "[1-9][0-9]{0,2}m",
            label in "[a-z]{1,8}/[a-z]{1,8}",
            key in "[a-z]{1,8}",
            is_secret in any::<bool>(),
        ) {
            let worker = format!(
                "  worker: {{securityContext: {{runAsUser: {user}, supplementalGroups: [{user}]}}, \
                 resources: {{limits: {{cpu: {cpu}}}}}, nodeSelector: {{{label}: x}}, \
                 tolerations: [{{key: '{key}', operator: Exists}}]}}\n  schedule"
            );
            let mut policy = POLICY.replace("  schedule", &worker);
            if !is_secret {
                policy = policy.replace("secret: {name: s3-keys}", "serviceAccount: {name: backup}");
            }
            assert_restricted(&pod_of(built(&policy)));
        }
    }
}
