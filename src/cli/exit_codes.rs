//! The exit codes, told to those who write scripts.

use crate::api::outcome::Reason;

/// The exit codes as a table in Markdown, for docs/hosts.md.
#[must_use]
pub fn markdown_table() -> String {
    let mut rows: Vec<(u8, &str, &str)> = Reason::ALL
        .into_iter()
        .filter_map(|reason| Some((reason.exit_code(), reason.as_str(), meaning(reason)?)))
        .collect();
    rows.sort_by_key(|(code, _, _)| *code);
    let rows = rows
        .into_iter()
        .map(|(code, word, meaning)| format!("| {code} | `{word}` | {meaning} |\n"));
    let head = "| code | reason | what it means |\n|---|---|---|\n".to_owned();
    std::iter::once(head).chain(rows).collect()
}

/// What a code means; `None` for what becomes of pods only.
fn meaning(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::Complete => "all is well",
        Reason::Internal => "a bug: please report it",
        Reason::InvalidSpec => "the policy or the command line is wrong; nothing was done",
        Reason::EntriesNotCaptured => {
            "a restore point was made; files that could not be read are missing from it, and named"
        }
        Reason::RepositoryNotFound => "a bucket or the repository does not exist",
        Reason::CredentialsMissing => "no credentials were found",
        Reason::AccessDenied => "the store refused the identity, or it lacks a right",
        Reason::PreflightRefused => {
            "the buckets' settings would not keep what is promised (versioning, lifecycle), or the \
             prefix is another repository's"
        }
        Reason::Locked => "another run of the source is under way, and was not waited for longer",
        Reason::Fenced => "another run took over",
        Reason::IntegrityFailure => "what is stored is not what was recorded",
        Reason::TargetConflict => {
            "something stands in the way of a restore, or there is no such restore point"
        }
        Reason::SourceSuspicious => {
            "the source is missing, another one, or lost too much: look, then approve the run"
        }
        Reason::LimitExceeded => "a limit of the store or of this version was met",
        Reason::ClockSkew => "this host's clock and the store's are too far apart",
        Reason::StorageUnavailable => "the store cannot be reached, or keeps failing: try again",
        Reason::DeadlineExceeded => "the run's deadline came: the next run goes on from there",
        Reason::LocalDiskFull => "the disk that is restored to is full",
        Reason::OutOfMemory => "killed, most often for its memory: the next run goes on from there",
        Reason::Interrupted => "asked to stop: the next run goes on from there",
        Reason::PodCreationFailed | Reason::WorkerLost => return None,
    })
}
