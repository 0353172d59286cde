//! An SQS queue that is followed.
//!
//! # Guarantees
//! A message that was received comes again unless it is deleted: SQS delivers at least once, in any
//! order.

use std::error::Error;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Region;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::credentials::{Credentials, CredentialsError};
use super::sdk::{
    self, app_name, attempts_within, causes, credentials_error, one_line, retries, root_cause,
    with_code,
};
use crate::api::run::QueueOrder;

/// How many messages one request may name.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MESSAGES_PER_REQUEST: u8 = 10;

/// How many such requests are on their way at once.
const REQUESTS_AT_ONCE: usize = 8;

/// How long one attempt may take; a request that waits for messages takes 20 s by itself.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(50);

/// A queue, and who we are to it.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

/// A message, and how it is named until it comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id, which it keeps.
    pub id: String,
    /// What this delivery of it is called.
    pub receipt: String,
    /// What it says.
    pub body: String,
}

/// Why a queue did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue does not exist.
    #[error("queue does not exist: {queue}")]
    QueueGone {
        /// The queue's URL.
        queue: String,
    },
    /// The identity may not do this.
    #[error("{operation} on {queue} was refused: {code}: allow the source's identity {action}")]
    AccessDenied {
        /// The operation, by SQS's name.
        operation: &'static str,
        /// The right that it needs.
        action: &'static str,
        /// The queue's URL.
        queue: String,
        /// The error code.
        code: String,
    },
    /// There are no credentials to ask with.
    #[error("{detail}")]
    CredentialsMissing {
        /// What is missing, and where it was looked for.
        detail: String,
    },
    /// No answer, or one that says that the service is not well.
    #[error("{operation} on {queue} failed: {detail}")]
    Unavailable {
        /// The operation, by SQS's name.
        operation: &'static str,
        /// The queue's URL.
        queue: String,
        /// What was seen.
        detail: String,
    },
    /// The service refused the request for another reason.
    #[error("{operation} on {queue} was refused: {code}: {detail}")]
    Refused {
        /// The operation, by SQS's name.
        operation: &'static str,
        /// The queue's URL.
        queue: String,
        /// The error code.
        code: String,
        /// The service's own words.
        detail: String,
    },
}

/// A request: its name, and the right that it needs.
#[derive(Clone, Copy)]
struct Request(&'static str, &'static str);

const RECEIVE: Request = Request("ReceiveMessage", "sqs:ReceiveMessage");
const DELETE: Request = Request("DeleteMessageBatch", "sqs:DeleteMessage");
const HOLD: Request = Request(
    "ChangeMessageVisibilityBatch",
    "sqs:ChangeMessageVisibility",
);

impl Queue {
    /// Makes a client. No request is sent.
    #[must_use]
    pub fn new(order: &QueueOrder, credentials: &Credentials) -> Self {
        let mut config = aws_sdk_sqs::Config::builder()
            .behavior_version_latest()
            .app_name(app_name())
            .credentials_provider(credentials.provider(&order.region))
            .region(Region::new(order.region.clone()))
            .retry_config(retries())
            .timeout_config(attempts_within(ATTEMPT_WITHIN));
        config.set_endpoint_url(order.endpoint.clone());
        Self {
            client: Client::from_conf(config.build()),
            url: order.url.clone(),
        }
    }

