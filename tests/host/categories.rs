//! Which bucket a file goes to.

use crate::host::{DATA, Host, paths};
use crate::store::minio;
use crate::tree::file;

/// A path, and the category that takes it.
const ROUTES: &[(&str, &str)] = &[
    ("dump.sql", "database"),
    ("deep/er/EXPORT.CSV", "database"),
    ("database/readme.txt", "database"),
    ("database/2026/scan.jpg", "database"),
    ("photo.JPG", "photos"),
    ("photos/readme.txt", "photos"),
    ("photos/dump.sql", "database"),
    ("old/photos/readme.txt", "documents"),
    ("jpg", "documents"),
    (".jpg", "documents"),
    ("letter.pdf", "documents"),
];

#[test]
fn the_first_category_that_matches_takes_a_file() {
    let host = Host::new();
    for (path, _) in ROUTES {
        file(&host.root(), path, *path);
    }
    host.backup().expect(0);
    for category in ["database", "photos", "documents"] {
        let mut expected: Vec<String> = ROUTES
            .iter()
            .filter(|(_, taken_by)| *taken_by == category)
            .map(|(path, _)| format!("{DATA}{path}"))
            .collect();
        expected.sort();
        assert_eq!(host.store.keys(&host.bucket(category), DATA), expected);
    }
    host.check_restore();
}

#[test]
fn a_file_that_no_category_takes_makes_the_run_incomplete() {
    let host = Host::new();
    host.write_policy(&minio(), |policy| {
        let rest = format!(
            "    - {{name: documents, bucket: {}}}\n",
            host.bucket("documents")
        );
        assert!(policy.contains(&rest));
        policy.replace(&rest, "")
    });
    file(&host.root(), "letter.pdf", "dear");
    file(&host.root(), "photo.jpg", "sea");
    let report = host.backup().expect(3);
    assert_eq!(paths(&report), ["letter.pdf"]);
    assert!(report.not_captured[0].reason.contains("no category"));
    let to = host.at("restored");
    host.restore(&to, &[]).expect(0);
    assert!(to.join("photo.jpg").exists() && !to.join("letter.pdf").exists());
}

#[test]
fn a_category_that_moves_to_another_bucket_takes_its_files_along() {
    let host = Host::new();
    file(&host.root(), "photo.jpg", "sea");
    file(&host.root(), "letter.pdf", "dear");
    let first = host.backup().expect(0);
    let new = host.bucket("pictures");
    host.store.make_bucket(&new);
    host.store.enable_versions(&new);
    host.write_policy(&minio(), |policy| policy.replace("-photos}", "-pictures}"));
    let second = host.backup().expect(0);
    assert_eq!(second.files.uploaded, 1);
    assert_eq!(host.store.keys(&new, DATA), [format!("{DATA}photo.jpg")]);
    assert!(host.store.keys(&host.bucket("photos"), DATA).is_empty());
    host.check_restore();
    host.restore(&host.at("first"), &["--run", &first.run])
        .expect(0);
}

#[test]
fn what_is_excluded_is_not_there() {
    let host = Host::new();
    host.write_policy(&minio(), |policy| {
        policy.replace("sources: [{", "sources: [{exclude: ['*.tmp', 'cache/'], ")
    });
    for path in [
        "a.txt",
        "b.tmp",
        "cache/c.txt",
        "deep/cache/d.txt",
        "deep/e.tmp/f.txt",
    ] {
        file(&host.root(), path, path);
    }
    host.backup().expect(0);
    let keys = host.store.keys(&host.bucket("documents"), DATA);
    assert_eq!(keys, [format!("{DATA}a.txt")]);
}
