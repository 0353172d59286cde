//! Who this host is, and who we are to the store.

use std::path::PathBuf;

use super::order::invalid;
use crate::adapters::credentials::Credentials;
use crate::api::policy::Storage;
use crate::api::run::CREDENTIALS_DIRECTORY;
use crate::worker::failure::Failure;

/// The host's name.
pub(super) fn host_name() -> Result<String, Failure> {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .trim()
        .to_owned();
    if name.is_empty() {
        return Err(invalid(
            "this host has no name: give one with --cluster-name".to_owned(),
        ));
    }
    Ok(name)
}

/// What tells this host from one that was installed under the same name.
/// <https://www.freedesktop.org/software/systemd/man/machine-id.html>
pub(super) fn machine_id() -> Result<String, Failure> {
    for path in ["/etc/machine-id", "/var/lib/dbus/machine-id"] {
        if let Ok(id) = std::fs::read_to_string(path) {
            return Ok(id.trim().to_owned());
        }
    }
    host_name()
}

/// Who a pod is: exactly the kind that its policy names.
pub(super) fn of_pod(storage: &Storage) -> Result<Credentials, Failure> {
    let Some(credentials) = &storage.credentials else {
        return Err(invalid(
            "storage.credentials is missing in the run's order".to_owned(),
        ));
    };
    if credentials.secret.is_some() {
        return Ok(Credentials::Files {
            directory: PathBuf::from(CREDENTIALS_DIRECTORY),
        });
    }
    of_service_account()
}

/// Who a plain host is: what the AWS tools use.
pub(super) fn of_host() -> Credentials {
    Credentials::Ambient
}

/// The identity that IRSA or Pod Identity has given to the pod through its environment.
fn of_service_account() -> Result<Credentials, Failure> {
    if let (Some(role_arn), Some(token_file)) = (
        variable("AWS_ROLE_ARN"),
        variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
    ) {
        return Ok(Credentials::WebIdentity {
            role_arn,
            token_file: token_file.into(),
        });
    }
    if let (Some(uri), Some(token_file)) = (
        variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    ) {
        return Ok(Credentials::PodIdentity {
            uri,
            token_file: token_file.into(),
        });
    }
    Err(invalid(
        "storage.credentials.serviceAccount carries no cloud identity: annotate it with \
         eks.amazonaws.com/role-arn, or associate it with a role by EKS Pod Identity"
            .to_owned(),
    ))
}

/// A variable of the environment that says something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