    /// The queue's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Receives up to ten messages, and waits up to `wait_seconds` (20 at most) for the first. Nobody
    /// else receives them for `hold_seconds`.
    pub async fn receive(
        &self,
        wait_seconds: u8,
        hold_seconds: u16,
    ) -> Result<Vec<Message>, QueueError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(MESSAGES_PER_REQUEST.into())
            .wait_time_seconds(wait_seconds.into())
            .visibility_timeout(hold_seconds.into())
            .send()
            .await
            .map_err(|error| self.failed(RECEIVE, &error))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages
            .filter_map(|message| {
                Some(Message {
                    id: message.message_id.unwrap_or_default(),
                    receipt: message.receipt_handle?,
                    body: message.body.unwrap_or_default(),
                })
            })
            .collect())
    }

    /// Deletes messages. One that the queue does not delete comes again.
    pub async fn delete(&self, receipts: &[String]) -> Result<(), QueueError> {
        self.in_batches(receipts, |batch| async move {
            let entries = batch.into_iter().enumerate().map(to_delete);
            self.client
                .delete_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .map(drop)
                .map_err(|error| self.failed(DELETE, &error))
        })
        .await
    }

    /// Holds messages for so long from now; 0 gives them back.
    pub async fn hold(&self, receipts: &[String], seconds: u16) -> Result<(), QueueError> {
        self.in_batches(receipts, |batch| async move {
            let entries = batch.into_iter().enumerate();
            let entries = entries.map(|entry| to_hold(entry, seconds));
            self.client
                .change_message_visibility_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect()))
                .send()
                .await
                .map(drop)
                .map_err(|error| self.failed(HOLD, &error))
        })
        .await
    }

    async fn in_batches<F>(
        &self,
        receipts: &[String],
        send: impl Fn(Vec<String>) -> F,
    ) -> Result<(), QueueError>
    where
        F: Future<Output = Result<(), QueueError>>,
    {
        let batches = receipts.chunks(MESSAGES_PER_REQUEST.into());
        let batches: Vec<F> = batches.map(|batch| send(batch.to_vec())).collect();
        stream::iter(batches)
            .buffer_unordered(REQUESTS_AT_ONCE)
            .try_collect()
            .await
    }

    fn failed<E>(&self, request: Request, error: &SdkError<E, HttpResponse>) -> QueueError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let meta = answer.err().meta();
                let status = answer.raw().status().as_u16();
                self.refused(request, status, meta.code(), meta.message())
            }
            SdkError::TimeoutError(_) => self.unavailable(request, "no answer in time"),
            SdkError::ResponseError(_) => {
                self.unavailable(request, "the answer broke off or is not that of SQS")
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) | _ => {
                match credentials_error(error) {
                    Some(CredentialsError::Refused { code, .. }) => {
                        self.denied(request, code.clone())
                    }
                    Some(error @ CredentialsError::Unavailable { .. }) => {
                        self.unavailable(request, &causes(error))
                    }
                    Some(error) => QueueError::CredentialsMissing {
                        detail: one_line(&causes(error)),
                    },
                    None => self.unavailable(request, &root_cause(error)),
                }
            }
        }
    }

    fn refused(
        &self,
        request: Request,
        status: u16,
        code: Option<&str>,
        message: Option<&str>,
    ) -> QueueError {
        let word = sdk::code(code);
        let detail = message.unwrap_or_default();
        let named = word.map_or_else(|| format!("HTTP {status}"), str::to_owned);
        match (word.unwrap_or_default(), status) {
            ("AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist", _) => {
                QueueError::QueueGone {
                    queue: self.url.clone(),
                }
            }
            (_, 429 | 500..=599)
            | ("ThrottlingException" | "RequestThrottled" | "OverLimit" | "KmsThrottled", _) => {
                self.unavailable(request, &with_code(&named, detail))
            }
            (_, 401 | 403) | ("AccessDenied" | "AccessDeniedException" | "KmsAccessDenied", _) => {
                self.denied(request, named)
            }
            _ => QueueError::Refused {
                operation: request.0,
                queue: self.url.clone(),
                code: named,
                detail: one_line(detail),
            },
        }
    }

    fn denied(&self, Request(operation, action): Request, code: String) -> QueueError {
        QueueError::AccessDenied {
            operation,
            action,
            queue: self.url.clone(),
            code,
        }
    }

    fn unavailable(&self, Request(operation, _): Request, detail: &str) -> QueueError {
        QueueError::Unavailable {
            operation,
            queue: self.url.clone(),
            detail: one_line(detail),
        }
    }
}

fn to_delete((index, receipt): (usize, String)) -> DeleteMessageBatchRequestEntry {
    DeleteMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .receipt_handle(receipt)
        .build()
        .expect("id and receipt are there")
}

fn to_hold(
    (index, receipt): (usize, String),
    seconds: u16,
) -> ChangeMessageVisibilityBatchRequestEntry {
    ChangeMessageVisibilityBatchRequestEntry::builder()
        .id(index.to_string())
        .receipt_handle(receipt)
        .visibility_timeout(seconds.into())
        .build()
        .expect("id and receipt are there")
}
