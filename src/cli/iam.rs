//! `backstay iam-policy`.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::order::{PolicyArgs, for_reading, invalid};
use super::output;
use crate::api::policy::Credentials;
use crate::api::run::RunSpec;
use crate::plan::iam;
use crate::plan::policy::ValidPolicy;
use crate::worker::failure::Failure;

/// Print the least rights that an identity of a policy needs, as an IAM policy.
#[derive(Debug, Args)]
pub(super) struct IamArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// For whom.
    #[arg(long = "for", value_enum)]
    who: Who,

    /// Print who may assume the role in place of what it may do: the ServiceAccount that the
    /// policy names.
    #[arg(long, value_enum)]
    trust: Option<Trust>,

    /// The ARN of the cluster's OIDC provider, for `--trust irsa`.
    #[arg(long, value_name = "ARN")]
    oidc_provider: Option<String>,
}

/// An identity of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Who backs up.
    Worker,
    /// Who restores and lists.
    Restore,
    /// Who sets the buckets up.
    Setup,
    /// Who backs up and follows the queues of buckets.
    Events,
    /// Who only sends notices.
    Notify,
}

/// How a ServiceAccount becomes a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Trust {
    /// IAM roles for service accounts.
    Irsa,
    /// EKS Pod Identity.
    PodIdentity,
}

pub(super) fn run(args: &IamArgs) -> Result<u8, Failure> {
    let (_, policy) = args.policy.read()?;
    let document = match args.trust {
        Some(trust) => trusted(args, trust, &policy)?,
        None => allowed(args.who, &policy)?,
    };
    output::line(&format!("{document:#}"));
    Ok(0)
}

fn allowed(who: Who, policy: &ValidPolicy) -> Result<Value, Failure> {
    let orders: Vec<RunSpec> = policy.sources.iter().map(for_reading).collect();
    match who {
        Who::Worker => Ok(iam::worker(&orders)),
        Who::Restore => Ok(iam::restore(&orders)),
        Who::Setup => policy.setup.as_ref().map(iam::setup).ok_or_else(|| {
            invalid("--for setup needs spec.bucketSettings, which says what is set".to_owned())
        }),
        Who::Events => iam::events(&orders).ok_or_else(|| {
            invalid(
                "--for events needs a source with bucket.events and no credentials of its own: \
                 those rights are their owner's"
                    .to_owned(),
            )
        }),
        Who::Notify => iam::notify(&orders).ok_or_else(|| {
            invalid("--for notify needs spec.notifications.sns, which names the topic".to_owned())
        }),
    }
}

fn trusted(args: &IamArgs, trust: Trust, policy: &ValidPolicy) -> Result<Value, Failure> {
    let (field, credentials) = match args.who {
        Who::Setup => (
            "spec.bucketSettings.credentials",
            policy
                .setup
                .as_ref()
                .and_then(|setup| setup.settings.credentials.as_ref()),
        ),
        Who::Worker | Who::Restore | Who::Events | Who::Notify => {
            ("spec.storage.credentials", policy.credentials.as_ref())
        }
    };
    let account = service_account(credentials).ok_or_else(|| {
        invalid(format!(
            "--trust is about a ServiceAccount, and {field} names none"
        ))
    })?;
    match trust {
        Trust::PodIdentity => Ok(iam::pod_identity(&policy.namespace, account)),
        Trust::Irsa => args
            .oidc_provider
            .as_deref()
            .and_then(|provider| iam::irsa(provider, &policy.namespace, account))
            .ok_or_else(|| {
                invalid(
                    "--trust irsa needs --oidc-provider, such as \
                     arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-south-1.amazonaws.com/id/…"
                        .to_owned(),
                )
            }),
    }
}

fn service_account(credentials: Option<&Credentials>) -> Option<&str> {
    let account = credentials?.service_account.as_ref()?;
    Some(account.name.as_str())
}
