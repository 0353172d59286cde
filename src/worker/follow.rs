//! Follow: a queue's messages become ordinary runs of the keys that they name.
//!
//! # Consistency
//! A message is deleted only after the restore point that has what it is about. Before that a crash
//! costs nothing: messages that were held come again. That they come twice or out of order costs a
//! look at a key that has not changed; that they do not come at all is made up for by the schedule.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use super::stop::Stop;
use crate::adapters::clock;
use crate::adapters::sqs::{Message, Queue};
use crate::api::outcome::Reason;
use crate::api::run::BucketOrder;
use crate::plan::event::{self, Told};
use crate::plan::named::Named;

/// How long one request waits for a first message. A stop waits for it, too.
const WAIT_SECONDS: u8 = 10;

/// How long after the first message more are gathered.
const GATHER_WITHIN: Duration = Duration::from_secs(3);

/// How many messages make a batch that waits for no more. A standard queue lets 120,000 be held.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MESSAGES_MAX: usize = 5000;

/// How many requests for messages are on their way at once, where there are many.
const REQUESTS_AT_ONCE: usize = 8;

/// How long messages are held at a time: so long after a crash they come again.
const HOLD_SECONDS: u16 = 300;

/// How many messages about other buckets make a queue another bucket's, where none is about this one.
/// One or two may be strays.
const STRANGERS_MAX: usize = 3;

/// When they are held anew.
const HOLD_AGAIN_AFTER: Duration = Duration::from_mins(2);

/// Messages, and the keys that they name.
#[derive(Debug, Default)]
pub struct Batch {
    /// The keys, relative to the source's prefix.
    pub named: Arc<Named>,
    receipts: Vec<String>,
}

/// Messages, by what they are for a source.
struct Sorted {
    /// Those that name keys of it.
    batch: Batch,
    /// The receipts of those that name nothing within its prefix.
    idle: Vec<String>,
    /// The receipts of those that are not about its bucket.
    strange: Vec<String>,
    /// Those of them that are about other buckets, and about which.
    others: Vec<(String, String)>,
    /// Whether any of them is about its bucket.
    is_ours: bool,
}

/// A queue that is followed for a bucket.
#[derive(Debug)]
pub struct Follower {
    queue: Queue,
    bucket: BucketOrder,
    /// Whether it has told of the bucket.
    has_told: bool,
    /// The messages about other buckets that have come before that did.
    strangers: BTreeSet<String>,
}

impl Follower {
    /// Follows a queue.
    #[must_use]
    pub fn new(queue: Queue, bucket: BucketOrder) -> Self {
        Self {
            queue,
            bucket,
            has_told: false,
            strangers: BTreeSet::new(),
        }
    }

    /// Takes what is in the queue now, and no more: a queue that cannot be read shows by that. What it
    /// tells of is in the whole run that comes next.
    ///
    /// # Errors
    /// As [`Self::gather`].
    pub async fn begin(&mut self) -> Result<Batch, Failure> {
        let messages = self.queue.receive(0, HOLD_SECONDS).await?;
        self.take(messages).await
    }

    /// Waits for messages, and gathers those of a few seconds. Those about what lies outside of the prefix
    /// are deleted; those that are not about the bucket are left to the queue's dead-letter queue.
    ///
    /// # Errors
    /// The queue cannot be read, it tells of other buckets and not of this one, or a stop was asked for:
    /// what was received is given back.
    pub async fn gather(&mut self, stop: &Stop) -> Result<Batch, Failure> {
        loop {
            let messages = self.receive(stop).await?;
            let batch = self.take(messages).await?;
            if !batch.named.is_empty() {
                return Ok(batch);
            }
        }
    }

    async fn take(&mut self, messages: Vec<Message>) -> Result<Batch, Failure> {
        let Sorted {
            batch,
            idle,
            strange,
            others,
            is_ours,
        } = self.sort(messages);
        self.queue.delete(&idle).await?;
        self.has_told |= is_ours;
        if !self.has_told
            && let Some(other) = others.first().cloned().map(|(_, bucket)| bucket)
        {
            self.strangers.extend(others.into_iter().map(|(id, _)| id));
            if self.strangers.len() >= STRANGERS_MAX {
                self.give_back(strange.into_iter()).await;
                return Err(self.tells_of(&other));
            }
        }
        Ok(batch)
    }

    fn tells_of(&self, other: &str) -> Failure {
        let (queue, name) = (self.queue.url(), &self.bucket.name);
        let message = format!(
            "the queue {queue} tells of the bucket {other}, and the source is {name}: correct the \
             source's bucket.events.queueUrl, or give each bucket a queue of its own"
        );
        Failure::new(Reason::InvalidSpec, message)
    }

