//! What the AWS tools of a plain host use, but for what asks an address of the local link.

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::credentials::Builder;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::error::CredentialsError as SdkCredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::CredentialsError;

/// Sources of a profile that ask an address of the local link.
const LOCAL_SOURCES: [&str; 2] = ["Ec2InstanceMetadata", "EcsContainer"];

/// Environment, profile, web identity: the first that is there.
#[derive(Debug)]
pub(super) struct Ambient {
    chain: CredentialsProviderChain,
    /// The one profile that is asked, where it is one.
    profile: Option<String>,
}

impl Ambient {
    pub(super) fn new(region: &str) -> Self {
        let config = config(region);
        let web_identity = WebIdentityTokenCredentialsProvider::builder().configure(&config);
        let environment = EnvironmentVariableCredentialsProvider::new();
        Self {
            chain: CredentialsProviderChain::first_try("Environment", environment)
                .or_else("Profile", profile(&config).build())
                .or_else("WebIdentity", web_identity.build()),
            profile: None,
        }
    }

    /// One profile, and nothing else.
    pub(super) fn profile(name: &str, region: &str) -> Self {
        let provider = profile(&config(region)).profile_name(name).build();
        Self {
            chain: CredentialsProviderChain::first_try("Profile", provider),
            profile: Some(name.to_owned()),
        }
    }

    pub(super) async fn keys(&self) -> Result<Keys, CredentialsError> {
        self.chain
            .provide_credentials()
            .await
            .map_err(|error| match error {
                SdkCredentialsError::CredentialsNotLoaded(_) => match self.profile.clone() {
                    Some(name) => CredentialsError::ProfileEmpty { name },
                    None => CredentialsError::NotConfigured,
                },
                other => CredentialsError::Unavailable {
                    by: "the environment, the profile or the web identity",
                    source: Box::new(other),
                },
            })
    }
}

fn config(region: &str) -> ProviderConfig {
    ProviderConfig::without_region()
        .with_region(Some(Region::new(region.to_owned())))
        .with_behavior_version(Some(BehaviorVersion::latest()))
}

fn profile(config: &ProviderConfig) -> Builder {
    let mut profile = ProfileFileCredentialsProvider::builder().configure(config);
    for source in LOCAL_SOURCES {
        profile = profile.with_custom_provider(source, NeverAsked);
    }
    profile
}

#[derive(Debug)]
struct NeverAsked;

impl ProvideCredentials for NeverAsked {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let why = "no address of the local link is ever asked";
        future::ProvideCredentials::ready(Err(SdkCredentialsError::not_loaded(why)))
    }
}
