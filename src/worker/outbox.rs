//! The outbox: what a run has to tell, and what runs before it could not.
//!
//! # Consistency
//! A run tells while it is still HEAD's writer, so that no other run tells at the same time. What
//! it could not send goes into HEAD with the swap by which it ends, and whoever is the next
//! writer to end sends it. A run that died as the writer is seen by the next one to open, which
//! owes its notice. A run that does not reach HEAD leaves what it knows in its report, and whoever
//! starts the next one tells it. A notice is sent twice only where a run dies, or a reply is lost,
//! between the sending and that swap. Both copies name the run.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::failure::Failure;
use super::head::swap;
use super::notify::Post;
use super::report::Reporter;
use super::repository::Held;
use crate::adapters::clock;
use crate::adapters::sns::SnsError;
use crate::adapters::store::{Get, Store};
use crate::api::catalog::{Head, Outbox, Owed};
use crate::api::left::Left;
use crate::api::outcome::Reason;
use crate::api::report::RunReport;
use crate::plan::location::Location;
use crate::plan::{head, left, notice, outbox};

/// How long all telling of a run may take: below the time after which its writer is taken for
/// dead.
const TELL_WITHIN: Duration = Duration::from_mins(2);

/// What became of a run's notices.
#[derive(Debug, Default)]
pub struct Delivery {
    /// What HEAD is to remember.
    pub outbox: Outbox,
    /// Whether everything that was owed was sent; nothing where nothing was.
    pub sent: Option<bool>,
    /// Why not.
    pub error: Option<String>,
    /// Whether the topic has not answered, and is not asked again by this run.
    is_silent: bool,
}

impl Delivery {
    fn sent(&mut self) {
        self.sent.get_or_insert(true);
    }

    fn failed(&mut self, error: &SnsError) {
        self.sent = Some(false);
        self.error.get_or_insert_with(|| error.explain());
    }
}

/// Tells what is owed of earlier runs, and then how this one ended: the last word is the one that is
/// believed. The caller holds HEAD as its writer, or there is no HEAD.
pub async fn tell<S: Store>(
    store: &S,
    location: &Location,
    post: &Post,
    known: Outbox,
    report: &RunReport,
) -> Delivery {
    let now = store.last_answer().unwrap_or_else(clock::now);
    let mut delivery = Delivery {
        outbox: known,
        ..Delivery::default()
    };
    // What is not sent when the time is over is owed like what was refused.
    let started = clock::monotonic();
    tell_owed(&mut delivery, store, location, post, report, started).await;
    tell_own(&mut delivery, post, report, now, started).await;
    delivery
}

async fn tell_owed<S: Store>(
    delivery: &mut Delivery,
    store: &S,
    location: &Location,
    post: &Post,
    report: &RunReport,
    started: Instant,
) {
    let owed = std::mem::take(&mut delivery.outbox.owed);
    let mut owed = owed.into_iter();
    for entry in owed.by_ref() {
        let late = late_report(store, location, &entry, report).await;
        if !post.wants(notice::kind(&late)) {
            continue;
        }
        let notice = notice::late(&post.origin(), &late, &entry, delivery.outbox.lost);
        match within(started, post.send(&notice)).await {
            Ok(()) => {
                delivery.outbox.lost = 0;
                delivery.sent();
            }
            // A topic that takes others and not this one will never take it.
            Err(error @ (SnsError::Malformed { .. } | SnsError::Refused { .. })) => {
                delivery.failed(&error);
                delivery.outbox.lost = delivery.outbox.lost.saturating_add(1);
            }
            Err(error) => {
                delivery.failed(&error);
                delivery.outbox.owed.push(entry);
                delivery.is_silent = true;
                break;
            }
        }
    }
    delivery.outbox.owed.extend(owed);
}

/// Tells of a run that could not begin. HEAD is told, too, where it can be read and nobody else
/// holds it; otherwise the next run has to be told in another way. The report says which.
pub async fn tell_unopened<S: Store>(
    store: &S,
    location: &Location,
    post: &Post,
    held: Option<Held>,
    reporter: &Reporter,
    report: &RunReport,
) -> Delivery {
    let before = report.left.as_ref();
    let noted = match held.filter(|held| held.head.writer.is_none()) {
        Some(held) => note(store, location, held, report).await,
        None => Err(left::outbox_of(before)),
    };
    let held = match noted {
        Ok(held) => held,
        Err(known) => {
            let delivery = tell(store, location, post, known, report).await;
            reporter.leaving(Some(leave(before, report, &delivery, store.last_answer())));
            return delivery;
        }
    };
    reporter.leaving(None);
    let delivery = tell(store, location, post, held.head.outbox.clone(), report).await;
    if let Err(failure) = close(store, location, &held, delivery.outbox.clone()).await {
        tracing::debug!(error = %failure, "what was told is not noted");
    }
    delivery
}