    /// Keeps a batch's messages from coming again, as long as the answer lives.
    pub fn hold(&self, batch: &Batch) -> AbortOnDropHandle<()> {
        let (queue, receipts) = (self.queue.clone(), batch.receipts.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(HOLD_AGAIN_AFTER).await;
                if let Err(error) = queue.hold(&receipts, HOLD_SECONDS).await {
                    // They come again during the run, and are found to be done.
                    tracing::warn!(error = %error, "messages not held");
                }
            }
        }))
    }

    /// Deletes a batch's messages: what they are about is in a restore point.
    ///
    /// # Errors
    /// The queue does not let them be deleted: they come again.
    pub async fn done(&self, batch: Batch) -> Result<(), Failure> {
        if batch.receipts.is_empty() {
            return Ok(());
        }
        self.queue.delete(&batch.receipts).await?;
        let (messages, keys) = (batch.receipts.len(), batch.named.len());
        tracing::info!(messages, keys, "messages done");
        Ok(())
    }

    /// Gives a batch's messages back, for whoever follows the queue next.
    pub async fn give_up(&self, batch: Batch) {
        self.give_back(batch.receipts.into_iter()).await;
    }

    async fn give_back(&self, receipts: impl Iterator<Item = String>) {
        let receipts: Vec<String> = receipts.collect();
        if let Err(error) = self.queue.hold(&receipts, 0).await {
            tracing::debug!(error = %error, "messages come again later");
        }
    }

    /// Some seconds' worth of messages. A request that is under way is never given up: it might still
    /// be given messages, which nobody else would get for five minutes.
    async fn receive(&self, stop: &Stop) -> Result<Vec<Message>, Failure> {
        let mut messages = Vec::new();
        while messages.is_empty() {
            stop.check()?;
            messages = self.queue.receive(WAIT_SECONDS, HOLD_SECONDS).await?;
        }
        let since = clock::monotonic();
        let mut gone_on = stop.check();
        while gone_on.is_ok() && messages.len() < MESSAGES_MAX && since.elapsed() < GATHER_WITHIN {
            gone_on = match self.more().await {
                Ok(more) => {
                    messages.extend(more);
                    stop.check()
                }
                Err(failure) => Err(failure),
            };
        }
        if let Err(failure) = gone_on {
            self.give_back(messages.into_iter().map(|message| message.receipt))
                .await;
            return Err(failure);
        }
        Ok(messages)
    }

    /// What comes within a second.
    async fn more(&self) -> Result<Vec<Message>, Failure> {
        let requests = (0..REQUESTS_AT_ONCE).map(|_| self.queue.receive(1, HOLD_SECONDS));
        let received = futures::future::try_join_all(requests)
            .await
            .map_err(Failure::from)?;
        Ok(received.into_iter().flatten().collect())
    }

    fn sort(&self, messages: Vec<Message>) -> Sorted {
        let mut named = Named::default();
        let (mut receipts, mut idle, mut strange) = (Vec::new(), Vec::new(), Vec::new());
        let (mut others, mut first, mut is_ours) = (Vec::new(), None, false);
        for message in messages {
            match event::read(&message.body, &self.bucket.name, &self.bucket.prefix) {
                Told::Nothing => idle.push(message.receipt),
                Told::Keys(keys) if keys.is_empty() => {
                    is_ours = true;
                    idle.push(message.receipt);
                }
                Told::Keys(keys) => {
                    is_ours = true;
                    receipts.push(message.receipt);
                    for key in keys {
                        named.insert(key);
                    }
                }
                told @ (Told::OfBucket(_) | Told::Unknown) => {
                    first.get_or_insert_with(|| message.id.clone());
                    if let Told::OfBucket(bucket) = told {
                        others.push((message.id, bucket));
                    }
                    strange.push(message.receipt);
                }
            }
        }
        if let Some(first) = first {
            tracing::warn!(
                count = strange.len(),
                first,
                other_bucket = others.first().map(|(_, bucket)| bucket),
                queue = self.queue.url(),
                "messages are no notifications of this bucket: left to the dead-letter queue"
            );
        }
        tracing::debug!(
            messages = receipts.len(),
            keys = named.len(),
            "batch gathered"
        );
        let named = Arc::new(named);
        Sorted {
            batch: Batch { named, receipts },
            idle,
            strange,
            others,
            is_ours,
        }
    }
}
