//! Where a worker runs: decided when its pod exists, from where its claim is in use at that time.
//!
//! A worker's pod is born behind a scheduling gate. [`admit`] says whether the gate may be opened
//! and on which node; [`yields_to`] says whether a worker that is past the gate stands in the way
//! of an application. Both know pods by the claims they name; volumes and nodes are never asked.

use std::collections::BTreeSet;

/// The gate behind which a worker's pod is born.
pub const GATE: &str = "backstay.dev/placement";

/// What matters of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Whether it has a volume.
    pub is_bound: bool,
    /// Who may use it at a time.
    pub access: Access,
}

/// Who may use a claim at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Pods on any node (`ReadWriteMany`, `ReadOnlyMany`).
    ManyNodes,
    /// Pods on one node (`ReadWriteOnce`).
    OneNode,
    /// One pod (`ReadWriteOncePod`).
    OnePod,
}

impl Access {
    /// What these access modes, in the words of Kubernetes, come to together.
    #[must_use]
    pub fn from_modes(modes: &[String]) -> Self {
        let has = |mode: &str| modes.iter().any(|other| other == mode);
        if has("ReadWriteMany") || has("ReadOnlyMany") {
            Self::ManyNodes
        } else if has("ReadWriteOncePod") {
            Self::OnePod
        } else {
            Self::OneNode
        }
    }
}

/// A pod that names the claim and has neither succeeded nor failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The pod's name.
    pub pod: String,
    /// Where it is, once it is scheduled.
    pub node: Option<String>,
    /// Whether it is a worker, of any policy.
    pub is_worker: bool,
    /// Whether it waits behind a gate, and so holds nothing.
    pub is_gated: bool,
    /// Whether it is on its way out.
    pub is_terminating: bool,
}

/// What is to become of a pod behind the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The gate is opened; the pod is pinned where a node is named.
    Open {
        /// The only node that the pod may run on.
        node: Option<String>,
    },
    /// The pod waits.
    Wait {
        /// What for.
        reason: WaitReason,
        /// What for, and what can be done, for a reader.
        message: String,
    },
}

/// Why a run that has started does not move. A closed list: it stands in status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// The claim is gone.
    ClaimNotFound,
    /// The claim has no volume.
    ClaimNotBound,
    /// The claim is in use in a way that leaves no room for a worker.
    ClaimInUse,
    /// Another run of this source is under way.
    RunActive,
    /// No node takes the pod.
    Unschedulable,
    /// The pod cannot be made, or its container cannot be started.
    PodCreationFailed,
}

impl WaitReason {
    /// The word as it stands in status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaimNotFound => "ClaimNotFound",
            Self::ClaimNotBound => "ClaimNotBound",
            Self::ClaimInUse => "ClaimInUse",
            Self::RunActive => "RunActive",
            Self::Unschedulable => "Unschedulable",
            Self::PodCreationFailed => "PodCreationFailed",
        }
    }
}

/// What is to become of a worker's pod that mounts no claim: it may run anywhere, after `active`, a
/// worker of the same source.
#[must_use]
pub fn admit_anywhere(active: Option<&str>) -> Admission {
    match active {
        Some(active) => wait_for(active),
        None => Admission::Open { node: None },
    }
}

fn wait_for(active: &str) -> Admission {
    let message = format!("pod {active} backs up this source; this run waits until it has ended");
    wait(WaitReason::RunActive, message)
}