/// Notes in HEAD that a run failed, and takes over what runs before it have left. Where HEAD cannot be
/// written, answers with what has been told, by all that is known.
async fn note<S: Store>(
    store: &S,
    location: &Location,
    held: Held,
    report: &RunReport,
) -> Result<Held, Outbox> {
    let before = report.left.as_ref();
    let now = store.last_answer().unwrap_or(held.modified);
    let reason = report.reason.unwrap_or(Reason::Internal);
    let known = left::taken(held.head.clone(), before);
    let next = head::troubled(&known, &report.run, reason, now, Uuid::new_v4());
    swap(store, location, &held, next).await.map_err(|failure| {
        tracing::debug!(error = %failure, "the failure is not noted");
        let known = left::outbox_of(before);
        let told = known.told.or_else(|| held.head.outbox.told.clone());
        Outbox { told, ..known }
    })
}

/// Tells of a run that has no store to ask.
pub async fn tell_alone(post: &Post, reporter: &Reporter, report: &RunReport) -> Delivery {
    let before = report.left.as_ref();
    let mut delivery = Delivery {
        outbox: left::outbox_of(before),
        ..Delivery::default()
    };
    let (now, started) = (clock::now(), clock::monotonic());
    tell_own(&mut delivery, post, report, now, started).await;
    reporter.leaving(Some(leave(before, report, &delivery, None)));
    delivery
}

fn leave(
    before: Option<&Left>,
    report: &RunReport,
    delivery: &Delivery,
    now: Option<Timestamp>,
) -> Left {
    let now = now.unwrap_or_else(clock::now);
    left::after(before, report, delivery.outbox.clone(), now, Uuid::new_v4())
}

/// Gives the repository up at the end of a run, and leaves what is still owed.
///
/// # Errors
/// As [`swap`].
pub async fn close<S: Store>(
    store: &S,
    location: &Location,
    held: &Held,
    outbox: Outbox,
) -> Result<Held, Failure> {
    let next = Head {
        outbox,
        ..head::closed(&held.head, Uuid::new_v4())
    };
    swap(store, location, held, next).await
}

async fn tell_own(
    delivery: &mut Delivery,
    post: &Post,
    report: &RunReport,
    now: Timestamp,
    started: Instant,
) {
    let about = outbox::about(report);
    let known = std::mem::take(&mut delivery.outbox);
    if !post.wants(notice::kind(report)) || !outbox::is_due(&known, about.as_deref(), now) {
        delivery.outbox = outbox::passed_over(known, about.as_deref(), &report.run);
        return;
    }
    let owing = |known, about| outbox::owing(known, outbox::owed_by(report, about, now));
    if delivery.is_silent {
        delivery.outbox = owing(known, about);
        return;
    }
    let notice = notice::notice(&post.origin(), report, known.told.as_ref());
    delivery.outbox = match within(started, post.send(&notice)).await {
        Ok(()) => {
            delivery.sent();
            outbox::told(known, about, &report.run, now)
        }
        Err(error) => {
            delivery.failed(&error);
            owing(known, about)
        }
    };
}

async fn within(
    started: Instant,
    sending: impl Future<Output = Result<(), SnsError>>,
) -> Result<(), SnsError> {
    let left = TELL_WITHIN.saturating_sub(started.elapsed());
    tokio::time::timeout(left, sending)
        .await
        .unwrap_or_else(|_| {
            Err(SnsError::Unavailable {
                topic: "the topic".to_owned(),
                detail: "no answer in time".to_owned(),
            })
        })
}

/// The full report of a run that owes its notice, or what is known of a run that left none.
async fn late_report<S: Store>(
    store: &S,
    location: &Location,
    owed: &Owed,
    by: &RunReport,
) -> RunReport {
    let request = Get {
        bucket: location.bucket.clone(),
        key: location.report(&owed.writer),
        ..Get::default()
    };
    let read = store.get(request).await.ok();
    let report = read.and_then(|object| serde_json::from_slice(&object.body).ok());
    let report = report.unwrap_or_else(|| outbox::remembered(owed, by));
    outbox::completed(report, by)
}
