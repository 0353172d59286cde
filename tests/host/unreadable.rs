//! What cannot be read: told, and never taken for a deletion.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use crate::host::{Backup, Host, paths};
use crate::store::minio;
use crate::tree::{file, is_root, mode};

/// The user and group of nobody in particular.
const NOBODY: u32 = 65534;

/// A backup by someone who may not read everything. The binary is copied to where anyone
/// reaches it.
fn backup_as_nobody(host: &Host) -> Backup {
    let mut command = if is_root() {
        fs::set_permissions(host.at(""), fs::Permissions::from_mode(0o755)).unwrap();
        let binary = host.at("backstay");
        if !binary.exists() {
            fs::copy(env!("CARGO_BIN_EXE_backstay"), &binary).unwrap();
        }
        let mut command = host.command_at(&binary, "backup");
        command.uid(NOBODY).gid(NOBODY);
        command
    } else {
        host.command("backup")
    };
    Backup::of(command.args(["--output", "json"]).output())
}

#[test]
fn w08_of_a_file_that_cannot_be_read_the_older_copy_is_kept() {
    let host = Host::new();
    let letter = file(&host.root(), "letter.txt", "dear");
    file(&host.root(), "other.txt", "sincerely");
    backup_as_nobody(&host).expect(0);
    fs::write(&letter, "a later version").unwrap();
    mode(&letter, 0);
    let report = backup_as_nobody(&host).expect(3);
    assert_eq!(paths(&report), ["letter.txt"]);
    assert!(report.not_captured[0].stale);
    assert!(report.not_captured[0].reason.contains("ermission denied"));

    let to = host.at("restored");
    let restored = host.restore(&to, &[]).expect(0);
    assert_eq!(restored.entries.stale, 1);
    assert_eq!(fs::read(to.join("letter.txt")).unwrap(), b"dear");

    mode(&letter, 0o644);
    backup_as_nobody(&host).expect(0);
    host.check_restore();
}

#[test]
fn a_new_directory_that_cannot_be_read_has_no_older_copy() {
    let host = Host::new();
    file(&host.root(), "letter.txt", "dear");
    file(&host.root(), "open/a.txt", "a");
    backup_as_nobody(&host).expect(0);
    file(&host.root(), "closed/b.txt", "b");
    for directory in ["closed", "open"] {
        mode(&host.root().join(directory), 0);
    }
    let report = backup_as_nobody(&host).expect(3);
    let stale: Vec<bool> = report
        .not_captured
        .iter()
        .map(|entry| entry.stale)
        .collect();
    assert_eq!(paths(&report), ["closed", "open"]);
    assert_eq!(stale, [false, true]);
    for directory in ["closed", "open"] {
        mode(&host.root().join(directory), 0o755);
    }
}

#[test]
fn what_no_include_pattern_leads_to_is_not_looked_at() {
    let host = Host::new();
    let place = format!("path: {{directory: {}}}", host.root().display());
    let include = format!("{place}, include: [/exports/, /pictrues/]");
    host.write_policy(&minio(), |policy| policy.replace(&place, &include));
    file(&host.root(), "exports/a.csv", "1");
    file(&host.root(), "private/b.txt", "2");
    mode(&host.root().join("private"), 0);
    let report = backup_as_nobody(&host).expect(0);
    assert_eq!(report.files.total, 2);
    let words = "include \"/pictrues/\" matches nothing";
    assert!(
        report
            .warnings
            .iter()
            .any(|warning| warning.contains(words)),
        "{report:#?}"
    );
    mode(&host.root().join("private"), 0o755);
}

#[test]
fn w04_beneath_a_directory_that_cannot_be_read_nothing_is_deleted() {
    let host = Host::new();
    file(&host.root(), "closed/a.txt", "a");
    file(&host.root(), "closed/deeper/b.txt", "b");
    for index in 0..6 {
        file(&host.root(), &format!("open/{index}.txt"), "open");
    }
    backup_as_nobody(&host).expect(0);
    let closed: PathBuf = host.root().join("closed");
    mode(&closed, 0);
    let report = backup_as_nobody(&host).expect(3);
    assert_eq!(paths(&report), ["closed"]);
    assert_eq!(report.files.deleted, 0);
    let to = host.at("restored");
    host.restore(&to, &[]).expect(0);
    assert_eq!(fs::read(to.join("closed/deeper/b.txt")).unwrap(), b"b");
    mode(&closed, 0o755);
    let report = backup_as_nobody(&host).expect(0);
    assert_eq!(report.files.uploaded, 0);
    host.check_restore();
}

#[test]
fn a_source_of_which_most_cannot_be_read_fails() {
    let host = Host::new();
    for index in 0..6 {
        mode(&file(&host.root(), &format!("{index}.txt"), "x"), 0);
    }
    file(&host.root(), "readable.txt", "x");
    let words = ["6 entries could not be read", "permissions"];
    backup_as_nobody(&host).expect_words(27, &words);
}
