//! The notice of a run: a text that an owner understands, and typed attributes to filter on.
//!
//! Nothing here is markup, and no name can become any: names are escaped, the subject is plain
//! ASCII, and links are not made.

use std::fmt::Write;

use crate::api::catalog::{Owed, Told};
use crate::api::outcome::{Outcome, Reason};
use crate::api::policy::Notice as Kind;
use crate::api::report::{NotCaptured, RunReport};

use super::history;
use super::words::{entries, size};

/// The longest subject that SNS takes.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
pub const SUBJECT_MAX_CHARACTERS: usize = 99;

/// The longest text message that is not split in two, in characters.
/// <https://docs.aws.amazon.com/sns/latest/dg/sms_sending-overview.html>
pub const SMS_MAX_CHARACTERS: usize = 140;

/// How many entries that were not captured are named.
const NAMED_MAX: usize = 10;

/// How much is told of a path, and of a message, in bytes.
const PATH_MAX_BYTES: usize = 512;
const MESSAGE_MAX_BYTES: usize = 4096;

/// How many of them are named in one line, and how much of each path.
const LINE_NAMED_MAX: usize = 3;
const LINE_PATH_MAX_BYTES: usize = 80;

/// Why a file is not captured that is of no category.
pub const NO_CATEGORY: &str = "no category takes it";

/// What a message says before it names a right that is missing, of a store or of a queue.
const RIGHT_NAMED: [&str; 2] = ["allow its identity ", "allow the source's identity "];

/// Whose run it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The cluster's name, or the host's.
    pub cluster: &'a str,
    /// The policy's namespace.
    pub namespace: &'a str,
    /// The policy.
    pub policy: &'a str,
    /// The source.
    pub source: &'a str,
}

/// A notice, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// One line of plain ASCII, [`SUBJECT_MAX_CHARACTERS`] at most.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// The whole of it for a telephone: [`SMS_MAX_CHARACTERS`] of plain ASCII at most.
    pub sms: String,
    /// Attributes by name; at most ten, none of them empty.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A number, which filters can compare.
    Number(u64),
}

/// The notice of a run that is over. `told` is the last notice that said the same.
#[must_use]
pub fn notice(origin: &Origin<'_>, report: &RunReport, told: Option<&Told>) -> Notice {
    let verb = verb(kind(report));
    let mut body = format!("{}\n\n", headline(origin, verb));
    if let Some(told) = told.filter(|told| told.untold > 0) {
        let text = format!(
            "{} since {} {}",
            runs(told.untold),
            time(told.at),
            ended_for(&told.about)
        );
        line(&mut body, "Not told one by one", &text);
    }
    describe(&mut body, report);
    assemble(origin, report, verb, body)
}

/// The notice of a run that could not be told of when it ended.
#[must_use]
pub fn late(origin: &Origin<'_>, report: &RunReport, owed: &Owed, lost: u32) -> Notice {
    let verb = verb(kind(report));
    let mut body = format!("{}\n\n", headline(origin, verb));
    let why = match &owed.ended {
        Some(_) => format!("it could not be sent at {}", time(owed.at)),
        None => format!("the run of {} could tell nobody", time(owed.at)),
    };
    line(&mut body, "This notice is late", &why);
    if owed.repeats > 0 {
        let how = ended(owed.about.as_deref());
        let text = format!("{} after it {how} the same way", runs(owed.repeats));
        line(&mut body, "Not told one by one", &text);
    }
    if lost > 0 {
        let older = if lost == 1 {
            "1 older notice"
        } else {
            &format!("{lost} older notices")
        };
        let text = format!("{older}: backstay runs lists the restore points");
        line(&mut body, "Lost", &text);
    }
    describe(&mut body, report);
    assemble(origin, report, verb, body)
}

/// A notice that is about nothing.
#[must_use]
pub fn test(origin: &Origin<'_>) -> Notice {
    let Origin {
        cluster,
        namespace,
        policy,
        ..
    } = origin;
    let of = format!("{namespace}/{policy}");
    let text = |value: &str| Attribute::Text(value.to_owned());
    Notice {
        subject: plain(&format!("Test notice of {of}"), SUBJECT_MAX_CHARACTERS),
        body: format!(
            "This is a test of the notices of policy {policy}, namespace {namespace}, {cluster}.\n\
             No backup was made. What to do: nothing, it has arrived.\n"
        ),
        sms: plain(&format!("Backstay {of}: test notice"), SMS_MAX_CHARACTERS),
        attributes: vec![
            ("notice", text("Test")),
            ("cluster", text(cluster)),
            ("namespace", text(namespace)),
            ("policy", text(policy)),
        ],
    }
}

