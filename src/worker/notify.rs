//! Where a run's notices go.

use crate::adapters::credentials::Credentials;
use crate::adapters::sns::{SnsError, SnsTopic};
use crate::api::policy::Notice as Kind;
use crate::api::run::RunSpec;
use crate::plan::notice::{Notice, Origin};

/// A topic, and what it is to be told of whom.
#[derive(Debug)]
pub struct Post {
    /// The topic, or why it cannot be told.
    topic: Result<SnsTopic, SnsError>,
    wanted: Vec<Kind>,
    cluster: String,
    namespace: String,
    policy: String,
    source: String,
}

impl Post {
    /// The topic of a run's order; nothing where it names none. One that cannot be told takes
    /// nothing from the backup: each notice is answered with the reason.
    #[must_use]
    pub fn new(spec: &RunSpec, credentials: &Credentials) -> Option<Self> {
        let topic = spec.sns.as_ref()?;
        Some(Self {
            topic: SnsTopic::new(topic, credentials),
            wanted: topic.notices.clone(),
            cluster: spec.cluster.clone(),
            namespace: spec.namespace.clone(),
            policy: spec.policy.clone(),
            source: spec.source.clone(),
        })
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
        let published = match &self.topic {
            Ok(topic) => topic.publish(notice).await,
            Err(error) => Err(error.clone()),
        };
        match published {
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
