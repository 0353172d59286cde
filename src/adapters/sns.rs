//! An SNS topic.
//!
//! # Guarantees
//! A notice arrives at least once: when a reply is lost, it is sent again.

mod notice;

use std::error::Error;
use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::Region;
use aws_sdk_sns::config::http::HttpResponse;
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};

pub use self::notice::{ATTRIBUTES_MAX, NOTICE_MAX_BYTES};
use super::credentials::{Credentials, CredentialsError};
use super::sdk::{
    self, app_name, attempts_within, causes, credentials_error, one_line, retries, root_cause,
    with_code,
};
use crate::api::policy;
use crate::plan::notice::Notice;

/// How long one attempt may take.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(30);

/// A topic, and who we are to it.
#[derive(Clone, Debug)]
pub struct SnsTopic {
    client: Client,
    arn: String,
}

/// Why a notice was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnsError {
    /// The ARN is not that of a topic.
    #[error("not the arn of a topic: {arn}")]
    NotATopic {
        /// The ARN.
        arn: String,
    },
    /// The notice breaks a rule of SNS.
    #[error("the notice's {what}")]
    Malformed {
        /// Which rule.
        what: &'static str,
    },
    /// The topic does not exist.
    #[error("topic does not exist: {topic}")]
    TopicGone {
        /// The topic's ARN.
        topic: String,
    },
    /// The identity may not publish.
    #[error("Publish on {topic} was refused: {code}")]
    AccessDenied {
        /// The topic's ARN.
        topic: String,
        /// The error code.
        code: String,
    },
    /// No answer, or one that says that the service is not well. It may have been published.
    #[error("Publish on {topic} failed: {detail}")]
    Unavailable {
        /// The topic's ARN.
        topic: String,
        /// What was seen.
        detail: String,
    },
    /// The service refused the notice for another reason.
    #[error("Publish on {topic} was refused: {code}: {detail}")]
    Refused {
        /// The topic's ARN.
        topic: String,
        /// The error code.
        code: String,
        /// The service's own words.
        detail: String,
    },
}

impl SnsError {
    /// What happened, and what can be done about it.
    #[must_use]
    pub fn explain(&self) -> String {
        let remedy = match self {
            Self::TopicGone { .. } => ": create it, or correct spec.notifications.sns.topicArn",
            Self::AccessDenied { .. } => {
                ": give the identity sns:Publish on the topic, and kms:GenerateDataKey* and \
                 kms:Decrypt on its key where it is encrypted"
            }
            Self::Unavailable { .. } => {
                ": check spec.notifications.sns.endpoint, the region in the ARN, and the network"
            }
            Self::NotATopic { .. } | Self::Malformed { .. } | Self::Refused { .. } => "",
        };
        format!("{self}{remedy}")
    }

    /// Whether the same notice may be published later without anybody acting.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::NotATopic { .. }
            | Self::Malformed { .. }
            | Self::TopicGone { .. }
            | Self::AccessDenied { .. }
            | Self::Refused { .. } => false,
        }
    }
}

impl SnsTopic {
    /// Makes a client. No request is sent. The region is the one in the ARN.
    pub fn new(topic: &policy::SnsTopic, credentials: &Credentials) -> Result<Self, SnsError> {
        let arn = &topic.topic_arn;
        let region = region(arn)
            .ok_or_else(|| SnsError::NotATopic { arn: arn.clone() })?
            .to_owned();
        let mut config = aws_sdk_sns::Config::builder()
            .behavior_version_latest()
            .app_name(app_name())
            .credentials_provider(credentials.provider(&region))
            .region(Region::new(region))
            .retry_config(retries())
            .timeout_config(attempts_within(ATTEMPT_WITHIN));
        config.set_endpoint_url(topic.endpoint.clone());
        Ok(Self {
            client: Client::from_conf(config.build()),
            arn: arn.clone(),
        })
    }