/// What a run is about to tell: a success after a run that was not one is a recovery, and what the
/// deletion guard stops is a failure of a kind of its own.
#[must_use]
pub fn kind(report: &RunReport) -> Kind {
    let was_partial = report
        .previous
        .as_ref()
        .is_some_and(|point| point.outcome == Outcome::Partial);
    match report.outcome {
        Some(Outcome::Succeeded) if was_partial || report.trouble.is_some() => Kind::Recovered,
        Some(Outcome::Succeeded) => Kind::Succeeded,
        Some(Outcome::Partial) => Kind::Partial,
        Some(Outcome::Failed | Outcome::Unclear) | None => {
            if report.reason == Some(Reason::SourceSuspicious) {
                Kind::Refused
            } else {
                Kind::Failed
            }
        }
    }
}

fn verb(kind: Kind) -> &'static str {
    match kind {
        Kind::Succeeded => "succeeded",
        Kind::Partial => "is incomplete",
        Kind::Failed => "FAILED",
        Kind::Refused => "REFUSED: look at the source",
        Kind::Recovered => "works again",
    }
}

fn assemble(origin: &Origin<'_>, report: &RunReport, verb: &str, body: String) -> Notice {
    let Origin {
        namespace,
        policy,
        source,
        ..
    } = origin;
    let subject = format!("Backup of {source} ({namespace}/{policy}) {verb}");
    Notice {
        subject: plain(&subject, SUBJECT_MAX_CHARACTERS),
        sms: sms(&subject, report),
        body,
        attributes: attributes(origin, report),
    }
}

/// The subject, why, and since when, as far as there is room.
fn sms(subject: &str, report: &RunReport) -> String {
    let mut text = plain(subject, SMS_MAX_CHARACTERS / 2);
    match report.outcome {
        Some(Outcome::Succeeded) => {
            let _ = write!(text, ", {} sent", size(report.bytes.uploaded));
        }
        Some(Outcome::Partial) => {
            let _ = write!(text, ", {} not captured", report.files.not_captured);
        }
        Some(Outcome::Failed | Outcome::Unclear) | None => {
            let reason = report.reason.unwrap_or(Reason::Internal).as_str();
            let _ = write!(text, ", {reason}");
        }
    }
    if let Some(point) = &report.restore_point {
        let _ = write!(text, ". Newest restore point {}", time(point.time));
    }
    plain(&text, SMS_MAX_CHARACTERS)
}

fn headline(origin: &Origin<'_>, verb: &str) -> String {
    let Origin {
        cluster,
        namespace,
        policy,
        source,
    } = origin;
    format!("The backup of {source} (policy {policy}, namespace {namespace}, {cluster}) {verb}.")
}

/// Plain ASCII without control characters, cut.
fn plain(text: &str, max_characters: usize) -> String {
    let ascii = text.chars().map(|c| {
        if c.is_ascii_graphic() || c == ' ' {
            c
        } else {
            '?'
        }
    });
    ascii.take(max_characters).collect()
}

/// What happened, how much, since when, and what to do.
fn describe(text: &mut String, report: &RunReport) {
    if !report.message.is_empty() {
        let message = history::cut(&report.message, MESSAGE_MAX_BYTES);
        line(text, "What happened", &message);
    }
    line(text, "Files", &files(report));
    line(text, "Sent", &size(report.bytes.uploaded));
    if report.files.total > 0 {
        let held = format!(
            "{} in {}",
            size(report.bytes.total),
            entries(report.files.total)
        );
        line(text, "Restore point holds", &held);
    }
    if let Some(end) = report.completion_time {
        let took = end.duration_since(report.start_time).as_secs();
        line(
            text,
            "Took",
            &format!("{took} s, from {}", time(report.start_time)),
        );
    }
    line(text, "Newest restore point", &newest(report));
    if let Some(trouble) = &report.trouble {
        let (count, since) = (runs(trouble.runs), time(trouble.since));
        let last = if trouble.runs > 1 {
            "the last for "
        } else {
            ""
        };
        let what = format!("{count} since {since}: {last}{}", trouble.reason.as_str());
        line(text, "Failed before", &what);
    }
    line(text, "What to do", advice(report));
    name_missing(text, report);
    for warning in &report.warnings {
        line(text, "Note", &history::cut(warning, MESSAGE_MAX_BYTES));
    }
    line(text, "Run", &report.run);
}