/// What is to become of a worker's pod behind the gate. `others` are the users of the claim without
/// this pod; `active` names a worker of the same source that is admitted before it.
#[must_use]
pub fn admit(claim: Option<&Claim>, others: &[User], active: Option<&str>) -> Admission {
    let Some(claim) = claim else {
        return wait(
            WaitReason::ClaimNotFound,
            "the claim does not exist any more; create it, or change the policy".to_owned(),
        );
    };
    let name = &claim.name;
    if let Some(active) = active {
        return wait_for(active);
    }
    if !claim.is_bound {
        let message = format!(
            "claim {name} has no volume yet; it gets one with the first pod of the application, \
             which a backup must not be"
        );
        return wait(WaitReason::ClaimNotBound, message);
    }
    match claim.access {
        Access::ManyNodes => Admission::Open { node: None },
        Access::OneNode => admit_on_one_node(name, others),
        Access::OnePod => match others
            .iter()
            .find(|user| !(user.is_worker && user.is_gated))
        {
            Some(user) => {
                let message = format!(
                    "pod {} uses claim {name}, which is ReadWriteOncePod; the run starts when the \
                     pod is gone",
                    user.pod
                );
                wait(WaitReason::ClaimInUse, message)
            }
            None => Admission::Open { node: None },
        },
    }
}

/// The pod that a worker past the gate must make room for, if there is one. `node` is where the
/// worker is, or is pinned to.
#[must_use]
pub fn yields_to<'a>(claim: &Claim, node: Option<&str>, others: &'a [User]) -> Option<&'a User> {
    let mut foreign = others
        .iter()
        .filter(|user| !user.is_worker && !user.is_terminating);
    match claim.access {
        Access::ManyNodes => None,
        Access::OneNode => foreign.find(|user| user.node.is_some() && user.node.as_deref() != node),
        Access::OnePod => foreign.next(),
    }
}

fn admit_on_one_node(name: &str, others: &[User]) -> Admission {
    let nodes_of = |is_terminating: bool| -> BTreeSet<&str> {
        others
            .iter()
            .filter(|user| user.is_terminating == is_terminating)
            .filter_map(|user| user.node.as_deref())
            .collect()
    };
    // A pod on its way out says where the volume still is, unless one that stays says otherwise.
    let staying = nodes_of(false);
    let nodes = if staying.is_empty() {
        nodes_of(true)
    } else {
        staying
    };
    let mut nodes = nodes.into_iter();
    match (nodes.next(), nodes.next()) {
        (node, None) => Admission::Open {
            node: node.map(ToOwned::to_owned),
        },
        (Some(one), Some(other)) => {
            let message = format!(
                "claim {name} is ReadWriteOnce, and pods on {one} and {other} name it; the run \
                 starts when one of them is gone"
            );
            wait(WaitReason::ClaimInUse, message)
        }
        (None, Some(_)) => Admission::Open { node: None },
    }
}

