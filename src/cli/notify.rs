//! `backstay notify`.

use clap::{Args, Subcommand};

use super::order::{PolicyArgs, invalid};
use super::{identity, output};
use crate::adapters::sns::{SnsError, SnsTopic};
use crate::api::outcome::Reason;
use crate::plan::notice::{Origin, test};
use crate::worker::failure::Failure;

/// Try out the notices of a policy.
#[derive(Debug, Args)]
pub(super) struct NotifyArgs {
    #[command(subcommand)]
    verb: NotifyVerb,
}

#[derive(Debug, Subcommand)]
enum NotifyVerb {
    /// Send a test notice to the policy's topic, as this host's AWS identity.
    Test(PolicyArgs),
}

pub(super) async fn run(args: NotifyArgs) -> Result<u8, Failure> {
    let NotifyVerb::Test(args) = args.verb;
    let (policy, valid) = args.read()?;
    let Some(notifications) = &policy.spec.notifications else {
        return Err(invalid(format!(
            "{}: spec.notifications is missing: name a topic with \
             notifications: {{sns: {{topicArn: …}}}}",
            args.policy.display()
        )));
    };
    let cluster = match args.cluster_name {
        Some(name) => name,
        None => identity::host_name()?,
    };
    let origin = Origin {
        cluster: &cluster,
        namespace: &valid.namespace,
        policy: &valid.name,
        source: "test",
    };
    let topic = SnsTopic::new(&notifications.sns, &identity::of_host())
        .map_err(|error| not_sent(&error))?;
    let message = topic
        .publish(&test(&origin))
        .await
        .map_err(|error| not_sent(&error))?;
    output::line(&format!(
        "test notice sent to {}\n  message  {message}\n  if it does not arrive: is the \
         subscription confirmed, and does its filter let the attribute notice=Test through?",
        notifications.sns.topic_arn
    ));
    Ok(0)
}

/// What happened, and what can be done about it.
fn not_sent(error: &SnsError) -> Failure {
    let reason = match error {
        SnsError::NotATopic { .. } | SnsError::Malformed { .. } => Reason::InvalidSpec,
        SnsError::TopicGone { .. } => Reason::RepositoryNotFound,
        SnsError::AccessDenied { .. } => Reason::AccessDenied,
        SnsError::Unavailable { .. } => Reason::StorageUnavailable,
        SnsError::Refused { code, .. } if code == "CredentialsMissing" => {
            Reason::CredentialsMissing
        }
        SnsError::Refused { .. } => Reason::PreflightRefused,
    };
    Failure::new(reason, format!("test notice not sent: {}", error.explain()))
}