fn line(text: &mut String, label: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{label}: {value}");
}

fn files(report: &RunReport) -> String {
    let files = &report.files;
    // A run that failed has deleted nothing: what it counts was missing.
    let gone = match report.outcome {
        Some(Outcome::Succeeded | Outcome::Partial) => "deleted",
        Some(Outcome::Failed | Outcome::Unclear) | None if files.deleted == 0 => "deleted",
        Some(Outcome::Failed | Outcome::Unclear) | None => "gone and not deleted",
    };
    let mut text = format!(
        "{} uploaded, {} unchanged, {} {gone}, {} not captured",
        files.uploaded, files.unchanged, files.deleted, files.not_captured
    );
    if files.fuzzy > 0 {
        let _ = write!(text, ", {} changed while they were read", files.fuzzy);
    }
    text
}

fn newest(report: &RunReport) -> String {
    match &report.restore_point {
        Some(point) => format!("number {} of {}", point.sequence, time(point.time)),
        None if report.restore_points_read => "none yet".to_owned(),
        None => "not known: the repository was not read".to_owned(),
    }
}

fn runs(number: u32) -> String {
    let noun = if number == 1 { "run" } else { "runs" };
    format!("{number} {noun}")
}

/// How runs ended that were about something: partial, or failed.
fn ended(about: Option<&str>) -> &'static str {
    let partial = Reason::EntriesNotCaptured.as_str();
    match about {
        Some(about) if about.starts_with(partial) => "were incomplete",
        Some(_) => "failed",
        None => "ended",
    }
}

/// The same, with the reason of those that failed.
fn ended_for(about: &str) -> String {
    let ended = ended(Some(about));
    match about.split(' ').next() {
        Some(reason) if ended == "failed" => format!("{ended} for {reason}"),
        Some(_) | None => ended.to_owned(),
    }
}

/// How many entries were not captured, and the first of them with their reasons: one bounded line.
#[must_use]
pub fn not_captured(count: u64, first: &[NotCaptured]) -> String {
    let named = named(count, first);
    format!("{} could not be captured{named}", entries(count))
}

/// The first of so many entries with their reasons, bounded; nothing where none is known by name.
#[must_use]
pub fn named(count: u64, first: &[NotCaptured]) -> String {
    if first.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = first
        .iter()
        .take(LINE_NAMED_MAX)
        .map(|entry| {
            format!(
                "{} ({})",
                history::cut(&entry.path, LINE_PATH_MAX_BYTES),
                entry.reason
            )
        })
        .collect();
    let rest = usize::try_from(count)
        .unwrap_or(usize::MAX)
        .saturating_sub(shown.len());
    let more = if rest > 0 {
        format!(", and {rest} more")
    } else {
        String::new()
    };
    format!(": {}{more}", shown.join(", "))
}

fn name_missing(text: &mut String, report: &RunReport) {
    if report.not_captured.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nNot captured:");
    for entry in report.not_captured.iter().take(NAMED_MAX) {
        let kept = if entry.stale {
            " (an older copy is kept)"
        } else {
            ""
        };
        let path = history::cut(&entry.path, PATH_MAX_BYTES);
        let _ = writeln!(text, "  {path}: {}{kept}", entry.reason);
    }
    let missing = usize::try_from(report.files.not_captured).unwrap_or(usize::MAX);
    if missing > NAMED_MAX {
        let _ = writeln!(
            text,
            "  and {} more; the full report names them",
            missing - NAMED_MAX
        );
    }
    text.push('\n');
}