fn wait(reason: WaitReason, message: String) -> Admission {
    Admission::Wait { reason, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(access: Access) -> Claim {
        Claim {
            name: "data".to_owned(),
            is_bound: true,
            access,
        }
    }

    /// `app@a` is an application's pod on node a, `app@` one without a node; a leading `!` means
    /// that it is on its way out, `w:` that it is a worker, and `g:` that it is gated.
    fn user(text: &str) -> User {
        let (pod, node) = text.split_once('@').expect("a pod and its node");
        User {
            pod: pod.to_owned(),
            node: (!node.is_empty()).then(|| node.to_owned()),
            is_worker: pod.contains("w:"),
            is_gated: pod.contains("g:"),
            is_terminating: pod.starts_with('!'),
        }
    }

    fn check(access: Access, others: &[&str], expected: Result<Option<&str>, WaitReason>) {
        let others: Vec<User> = others.iter().map(|text| user(text)).collect();
        let actual = match admit(Some(&claim(access)), &others, None) {
            Admission::Open { node } => Ok(node),
            Admission::Wait { reason, .. } => Err(reason),
        };
        assert_eq!(
            actual,
            expected.map(|node| node.map(ToOwned::to_owned)),
            "{others:?}"
        );
    }

    #[test]
    fn a_shared_claim_is_backed_up_anywhere() {
        check(Access::ManyNodes, &["app@a", "app@b"], Ok(None));
    }

    #[test]
    fn a_claim_of_one_node_is_backed_up_where_it_is_used() {
        check(Access::OneNode, &[], Ok(None));
        check(Access::OneNode, &["app@a"], Ok(Some("a")));
        check(Access::OneNode, &["app@a", "app2@a"], Ok(Some("a")));
        check(Access::OneNode, &["app@"], Ok(None));
        check(Access::OneNode, &["w:other@b"], Ok(Some("b")));
        check(Access::OneNode, &["!app@a", "app@b"], Ok(Some("b")));
        check(Access::OneNode, &["!app@a"], Ok(Some("a")));
        check(
            Access::OneNode,
            &["app@a", "app@b"],
            Err(WaitReason::ClaimInUse),
        );
    }

    #[test]
    fn a_claim_of_one_pod_is_backed_up_when_nobody_uses_it() {
        check(Access::OnePod, &[], Ok(None));
        check(Access::OnePod, &["app@a"], Err(WaitReason::ClaimInUse));
        check(Access::OnePod, &["app@"], Err(WaitReason::ClaimInUse));
        check(Access::OnePod, &["!app@a"], Err(WaitReason::ClaimInUse));
        check(Access::OnePod, &["w:g:other@"], Ok(None));
        check(Access::OnePod, &["w:other@a"], Err(WaitReason::ClaimInUse));
    }

    #[test]
    fn a_backup_is_never_the_first_consumer_of_a_claim() {
        let unbound = Claim {
            is_bound: false,
            ..claim(Access::ManyNodes)
        };
        let admission = admit(Some(&unbound), &[], None);
        assert!(matches!(
            admission,
            Admission::Wait {
                reason: WaitReason::ClaimNotBound,
                ..
            }
        ));
        let admission = admit(None, &[], None);
        assert!(matches!(
            admission,
            Admission::Wait {
                reason: WaitReason::ClaimNotFound,
                ..
            }
        ));
    }

    #[test]
    fn p05_one_worker_of_a_source_is_admitted_at_a_time() {
        let admission = admit(Some(&claim(Access::ManyNodes)), &[], Some("office-files-1"));
        assert!(matches!(
            admission,
            Admission::Wait {
                reason: WaitReason::RunActive,
                ..
            }
        ));
    }

    #[test]
    fn p06_a_worker_yields_to_the_application() {
        let check = |access, node, others: &[&str], expected: Option<&str>| {
            let others: Vec<User> = others.iter().map(|text| user(text)).collect();
            let pod = yields_to(&claim(access), node, &others).map(|user| user.pod.as_str());
            assert_eq!(pod, expected, "{others:?}");
        };
        check(Access::OneNode, Some("a"), &["app@a"], None);
        check(Access::OneNode, Some("a"), &["app@"], None);
        check(Access::OneNode, Some("a"), &["app@b"], Some("app"));
        check(Access::OneNode, None, &["app@b"], Some("app"));
        check(Access::OneNode, Some("a"), &["!app@b"], None);
        check(Access::OneNode, Some("a"), &["w:other@b"], None);
        check(Access::OnePod, Some("a"), &["app@a"], Some("app"));
        check(Access::OnePod, Some("a"), &["app@"], Some("app"));
        check(Access::OnePod, Some("a"), &["w:other@b"], None);
        check(Access::ManyNodes, Some("a"), &["app@b"], None);
    }

    #[test]
    fn the_widest_access_mode_counts() {
        let modes = |modes: &[&str]| {
            Access::from_modes(
                &modes
                    .iter()
                    .map(|mode| (*mode).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(modes(&["ReadWriteOnce", "ReadOnlyMany"]), Access::ManyNodes);
        assert_eq!(modes(&["ReadWriteOnce"]), Access::OneNode);
        assert_eq!(modes(&["ReadWriteOncePod"]), Access::OnePod);
        assert_eq!(modes(&[]), Access::OneNode);
    }
}
