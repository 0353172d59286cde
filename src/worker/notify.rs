//! Where a run's notices go.

use crate::adapters::credentials::Credentials;
use crate::adapters::sns::{SnsError, SnsTopic};
use crate::api::policy::Notice as Kind;
use crate::api::run::RunSpec;
use crate::plan::notice::{Notice, Origin};

/// A topic, and what it is to be told of whom.
#[derive(Debug)]
pub struct Post {
    topic: SnsTopic,
    wanted: Vec<Kind>,
    cluster: String,
    namespace: String,
    policy: String,
    source: String,
}

impl Post {
    /// The topic of a run's order; nothing where it names none.
    ///
    /// # Errors
    /// When the ARN is not that of a topic.
    pub fn new(spec: &RunSpec, credentials: &Credentials) -> Result<Option<Self>, SnsError> {
        let Some(topic) = &spec.sns else {
            return Ok(None);
        };
        Ok(Some(Self {
            topic: SnsTopic::new(topic, credentials)?,
            wanted: topic.notices.clone(),
            cluster: spec.cluster.clone(),
            namespace: spec.namespace.clone(),
            policy: spec.policy.clone(),
            source: spec.source.clone(),
        }))
    }

    /// Whether this kind of notice is asked for. A refusal is a failure, too.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> bool {
        let is_named = self.wanted.contains(&kind);
        let is_failure = kind == Kind::Refused && self.wanted.contains(&Kind::Failed);
        self.wanted.is_empty() || is_named || is_failure
    }

    /// Whose notices they are.
    #[must_use]
    pub fn origin(&self) -> Origin<'_> {
        Origin {
            cluster: &self.cluster,
            namespace: &self.namespace,
            policy: &self.policy,
            source: &self.source,
        }
    }

    /// Sends a notice.
    ///
    /// # Errors
    /// When the topic cannot be told.
    pub async fn send(&self, notice: &Notice) -> Result<(), SnsError> {
        match self.topic.publish(notice).await {
            Ok(message) => {
                tracing::info!(
                    message_id = message,
                    subject = notice.subject,
                    "notice sent"
                );
                Ok(())
            }
            Err(error) => {
                tracing::error!(error = %error, subject = notice.subject, "notice not sent");
                Err(error)
            }
        }
    }
}
