//! `backstay bucket check` and `backstay bucket apply`.

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::backup::TERMINATION_LOG;
use super::order::{self, PolicyArgs, invalid};
use super::{Output, chain, identity, output};
use crate::adapters::s3::Timeouts;
use crate::adapters::s3::buckets::Buckets;
use crate::adapters::termination;
use crate::api::policy::Storage;
use crate::api::setup::{SETUP_REPORT_VERSION, SetupReport, SetupSpec};
use crate::plan::bucket::{Finding, Verdict, Wanted, wanted};
use crate::plan::words::count;
use crate::worker::failure::Failure;
use crate::worker::setup::{self, BucketState, Stance};

/// The exit code where a bucket is not as the policy wants it.
const DRIFT: u8 = 4;

/// The longest message of a report; with what JSON adds it stays below what Kubernetes keeps.
/// <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>
const MESSAGE_MAX_BYTES: usize = 1900;

/// Look at the settings of the policy's buckets, or set them.
#[derive(Debug, Subcommand)]
pub(super) enum BucketVerb {
    /// Tell how the buckets differ from what the policy wants; exit code 4 where one does.
    Check(CheckArgs),
    /// Show how the buckets differ, ask, set what is missing, and read it back.
    Apply(ApplyArgs),
    /// Carry out the order of a setup's pod, as the controller has written it.
    Setup(SetupArgs),
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

#[derive(Debug, Args)]
pub(super) struct SetupArgs {
    /// The order.
    #[arg(long)]
    setup_spec: PathBuf,
}

pub(super) async fn run(verb: BucketVerb) -> Result<u8, Failure> {
    match verb {
        BucketVerb::Check(args) => check(&args).await,
        BucketVerb::Apply(args) => apply(&args).await,
        BucketVerb::Setup(args) => set_up(&args).await,
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

/// In a pod: what is stricter stays, and the last word is a report.
async fn set_up(args: &SetupArgs) -> Result<u8, Failure> {
    let result = carry_out(args).await;
    let report = match &result {
        Ok((written, states)) => report(*written, states),
        Err(failure) => SetupReport {
            version: SETUP_REPORT_VERSION,
            written: 0,
            differing: 0,
            failure: Some(failure.reason),
            message: cut(&failure.message),
        },
    };
    let text = serde_json::to_string(&report)
        .map_err(|error| order::internal(format!("write the report: {error}")))?;
    if let Err(error) = termination::write(TERMINATION_LOG.as_ref(), &text) {
        tracing::warn!(error = %error, "termination message not written");
    }
    let (_, states) = result?;
    tell(Output::Human, &states);
    Ok(code(&states))
}

async fn carry_out(args: &SetupArgs) -> Result<(usize, Vec<BucketState>), Failure> {
    let spec = order::read_setup_spec(&args.setup_spec)?;
    let storage = Storage {
        credentials: spec.settings.credentials.clone(),
        ..spec.storage.clone()
    };
    let credentials = identity::of_pod(&storage)
        .map_err(|failure| failure.during("bucketSettings.credentials"))?;
    let named = spec.settings.credentials.as_ref();
    let secret = named.and_then(|named| named.secret.as_ref());
    let secret = secret.map(|secret| secret.name.as_str());
    let buckets = Buckets::new(&spec.storage, &credentials, Timeouts::default())
        .map_err(|error| Failure::without_credentials(&error, &spec.namespace, secret))?;
    let wanted = wanted(&spec);
    let before = setup::check(&buckets, &wanted).await?;
    let after = setup::apply(&buckets, &wanted, &before, Stance::Keep).await?;
    Ok((drift(&before).saturating_sub(drift(&after)), after))
}

fn report(written: usize, states: &[BucketState]) -> SetupReport {
    let differing = states.iter().flat_map(|state| {
        let findings = state.findings.iter().filter(|finding| finding.is_drift());
        findings.map(|finding| {
            let remark = finding.remark().unwrap_or_default();
            format!(
                "bucket {}: {}: {}, wanted: {}: {remark}",
                state.bucket,
                finding.setting.as_str(),
                finding.is,
                finding.wanted
            )
        })
    });
    let lines: Vec<String> = [summary(states)].into_iter().chain(differing).collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    SetupReport {
        version: SETUP_REPORT_VERSION,
        written: count(written),
        differing: count(drift(states)),
        failure: None,
        message: cut(&lines.join("; ")),
    }
}

/// A termination message that is too long loses its beginning.
fn cut(message: &str) -> String {
    let end = message.floor_char_boundary(MESSAGE_MAX_BYTES);
    message[..end].to_owned()
}

/// How many settings are not as they should be.
fn drift(states: &[BucketState]) -> usize {
    let findings = states.iter().flat_map(|state| &state.findings);
    findings.filter(|finding| finding.is_drift()).count()
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
    if drift(states) > 0 { DRIFT } else { 0 }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::bucket::Setting;

    fn state(bucket: &str, verdicts: &[Verdict]) -> BucketState {
        let finding = |verdict: &Verdict| Finding {
            setting: Setting::Versioning,
            is: "off".to_owned(),
            wanted: "enabled".to_owned(),
            verdict: verdict.clone(),
        };
        BucketState {
            bucket: bucket.to_owned(),
            findings: verdicts.iter().map(finding).collect(),
        }
    }

    #[test]
    fn a_report_names_what_differs() {
        let states = [state("a", &[Verdict::AlreadyThere, Verdict::Stricter])];
        let report = report(3, &states);
        assert_eq!((report.written, report.differing), (3, 1));
        assert!(
            report
                .message
                .contains("bucket a: versioning: off, wanted: enabled")
        );
        assert_eq!(code(&states), DRIFT);
        assert_eq!(code(&[state("a", &[Verdict::AlreadyThere])]), 0);
    }

    #[test]
    fn a_report_fits_a_termination_message() {
        let refused = Verdict::Refused("\"".repeat(9000));
        let report = report(0, &[state("a", &[refused])]);
        let text = serde_json::to_string(&report).expect("JSON");
        assert!(text.len() < 4096, "{}", text.len());
    }
}