/// What an owner can do about it.
fn advice(report: &RunReport) -> &'static str {
    let Some(reason) = report.reason else {
        return "look at the run's log";
    };
    match reason {
        Reason::Complete => "nothing",
        Reason::EntriesNotCaptured => advice_on_missing(&report.not_captured),
        Reason::Internal => "please report this with the run's log",
        Reason::InvalidSpec => "correct the policy",
        Reason::CredentialsMissing => "give the run the keys that are missing, as said above",
        Reason::RepositoryNotFound => "create the bucket, or correct its name in the policy",
        Reason::AccessDenied
            if RIGHT_NAMED
                .iter()
                .any(|words| report.message.contains(words)) =>
        {
            "give the identity the right that is named above"
        }
        Reason::AccessDenied => "check the credentials, and then the rights of their identity",
        Reason::PreflightRefused => "change what is named above, in the bucket or in the policy",
        Reason::Locked => "wait for the other run, or stop it",
        Reason::Fenced => "nothing: the run that took over goes on",
        Reason::IntegrityFailure => "do not write to the bucket by hand; look at the run's log",
        Reason::TargetConflict => "choose another target or --conflict",
        Reason::SourceSuspicious => "look at the source; a run that can be approved says how above",
        Reason::LimitExceeded => "see the limits in the README",
        Reason::ClockSkew => "set the clock of the host",
        Reason::StorageUnavailable => {
            "nothing if it passes by itself; otherwise check the network and the store"
        }
        Reason::DeadlineExceeded => "raise worker.activeDeadlineSeconds; the next run goes on",
        Reason::LocalDiskFull => "make room on the disk",
        Reason::Interrupted => "nothing: the next run goes on from there",
        Reason::OutOfMemory => "raise worker.resources.limits.memory",
        Reason::PodCreationFailed => "look at kubectl describe job",
        Reason::WorkerLost => {
            "see what ended it, in the log of its host or node; the next run goes on"
        }
    }
}

/// What can be done about entries that are missing: not each is one that may not be read.
fn advice_on_missing(missing: &[NotCaptured]) -> &'static str {
    let is_unclaimed = |entry: &NotCaptured| entry.reason == NO_CATEGORY;
    let unclaimed = missing.iter().filter(|entry| is_unclaimed(entry)).count();
    if unclaimed == 0 {
        "let the worker's user read the files named below, or exclude them in the policy"
    } else if unclaimed == missing.len() {
        "add a category to the policy that takes the files named below, or exclude them"
    } else {
        "as each file named below needs it: let the worker's user read it, or add a category to the \
         policy that takes it; or exclude them"
    }
}

/// Ten, which is all that reaches a queue with raw delivery. `report` has everything as JSON.
fn attributes(origin: &Origin<'_>, report: &RunReport) -> Vec<(&'static str, Attribute)> {
    let text = |value: &str| Attribute::Text(value.to_owned());
    let kind = match kind(report) {
        Kind::Succeeded => "Succeeded",
        Kind::Partial => "Partial",
        Kind::Failed => "Failed",
        Kind::Refused => "Refused",
        Kind::Recovered => "Recovered",
    };
    vec![
        ("notice", text(kind)),
        (
            "reason",
            text(report.reason.map_or("Internal", Reason::as_str)),
        ),
        ("cluster", text(origin.cluster)),
        ("namespace", text(origin.namespace)),
        ("policy", text(origin.policy)),
        ("source", text(origin.source)),
        ("run", text(&report.run)),
        ("filesUploaded", Attribute::Number(report.files.uploaded)),
        (
            "filesNotCaptured",
            Attribute::Number(report.files.not_captured),
        ),
        ("report", text(&json(report))),
    ]
}

/// The report for a program: the one in the bucket, with what is long cut.
fn json(report: &RunReport) -> String {
    let mut report = report.clone();
    report.message = history::cut(&report.message, MESSAGE_MAX_BYTES);
    report.warnings.clear();
    report.not_captured.truncate(NAMED_MAX);
    for entry in &mut report.not_captured {
        entry.path = history::cut(&entry.path, PATH_MAX_BYTES);
    }
    serde_json::to_string(&report).expect("a report is JSON")
}

