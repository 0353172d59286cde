//! Who we are to the cloud: exactly the configured kind of identity, and no other.
//!
//! No kind ever asks the instance metadata service: in a cluster its answer would be the node's
//! identity, which is not the tenant's. Secrets stand in no `Debug` and no `Display`.

mod ambient;
mod files;
mod pod_identity;
#[cfg(test)]
mod stand_in;
mod web_identity;

use std::error::Error;
use std::io;
use std::path::PathBuf;

use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::error::CredentialsError as SdkCredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use self::ambient::Ambient;
use self::web_identity::Role;

/// A kind of identity, and where it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The keys of a mounted Secret, as files of a directory: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and, where there is one, `AWS_SESSION_TOKEN`. They are read again
    /// every few minutes, so that a rotation is followed.
    Files {
        /// Where the Secret is mounted.
        directory: PathBuf,
    },
    /// A role that the token of a service account may assume (IRSA).
    WebIdentity {
        /// The role's ARN.
        role_arn: String,
        /// The projected token. It is read again whenever the role is assumed anew.
        token_file: PathBuf,
    },
    /// EKS Pod Identity: keys from the agent of the node.
    PodIdentity {
        /// The agent's address; no other than the agent's is accepted.
        uri: String,
        /// The projected token that the agent wants to see.
        token_file: PathBuf,
    },
    /// What the AWS tools of a plain host use: environment, profile, web identity.
    Ambient,
    /// A profile of a plain host.
    Profile {
        /// Its name.
        name: String,
    },
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A Secret does not exist, or holds nothing: Kubernetes mounts an empty directory.
    #[error("nothing is mounted at {}", directory.display())]
    SecretMissing {
        /// Where the Secret is mounted.
        directory: PathBuf,
    },
    /// A Secret lacks a key, or the key is empty.
    #[error("the secret has no {name} (or it is empty) in {}", directory.display())]
    FileMissing {
        /// The Secret's key.
        name: &'static str,
        /// Where the Secret is mounted.
        directory: PathBuf,
    },
    /// A file cannot be read.
    #[error("read {}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The address is not that of the Pod Identity agent.
    #[error("container credentials come from the Pod Identity agent only, not from {uri}")]
    AddressNotAllowed {
        /// The address.
        uri: String,
    },
    /// A plain host has none.
    #[error(
        "no credentials in the environment, a profile or a web identity: set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; where that is set, see that the profile stands in \
         the files that AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name"
    )]
    NotConfigured,
    /// A profile that is named has none.
    #[error(
        "profile {name} is not among those of the AWS tools, or has no keys: see \
         ~/.aws/credentials and ~/.aws/config"
    )]
    ProfileEmpty {
        /// Its name.
        name: String,
    },
    /// Whoever hands them out says no.
    #[error("{by} hands out no credentials: {code}")]
    Refused {
        /// Who said no.
        by: &'static str,
        /// The error code.
        code: String,
    },
    /// Whoever hands them out fails, or does not answer.
    #[error("{by} gave no credentials")]
    Unavailable {
        /// Who failed.
        by: &'static str,
        /// What was seen.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl CredentialsError {
    /// Whether the same may succeed later without anybody acting.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::SecretMissing { .. }
            | Self::FileMissing { .. }
            | Self::ReadFile { .. }
            | Self::AddressNotAllowed { .. }
            | Self::NotConfigured
            | Self::ProfileEmpty { .. }
            | Self::Refused { .. } => false,
        }
    }
}

impl Credentials {
    /// Looks at what can be seen without asking anybody: files and addresses.
    pub fn check(&self) -> Result<(), CredentialsError> {
        match self {
            Self::Files { directory } => files::read(directory).map(|_| ()),
            Self::WebIdentity { token_file, .. } => files::read_token(token_file).map(|_| ()),
            Self::PodIdentity { uri, token_file } => {
                pod_identity::check_address(uri)?;
                files::read_token(token_file).map(|_| ())
            }
            Self::Ambient | Self::Profile { .. } => Ok(()),
        }
    }

    /// What a client of the SDK asks for keys. Roles are assumed in the region.
    pub(in crate::adapters) fn provider(&self, region: &str) -> SharedCredentialsProvider {
        let provider = match self {
            Self::Files { directory } => Provider::Files {
                directory: directory.clone(),
            },
            Self::WebIdentity {
                role_arn,
                token_file,
            } => Provider::WebIdentity(Role::new(role_arn, token_file, region)),
            Self::PodIdentity { uri, token_file } => Provider::PodIdentity {
                uri: uri.clone(),
                token_file: token_file.clone(),
            },
            Self::Ambient => Provider::Ambient(Ambient::new(region)),
            Self::Profile { name } => Provider::Ambient(Ambient::profile(name, region)),
        };
        SharedCredentialsProvider::new(provider)
    }
}

#[derive(Debug)]
enum Provider {
    Files { directory: PathBuf },
    WebIdentity(Role),
    PodIdentity { uri: String, token_file: PathBuf },
    Ambient(Ambient),
}

impl Provider {
    async fn keys(&self) -> Result<Keys, CredentialsError> {
        match self {
            Self::Files { directory } => files::read(directory),
            Self::WebIdentity(role) => role.keys().await,
            Self::PodIdentity { uri, token_file } => pod_identity::keys(uri, token_file).await,
            Self::Ambient(ambient) => ambient.keys().await,
        }
    }
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.keys()
                .await
                .map_err(SdkCredentialsError::provider_error)
        })
    }
}