    /// Publishes a notice; answers with the message's id.
    pub async fn publish(&self, notice: &Notice) -> Result<String, SnsError> {
        notice::check(notice)?;
        let mut operation = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(&notice.subject)
            .message_structure("json")
            .message(notice::message(notice));
        for (name, attribute) in &notice.attributes {
            operation = operation.message_attributes(*name, notice::value(attribute));
        }
        let answer = operation
            .send()
            .await
            .map_err(|error| self.failed(&error))?;
        answer
            .message_id
            .ok_or_else(|| self.unavailable("the answer lacks MessageId"))
    }

    fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> SnsError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let meta = answer.err().meta();
                self.refused(answer.raw().status().as_u16(), meta.code(), meta.message())
            }
            SdkError::TimeoutError(_) => self.unavailable("no answer in time"),
            SdkError::ResponseError(_) => {
                self.unavailable("the answer broke off or is not that of SNS")
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) | _ => {
                match credentials_error(error) {
                    Some(error) => self.without_credentials(error),
                    None => self.unavailable(&root_cause(error)),
                }
            }
        }
    }

    fn refused(&self, status: u16, code: Option<&str>, message: Option<&str>) -> SnsError {
        let topic = self.arn.clone();
        let word = sdk::code(code);
        let detail = message.unwrap_or_default();
        let named = word.map_or_else(|| format!("HTTP {status}"), str::to_owned);
        match (word.unwrap_or_default(), status) {
            ("NotFound" | "NotFoundException", _) => SnsError::TopicGone { topic },
            (_, 429 | 500..=599)
            | (
                "Throttling" | "Throttled" | "KMSThrottling" | "InternalError"
                | "ServiceUnavailable",
                _,
            ) => self.unavailable(&with_code(&named, detail)),
            (_, 401 | 403) => SnsError::AccessDenied { topic, code: named },
            _ => SnsError::Refused {
                topic,
                code: named,
                detail: one_line(detail),
            },
        }
    }

    fn without_credentials(&self, error: &CredentialsError) -> SnsError {
        let topic = self.arn.clone();
        match error {
            CredentialsError::Unavailable { .. } => self.unavailable(&causes(error)),
            CredentialsError::Refused { code, .. } => SnsError::AccessDenied {
                topic,
                code: code.clone(),
            },
            CredentialsError::SecretMissing { .. }
            | CredentialsError::FileMissing { .. }
            | CredentialsError::ReadFile { .. }
            | CredentialsError::AddressNotAllowed { .. }
            | CredentialsError::NotConfigured
            | CredentialsError::ProfileEmpty { .. } => SnsError::Refused {
                topic,
                code: "CredentialsMissing".to_owned(),
                detail: one_line(&causes(error)),
            },
        }
    }

    fn unavailable(&self, detail: &str) -> SnsError {
        SnsError::Unavailable {
            topic: self.arn.clone(),
            detail: one_line(detail),
        }
    }
}

/// The region in `arn:<partition>:sns:<region>:<account>:<name>`.
fn region(arn: &str) -> Option<&str> {
    let mut fields = arn.split(':');
    let (scheme, _partition, service) = (fields.next()?, fields.next()?, fields.next()?);
    let (region, account, name) = (fields.next()?, fields.next()?, fields.next()?);
    let is_topic = scheme == "arn" && service == "sns" && fields.next().is_none();
    let is_whole = !region.is_empty() && !account.is_empty() && !name.is_empty();
    (is_topic && is_whole).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_that_of_the_topic() {
        assert_eq!(
            region("arn:aws:sns:eu-south-1:123456789012:backups"),
            Some("eu-south-1")
        );
        assert_eq!(
            region("arn:aws-cn:sns:cn-north-1:123456789012:b"),
            Some("cn-north-1")
        );
        for other in [
            "",
            "arn:aws:sqs:eu-south-1:1:q",
            "arn:aws:sns::1:t",
            "arn:aws:sns:r:1:t:s",
        ] {
            assert_eq!(region(other), None, "{other}");
        }
    }
}