/// A time to the second, as a reader has it.
fn time(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::report::{FileCounts, NotCaptured, Phase, RestorePoint, Trouble};

    fn origin() -> Origin<'static> {
        Origin {
            cluster: "prod",
            namespace: "acme",
            policy: "office",
            source: "files",
        }
    }

    fn report(outcome: Outcome, reason: Reason) -> RunReport {
        let start = "2026-11-01T02:00:00Z".parse().unwrap();
        RunReport {
            phase: Phase::Committed,
            outcome: Some(outcome),
            reason: Some(reason),
            restore_point: Some(RestorePoint {
                sequence: 14,
                time: start,
                outcome,
            }),
            completion_time: Some("2026-11-01T02:00:41Z".parse().unwrap()),
            files: FileCounts {
                uploaded: 12,
                unchanged: 2000,
                total: 2012,
                ..FileCounts::default()
            },
            ..RunReport::started("run-1", start)
        }
    }

    #[test]
    fn a_success_says_what_and_how_much() {
        let notice = notice(
            &origin(),
            &report(Outcome::Succeeded, Reason::Complete),
            None,
        );
        assert_eq!(
            notice.attributes[0].1,
            Attribute::Text("Succeeded".to_owned())
        );
        assert_eq!(notice.subject, "Backup of files (acme/office) succeeded");
        for part in [
            "12 uploaded, 2000 unchanged",
            "number 14 of 2026-11-01 02:00:00 UTC",
            "41 s",
        ] {
            assert!(notice.body.contains(part), "{part} in:\n{}", notice.body);
        }
    }

    #[test]
    fn a_success_after_trouble_is_a_recovery() {
        let mut report = report(Outcome::Succeeded, Reason::Complete);
        let since = report.start_time;
        report.trouble = Some(Trouble {
            since,
            runs: 3,
            reason: Reason::AccessDenied,
            last: None,
        });
        let notice = notice(&origin(), &report, None);
        assert_eq!(kind(&report), Kind::Recovered);
        assert!(
            notice
                .body
                .contains("3 runs since 2026-11-01 02:00:00 UTC: the last for AccessDenied")
        );
    }

    #[test]
    fn a_partial_run_names_the_first_files_and_counts_the_rest() {
        let mut report = report(Outcome::Partial, Reason::EntriesNotCaptured);
        report.files.not_captured = 25;
        report.not_captured = (0..25)
            .map(|n| NotCaptured {
                path: format!("f{n}"),
                reason: "denied".into(),
                stale: n == 0,
            })
            .collect();
        let body = notice(&origin(), &report, None).body;
        assert!(body.contains("f0: denied (an older copy is kept)"));
        assert!(body.contains("and 15 more"));
        assert!(!body.contains("f10"));
    }

    #[test]
    fn what_is_missing_is_named_in_one_bounded_line() {
        let entry = |path: String| NotCaptured {
            path,
            reason: "permission denied".into(),
            stale: false,
        };
        assert_eq!(
            not_captured(1, &[entry("a/b".to_owned())]),
            "1 entry could not be captured: a/b (permission denied)"
        );
        let many: Vec<_> = (0..1000).map(|_| entry("x".repeat(4096))).collect();
        let line = not_captured(2000, &many);
        assert!(
            line.len() < 384 && line.ends_with(", and 1997 more"),
            "{line}"
        );
    }

    #[test]
    fn t10_a_subject_is_short_plain_ascii() {
        let name = Arc::<str>::from("ü\n".repeat(200));
        let origin = Origin {
            source: &name,
            ..origin()
        };
        let subject = notice(&origin, &report(Outcome::Failed, Reason::Internal), None).subject;
        assert!(subject.len() < 100 && subject.chars().all(|c| c.is_ascii_graphic() || c == ' '));
    }

    #[test]
    fn w02_what_the_guard_stops_has_a_notice_of_its_own() {
        let report = report(Outcome::Failed, Reason::SourceSuspicious);
        let notice = notice(&origin(), &report, None);
        assert_eq!(
            notice.attributes[0].1,
            Attribute::Text("Refused".to_owned())
        );
        assert!(notice.subject.contains("REFUSED"), "{}", notice.subject);
    }

    #[test]
    fn what_was_not_told_one_by_one_is_counted() {
        let report = report(Outcome::Failed, Reason::AccessDenied);
        let told = Told {
            about: "AccessDenied".to_owned(),
            at: report.start_time,
            untold: 22,
            last: None,
        };
        let body = notice(&origin(), &report, Some(&told)).body;
        let counted = "22 runs since 2026-11-01 02:00:00 UTC failed for AccessDenied";
        assert!(body.contains(counted), "{body}");
        let owed = crate::plan::outbox::owed_by(&report, None, report.start_time);
        let body = late(&origin(), &report, &owed, 3).body;
        let at = "it could not be sent at 2026-11-01 02:00:00 UTC";
        assert!(body.contains(at), "{body}");
        assert!(body.contains("3 older notices"), "{body}");
    }

    #[test]
    fn that_there_is_no_restore_point_is_said_only_where_it_is_known() {
        let mut report = report(Outcome::Failed, Reason::StorageUnavailable);
        report.restore_point = None;
        let body = notice(&origin(), &report, None).body;
        let unknown = "Newest restore point: not known: the repository was not read\n";
        assert!(body.contains(unknown), "{body}");
        report.restore_points_read = true;
        let body = notice(&origin(), &report, None).body;
        assert!(body.contains("Newest restore point: none yet\n"), "{body}");
    }

    #[test]
    fn a_run_that_failed_says_what_was_gone_and_not_that_it_was_deleted() {
        let mut report = report(Outcome::Failed, Reason::SourceSuspicious);
        report.files.deleted = 10;
        let body = notice(&origin(), &report, None).body;
        assert!(body.contains("10 gone and not deleted"), "{body}");
        report.outcome = Some(Outcome::Succeeded);
        let body = notice(&origin(), &report, None).body;
        assert!(body.contains("unchanged, 10 deleted, "), "{body}");
    }

    #[test]
    fn what_to_do_fits_the_cause() {
        let mut denied = report(Outcome::Failed, Reason::AccessDenied);
        denied.message = "GetObject on b was refused: SignatureDoesNotMatch: check".into();
        assert!(advice(&denied).starts_with("check the credentials"));
        denied.message =
            "PutObject on b was refused: AccessDenied: allow its identity s3:Put".into();
        assert!(advice(&denied).starts_with("give the identity the right"));

        let mut partial = report(Outcome::Partial, Reason::EntriesNotCaptured);
        let missing = |reason: &str| NotCaptured {
            path: "f".into(),
            reason: reason.into(),
            stale: false,
        };
        partial.not_captured = vec![missing(NO_CATEGORY)];
        assert!(advice(&partial).starts_with("add a category"));
        partial.not_captured = vec![missing("permission denied")];
        assert!(advice(&partial).starts_with("let the worker's user read"));
        partial.not_captured.push(missing(NO_CATEGORY));
        assert!(advice(&partial).contains("let the worker's user read it, or add a category"));
    }

    #[test]
    fn what_is_told_of_one_is_told_as_of_one_and_of_partial_runs_as_that() {
        let mut recovered = report(Outcome::Succeeded, Reason::Complete);
        let mut told = Told {
            about: "AccessDenied".to_owned(),
            at: recovered.start_time,
            untold: 1,
            last: None,
        };
        recovered.trouble = Some(Trouble {
            since: recovered.start_time,
            runs: 1,
            reason: Reason::AccessDenied,
            last: None,
        });
        recovered.files.total = 1;
        let body = notice(&origin(), &recovered, Some(&told)).body;
        for part in [
            "1 run since",
            "UTC failed for AccessDenied",
            "UTC: AccessDenied",
            "in 1 entry\n",
        ] {
            assert!(body.contains(part), "{part} in:\n{body}");
        }
        told.about = "EntriesNotCaptured 00ff".to_owned();
        let body = notice(&origin(), &recovered, Some(&told)).body;
        assert!(body.contains("UTC were incomplete"), "{body}");
    }

    #[test]
    fn n03_whatever_is_said_fits_and_stays_what_it_is() {
        let long = "\u{202e}\u{1b}[0m\"'<a href=x>\n".repeat(2000);
        let mut report = report(Outcome::Partial, Reason::EntriesNotCaptured);
        report.message.clone_from(&long);
        report.warnings = vec![long.clone(); 20];
        report.files.not_captured = 1000;
        let entry = NotCaptured {
            path: long.clone(),
            reason: "denied".into(),
            stale: false,
        };
        report.not_captured = vec![entry; 1000];
        let notice = notice(&origin(), &report, None);
        assert!(notice.body.len() < 96 * 1024, "{}", notice.body.len());
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        assert!(notice.sms.len() <= SMS_MAX_CHARACTERS && is_plain(&notice.sms));
        assert!(notice.attributes.len() <= 10);
        let Some(("report", Attribute::Text(json))) = notice.attributes.last() else {
            panic!("the report")
        };
        let read: RunReport = serde_json::from_str(json).expect("JSON");
        assert_eq!(
            (read.files.not_captured, read.not_captured.len()),
            (1000, NAMED_MAX)
        );
    }

    #[test]
    fn a_telephone_is_told_what_why_and_since_when() {
        let failed = notice(
            &origin(),
            &report(Outcome::Failed, Reason::AccessDenied),
            None,
        );
        assert_eq!(
            failed.sms,
            "Backup of files (acme/office) FAILED, AccessDenied. Newest restore point 2026-11-01 \
             02:00:00 UTC"
        );
    }
}
