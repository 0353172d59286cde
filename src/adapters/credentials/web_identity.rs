//! A role that a service account's token may assume (IRSA).
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials as Keys;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Builder;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role_with_web_identity::{
    AssumeRoleWithWebIdentityError, AssumeRoleWithWebIdentityOutput,
};

use super::{CredentialsError, files};
use crate::adapters::sdk::{self, app_name, attempts_within, retries};

/// How long one attempt may take.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);

/// The name of the session, which the audit trail shows.
const SESSION: &str = "backstay";

const BY: &str = "AWS STS";

/// A role, the token that may assume it, and the token service of a region.
#[derive(Debug)]
pub(super) struct Role {
    client: Client,
    arn: String,
    token_file: PathBuf,
}

impl Role {
    pub(super) fn new(arn: &str, token_file: &Path, region: &str) -> Self {
        Self::with_config(arn, token_file, config(region))
    }

    fn with_config(arn: &str, token_file: &Path, config: Builder) -> Self {
        let client = Client::from_conf(config.build());
        Self {
            client,
            arn: arn.to_owned(),
            token_file: token_file.to_owned(),
        }
    }

    /// Assumes the role, with the token as it stands in the file now.
    pub(super) async fn keys(&self) -> Result<Keys, CredentialsError> {
        let answer = self
            .client
            .assume_role_with_web_identity()
            .role_arn(&self.arn)
            .role_session_name(SESSION)
            .web_identity_token(files::read_token(&self.token_file)?)
            .send()
            .await
            .map_err(failed)?;
        parse(&answer).ok_or_else(|| unavailable("its answer holds no keys"))
    }
}

fn config(region: &str) -> Builder {
    Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .app_name(app_name())
        .region(Region::new(region.to_owned()))
        .retry_config(retries())
        .timeout_config(attempts_within(ATTEMPT_WITHIN))
}

fn parse(answer: &AssumeRoleWithWebIdentityOutput) -> Option<Keys> {
    let keys = answer.credentials()?;
    Some(Keys::new(
        keys.access_key_id(),
        keys.secret_access_key(),
        Some(keys.session_token().to_owned()),
        Some((*keys.expiration()).try_into().ok()?),
        "WebIdentity",
    ))
}

fn failed(error: SdkError<AssumeRoleWithWebIdentityError>) -> CredentialsError {
    match &error {
        // Its own failures are server errors; the others last until somebody acts.
        SdkError::ServiceError(answer) if answer.raw().status().is_client_error() => {
            let code = sdk::code(answer.err().code());
            CredentialsError::Refused {
                by: BY,
                code: code.unwrap_or("Unknown").to_owned(),
            }
        }
        _ => unavailable(error),
    }
}

fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> CredentialsError {
    CredentialsError::Unavailable {
        by: BY,
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::stand_in::{answer, answering};
    use super::*;

    const KEYS: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>\
        <Credentials><AccessKeyId>id</AccessKeyId><SecretAccessKey>key</SecretAccessKey>\
        <SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>\
        </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

    const REFUSAL: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
        <Message>Not authorized</Message></Error></ErrorResponse>";

    async fn ask(endpoint: &str) -> Result<Keys, CredentialsError> {
        let mut token = tempfile::NamedTempFile::new().unwrap();
        token.write_all(b"the-token\n").unwrap();
        let config = config("eu-south-1").endpoint_url(endpoint);
        let arn = "arn:aws:iam::123456789012:role/backup";
        Role::with_config(arn, token.path(), config).keys().await
    }

    #[tokio::test]
    async fn the_token_is_exchanged_for_keys() {
        let (endpoint, asked) = answering(answer("200 OK", KEYS)).await;
        let keys = ask(&endpoint).await.unwrap();
        assert_eq!(
            (keys.access_key_id(), keys.session_token()),
            ("id", Some("t"))
        );
        assert!(keys.expiry().is_some());
        let asked = asked.lock().unwrap();
        assert!(asked[0].contains("WebIdentityToken=the-token"), "{asked:?}");
        assert!(!asked[0].contains("authorization"), "{asked:?}");
    }

    #[tokio::test]
    async fn s15_a_refusal_is_told_from_a_failure() {
        let (endpoint, asked) = answering(answer("403 Forbidden", REFUSAL)).await;
        let error = ask(&endpoint).await.unwrap_err();
        assert!(matches!(&error, CredentialsError::Refused { code, .. } if code == "AccessDenied"));
        assert_eq!(asked.lock().unwrap().len(), 1);

        let (endpoint, asked) = answering(answer("503 Unavailable", "")).await;
        assert!(ask(&endpoint).await.unwrap_err().is_retryable());
        assert_eq!(asked.lock().unwrap().len(), 4);
    }
}
