//! `backstay bucket check` and `backstay bucket apply`.

use std::io::{self, BufRead, IsTerminal};

use clap::{Args, Subcommand};
use serde_json::json;

use super::order::{self, PolicyArgs, invalid};
use super::{Output, chain, identity, output};
use crate::adapters::s3::Timeouts;
use crate::adapters::s3::buckets::Buckets;
use crate::api::setup::SetupSpec;
use crate::plan::bucket::{Finding, Verdict, Wanted, wanted};
use crate::worker::failure::Failure;
use crate::worker::setup::{self, BucketState, Stance};

/// The exit code where a bucket is not as the policy wants it.
const DRIFT: u8 = 4;

/// Look at the settings of the policy's buckets, or set them.
#[derive(Debug, Subcommand)]
pub(super) enum BucketVerb {
    /// Tell how the buckets differ from what the policy wants; exit code 4 where one does.
    Check(CheckArgs),
    /// Show how the buckets differ, ask, set what is missing, and read it back.
    Apply(ApplyArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    policy: PolicyArgs,

    /// Do not ask.
    #[arg(long)]
    yes: bool,

    /// Weaken what is stricter than the policy wants it, such as a longer lock.
    #[arg(long)]
    force: bool,

    /// Show what would be set, and set nothing; exit code 4 where something would be.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) async fn run(verb: BucketVerb) -> Result<u8, Failure> {
    match verb {
        BucketVerb::Check(args) => check(&args).await,
        BucketVerb::Apply(args) => apply(&args).await,
    }
}

async fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let (buckets, wanted) = open(&args.policy)?;
    let states = setup::check(&buckets, &wanted).await?;
    tell(args.output, &states);
    Ok(code(&states))
}

async fn apply(args: &ApplyArgs) -> Result<u8, Failure> {
    let stance = if args.force {
        Stance::Weaken
    } else {
        Stance::Keep
    };
    let (buckets, wanted) = open(&args.policy)?;
    let before = setup::check(&buckets, &wanted).await?;
    let findings = before.iter().flat_map(|state| &state.findings);
    let writes = findings.filter(|finding| stance.writes(finding)).count();
    if args.dry_run || writes == 0 {
        tell(args.output, &before);
        return Ok(code(&before));
    }
    if args.output == Output::Human {
        tell(args.output, &before);
    }
    if !args.yes && !is_agreed(writes)? {
        output::line("nothing was set");
        return Ok(code(&before));
    }
    let after = setup::apply(&buckets, &wanted, &before, stance).await?;
    if args.output == Output::Human {
        output::line("\nset, and read back:");
    }
    tell(args.output, &after);
    Ok(code(&after))
}

fn open(policy: &PolicyArgs) -> Result<(Buckets, Vec<Wanted>), Failure> {
    let (_, valid) = policy.read()?;
    let Some(spec) = valid.setup else {
        return Err(invalid(format!(
            "{}: spec.bucketSettings is missing: it says what the buckets are to be like; \
             bucketSettings: {{}} stands for the defaults",
            policy.policy.display()
        )));
    };
    Ok((client(&spec)?, wanted(&spec)))
}

/// A policy's Secret is the cluster's: here the environment, a profile or a web identity take its
/// place.
fn client(spec: &SetupSpec) -> Result<Buckets, Failure> {
    Buckets::new(&spec.storage, &identity::of_host(), Timeouts::default())
        .map_err(|error| invalid(chain(&error)))
}

/// Asks the person at the terminal.
fn is_agreed(writes: usize) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(invalid(
            "there is no terminal to ask at: say --yes to set it, or --dry-run to only look"
                .to_owned(),
        ));
    }
    output::prompt(&format!("set {}? [y/N] ", count(writes, "setting")));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| order::internal(format!("read the answer: {error}")))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn code(states: &[BucketState]) -> u8 {
    let mut findings = states.iter().flat_map(|state| &state.findings);
    if findings.any(Finding::is_drift) {
        DRIFT
    } else {
        0
    }
}

fn tell(format: Output, states: &[BucketState]) {
    match format {
        Output::Human => {
            for state in states {
                output::line(&human(state));
            }
            output::line(&summary(states));
        }
        Output::Json => output::json(&machine(states)),
    }
}

fn human(state: &BucketState) -> String {
    let mut lines = vec![format!("bucket {}", state.bucket)];
    lines.extend(state.findings.iter().map(human_finding));
    lines.join("\n")
}

fn human_finding(finding: &Finding) -> String {
    let Finding {
        setting,
        is,
        wanted,
        verdict,
    } = finding;
    let (mark, text) = match verdict {
        Verdict::AlreadyThere => ('=', is.clone()),
        Verdict::Unsupported => ('!', is.clone()),
        Verdict::Apply => ('+', format!("{is} -> {wanted}")),
        Verdict::Stricter => ('>', format!("{is}, wanted: {wanted}")),
        Verdict::Refused(_) => ('!', format!("{is}, wanted: {wanted}")),
    };
    let remark = finding
        .remark()
        .map_or_else(String::new, |remark| format!("\n{:19}{remark}", ""));
    format!("  {mark} {:<15}{text}{remark}", setting.as_str())
}

fn summary(states: &[BucketState]) -> String {
    let number = |is: fn(&Verdict) -> bool| {
        let findings = states.iter().flat_map(|state| &state.findings);
        findings.filter(|finding| is(&finding.verdict)).count()
    };
    let buckets = count(states.len(), "bucket");
    let parts: Vec<String> = [
        (number(|verdict| *verdict == Verdict::Apply), "to be set"),
        (
            number(|verdict| *verdict == Verdict::Stricter),
            "stricter, left alone",
        ),
        (
            number(|verdict| matches!(verdict, Verdict::Refused(_) | Verdict::Unsupported)),
            "that cannot be set",
        ),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{} {what}", count(number, "setting")))
    .collect();
    if parts.is_empty() {
        return format!("{buckets}: as the policy wants");
    }
    format!("{buckets}: {}", parts.join(", "))
}

fn machine(states: &[BucketState]) -> serde_json::Value {
    let buckets: Vec<serde_json::Value> = states
        .iter()
        .map(|state| {
            let settings: Vec<serde_json::Value> =
                state.findings.iter().map(machine_finding).collect();
            json!({"bucket": state.bucket, "settings": settings})
        })
        .collect();
    json!({"drift": code(states) == DRIFT, "buckets": buckets})
}

fn machine_finding(finding: &Finding) -> serde_json::Value {
    json!({
        "setting": finding.setting.as_str(),
        "is": finding.is,
        "wanted": finding.wanted,
        "verdict": finding.verdict.as_str(),
        "remark": finding.remark(),
    })
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}
