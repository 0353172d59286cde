//! `backstay follow`: on a plain host from a policy file, in a pod from the run's order.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::backup::{Asked, Surroundings, back_up, code, read_in_pod, refuse};
use super::order::{self, RunArgs, invalid};
use super::stopping::Watch;
use super::told::tell;
use super::{Output, source};
use crate::api::outcome::{Outcome, Reason};
use crate::api::report::RunReport;
use crate::api::run::RunSpec;
use crate::plan::event::without_successes;
use crate::plan::named::Named;
use crate::worker::failure::Failure;
use crate::worker::follow::{Batch, Follower};
use crate::worker::stop::Stop;

/// Back up a bucket as its queue tells of changes, until asked to stop.
#[derive(Debug, Args)]
pub(super) struct FollowArgs {
    #[command(flatten)]
    pub(super) run: RunArgs,

    /// The source to follow. It may be left out where the policy has one.
    #[arg(long, conflicts_with = "run_spec")]
    source: Option<String>,
}

pub(super) async fn run(args: FollowArgs) -> Result<u8, Failure> {
    let (mut spec, surroundings) = match &args.run.run_spec {
        Some(path) => read_in_pod(path, &args.run, None)?,
        None => read_on_host(&args)?,
    };
    let Some((bucket, queue)) = spec.bucket.clone().and_then(|bucket| {
        let queue = bucket.queue.clone()?;
        Some((bucket, queue))
    }) else {
        return Err(invalid(format!(
            "source {} has no bucket.events: nothing tells of its changes; `backstay backup` looks \
             for them",
            spec.source
        )));
    };
    // A message for each upload would be no message. The scheduled runs tell of their success.
    spec.sns = spec.sns.and_then(without_successes);
    let queue_url = queue.url.clone();
    let queue = source::open_queue(&bucket, &queue, &surroundings.credentials);
    let mut follower = Follower::new(queue, bucket);
    let stop = Stop::default();
    let _watch = Watch::start(stop.clone(), Duration::MAX)?;
    let output = args.run.output;
    // The queue is asked first: a success that is told before it fails would be told at each start. Then
    // a whole run makes up for what was missed while nobody followed.
    let mut gathered = follower.begin().await;
    let mut is_whole = true;
    loop {
        let ended = match gathered {
            Ok(batch) => {
                let named = (!is_whole).then(|| batch.named.clone());
                Box::pin(take(&follower, batch, named, &spec, &surroundings, output)).await?
            }
            Err(failure) if failure.reason == Reason::Interrupted => Some(0),
            Err(failure) => {
                let report = Box::pin(refuse(&spec, &surroundings, &failure)).await;
                tell(output, &spec.source, &report);
                ended(&report)
            }
        };
        if let Some(code) = ended {
            return Ok(code);
        }
        if is_whole {
            tracing::info!(queue = queue_url, "following");
            is_whole = false;
        }
        gathered = follower.gather(&stop).await;
    }
}

/// Makes a run of a batch, or of everything where no keys are named, and answers with the exit code
/// where it was the last one: its messages come again then.
async fn take(
    follower: &Follower,
    batch: Batch,
    named: Option<Arc<Named>>,
    spec: &RunSpec,
    surroundings: &Surroundings,
    output: Output,
) -> Result<Option<u8>, Failure> {
    let held = follower.hold(&batch);
    let asked = Asked {
        named,
        ..Asked::default()
    };
    let ended = Box::pin(make(spec, surroundings, asked, output)).await?;
    drop(held);
    match ended {
        None => follower.done(batch).await?,
        Some(0) => follower.give_up(batch).await,
        Some(_) => {}
    }
    Ok(ended)
}

/// Makes a run and tells of it; answers with the exit code where it was the last one.
async fn make(
    spec: &RunSpec,
    surroundings: &Surroundings,
    asked: Asked,
    output: Output,
) -> Result<Option<u8>, Failure> {
    let report = Box::pin(back_up(spec.clone(), surroundings.clone(), asked)).await?;
    tell(output, &spec.source, &report);
    Ok(ended(&report))
}

/// The exit code after a run that is the last one: one that was asked to stop, or failed. Whoever
/// keeps this process running starts it anew.
fn ended(report: &RunReport) -> Option<u8> {
    match (report.outcome, report.reason) {
        (Some(Outcome::Succeeded | Outcome::Partial), _) => None,
        (_, Some(Reason::Interrupted)) => Some(0),
        (Some(Outcome::Failed | Outcome::Unclear) | None, _) => Some(code(report)),
    }
}

fn read_on_host(args: &FollowArgs) -> Result<(RunSpec, Surroundings), Failure> {
    let (_, policy) = args.run.read_for_host()?;
    let source = order::select_one(&policy, args.source.as_deref())?;
    let spec = order::for_host(source, None)?;
    let surroundings = Surroundings::of_host(&args.run, &spec, None);
    Ok((spec, surroundings))
}
