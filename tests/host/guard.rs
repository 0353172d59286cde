//! Sources that are not believed.

use std::fs;

use crate::host::{DATA, Host, key};
use crate::tree::{file, office};

/// A tree of twenty files.
fn archive(host: &Host) {
    for index in 0..20 {
        file(&host.root(), &format!("{index:02}.txt"), format!("{index}"));
    }
}

#[test]
fn w02_a_source_that_lost_most_files_is_not_believed_until_a_person_says_so() {
    let host = Host::new();
    archive(&host);
    host.backup().expect(0);
    for index in 0..15 {
        fs::remove_file(host.root().join(format!("{index:02}.txt"))).unwrap();
    }
    let refused = host.backup();
    let words = [
        "5 entries where the last restore point has 20",
        "nothing was deleted",
        "--approve",
    ];
    let refused = refused.expect_words(27, &words);
    // Repetition is no approval, and neither is that of a run that is not there.
    host.backup().expect(27);
    host.backup_with(&["--approve", "no-such-run"])
        .expect_words(27, &["The approval of no-such-run does not count"]);
    let documents = host.bucket("documents");
    assert_eq!(host.store.keys(&documents, DATA).len(), 20);

    let approved = host
        .backup_with(&["--approve", &refused.writer()])
        .expect(0);
    assert_eq!(approved.files.deleted, 15);
    assert_eq!(host.store.keys(&documents, DATA).len(), 5);
    host.check_restore();
    let first = host.restore(
        &host.at("first"),
        &["--as-of", &refused.restore_point.unwrap().time.to_string()],
    );
    assert_eq!(first.expect(0).entries.restored, 20);
}

#[test]
fn an_approval_holds_for_what_was_looked_at_and_for_no_later_loss() {
    let host = Host::new();
    archive(&host);
    host.backup().expect(0);
    for index in 0..15 {
        fs::remove_file(host.root().join(format!("{index:02}.txt"))).unwrap();
    }
    let refused = host.backup().expect(27);
    host.backup_with(&["--approve", &refused.writer()])
        .expect(0);
    for index in 16..20 {
        fs::remove_file(host.root().join(format!("{index:02}.txt"))).unwrap();
    }
    host.backup_with(&["--approve", &refused.writer()])
        .expect(27);
}

#[test]
fn w02_an_empty_root_is_not_believed() {
    let host = Host::new();
    office(&host.root());
    host.backup().expect(0);
    for entry in fs::read_dir(host.root()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    host.backup()
        .expect_words(27, &["the source has 0 entries"]);
    assert!(!host.store.keys(&host.bucket("photos"), DATA).is_empty());
}

#[test]
fn w01_a_root_that_is_missing_or_no_directory_is_told() {
    let host = Host::new();
    let root = host.root();
    fs::remove_dir(&root).unwrap();
    host.backup().expect_words(
        27,
        &[root.to_str().unwrap(), "does not exist: is it mounted?"],
    );
    fs::write(&root, "a file").unwrap();
    host.backup()
        .expect_words(27, &[root.to_str().unwrap(), "Not a directory"]);
}

#[test]
fn w02_another_directory_under_the_same_name_is_not_believed() {
    let host = Host::new();
    office(&host.root());
    host.backup().expect(0);
    // It is kept, so that its inode is not used again.
    fs::rename(host.root(), host.at("unmounted")).unwrap();
    fs::create_dir(host.root()).unwrap();
    office(&host.root());
    let refused = host
        .backup()
        .expect_words(27, &["another directory than it was", "--approve"]);
    let approved = host
        .backup_with(&["--approve", &refused.writer()])
        .expect(0);
    assert_eq!(approved.files.uploaded, 0);
    assert_eq!(
        host.store
            .versions(&host.bucket("documents"), &key("empty.txt"))
            .len(),
        1
    );
    host.check_restore();
}

#[test]
fn a_policy_that_is_pointed_at_another_directory_is_not_believed() {
    let host = Host::new();
    office(&host.root());
    host.backup().expect(0);
    let root = host.root().display().to_string();
    let other = host.at("other");
    fs::create_dir(&other).unwrap();
    file(&other, "another.txt", "firm's");
    host.write_policy(&crate::store::minio(), |policy| {
        policy.replace(&root, other.to_str().unwrap())
    });
    host.backup()
        .expect_words(27, &["not the one that this repository was made for"]);
}
