//! `backstay estimate`: what it says is what then happens, and what is asked of whom.

use std::fs;

use backstay::api::cost::Estimate;

use crate::compression::{squeezed, table};
use crate::host::{Done, Host};
use crate::store::minio;
use crate::tree::{file, office, settle};

fn estimate(host: &Host, more: &[&str]) -> Done {
    let mut command = host.command("estimate");
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    Done::of(command.args(more).output())
}

fn parsed(host: &Host) -> Estimate {
    let done = estimate(host, &["--output", "json"]);
    assert_eq!(done.code, 0, "{done:?}");
    serde_json::from_str(&done.out).unwrap()
}

#[test]
fn runs_take_the_requests_that_were_foretold() {
    let host = Host::new();
    office(&host.root());
    for index in 0..40 {
        file(
            &host.root(),
            &format!("letters/{index}.txt"),
            format!("dear {index}"),
        );
    }
    settle(&host.root());
    let foretold = parsed(&host);
    let first = host.backup().expect(0);
    let second = host.backup().expect(0);
    assert_eq!(foretold.files, first.files.uploaded);
    assert_eq!(foretold.bytes, first.bytes.total);
    for (foretold, report) in [
        (foretold.first_run, &first),
        (foretold.unchanged_run, &second),
    ] {
        let made: u64 = report.requests.values().sum();
        assert_eq!(foretold.requests, made, "{:?}", report.requests);
    }
}

#[test]
fn small_files_in_an_infrequent_class_are_pointed_out() {
    let host = Host::without_buckets();
    host.write_policy(&minio(), |policy| {
        policy.replace("-photos}", "-photos, storageClass: STANDARD_IA}")
    });
    for index in 0..20 {
        file(&host.root(), &format!("{index}.jpg"), "x");
    }
    let done = estimate(&host, &[]);
    assert_eq!(done.code, 0, "{done:?}");
    for words in [
        "estimate of files: 20 files, 20 bytes, at prices of us-east-1 from 2026-11",
        "photos      STANDARD_IA             20    20 bytes     2.5 MiB  under $0.01",
        "photos: 20 files are billed as larger ones",
        "photos: each version in STANDARD_IA is billed for 30 days at least",
        "storage.endpoint is not AWS",
    ] {
        assert!(
            done.out.contains(words),
            "{words:?} is not in\n{}",
            done.out
        );
    }
}

#[test]
fn the_months_under_lifecycle_rules_are_told_one_by_one() {
    let host = Host::without_buckets();
    let lifecycle = |rules: &str| {
        host.write_policy(&minio(), |policy| {
            let settings = format!("  bucketSettings: {{lifecycle: {rules}}}\n  storage:");
            policy.replace("  storage:", &settings)
        });
    };
    lifecycle("{preset: InfrequentThenGlacier, noncurrentExpirationDays: 90}");
    for index in 0..20 {
        file(&host.root(), &format!("{index}.jpg"), vec![7; 1 << 20]);
    }
    file(&host.root(), "letter.txt", "dear");
    let done = estimate(&host, &[]);
    assert_eq!(done.code, 0, "{done:?}");
    for words in [
        "month 1        under $0.01  STANDARD 20.1 MiB\n",
        "month 2        under $0.01  STANDARD 2.2 KiB, STANDARD_IA 20.0 MiB; of it under $0.01 for 20 moves",
        "month 3        under $0.01  STANDARD 2.2 KiB, GLACIER 20.7 MiB; of it under $0.01 for 20 moves",
        "from month 4   under $0.01  STANDARD 2.2 KiB, GLACIER 20.7 MiB\n",
        "always the same, and old versions are kept for 90 days",
        "a full restore",
        "GLACIER is not read at once: restore what lies there in S3 first; that takes 3 to 5 hours",
    ] {
        assert!(
            done.out.contains(words),
            "{words:?} is not in\n{}",
            done.out
        );
    }
    let foretold = parsed(&host);
    assert_eq!(foretold.superseded_kept_days, Some(90));
    assert!(foretold.restore_moved.unwrap().dollars > foretold.restore.dollars);

    lifecycle("{preset: LongTerm}");
    let done = estimate(&host, &[]);
    let forever = ["old versions are kept for ever", "month 12", "month 24"];
    assert!(
        forever.iter().all(|words| done.out.contains(words)),
        "{done:?}"
    );
}

#[test]
fn a_sample_foretells_about_what_compression_leaves() {
    let host = squeezed();
    let root = host.root();
    for index in 0..50 {
        file(&root, &format!("{index}.csv"), table(20_000 * (index + 1)));
    }
    file(&root, "large.csv", table(20 << 20));
    file(&root, "small.csv", "id\n");
    file(&root, "photos/1.jpg", vec![7; 1 << 20]);
    settle(&root);
    let foretold = parsed(&host);
    let told = estimate(&host, &[]);
    let words = "database: compressed it is about ";
    assert!(told.out.contains(words), "{told:?}");
    let report = host.backup().expect(0);
    assert_eq!(foretold.bytes, report.bytes.total);
    let stored: u64 = foretold
        .categories
        .iter()
        .filter(|category| category.name != "catalog")
        .map(|category| category.stored_bytes)
        .sum();
    let made = report.bytes.uploaded;
    assert!(
        stored.abs_diff(made) < made / 10,
        "{stored} was foretold, {made} was made"
    );
}

#[test]
fn other_prices_are_read_and_a_mistake_in_them_is_named() {
    let host = Host::without_buckets();
    let table = include_str!("../../src/plan/prices.yaml");
    let own = host.at("prices.yaml");
    fs::write(&own, table.replace("us-east-1", "eu-south-1")).unwrap();
    let done = estimate(&host, &["--prices", own.to_str().unwrap()]);
    assert!(done.out.contains("at prices of eu-south-1"), "{done:?}");

    fs::write(
        &own,
        table.replace("gibibyteOut: 0.09", "gibibyteOut: dear"),
    )
    .unwrap();
    let done = estimate(&host, &["--prices", own.to_str().unwrap()]);
    assert_eq!(done.code, 2, "{done:?}");
    assert_eq!(done.err.lines().count(), 1, "{done:?}");
    assert!(
        done.err.contains("--prices") && done.err.contains("dear"),
        "{done:?}"
    );
}

#[test]
fn a_claim_is_estimated_where_its_files_are() {
    let host = Host::without_buckets();
    // A cluster's policy may not name this host, where a store without a cluster is; none is asked.
    host.write_policy("https://store.example", |policy| {
        let path = format!("path: {{directory: {}}}", host.root().display());
        policy
            .replace(&path, "persistentVolumeClaim: {claimName: office}")
            .replace(
                "endpoint:",
                "credentials: {secret: {name: keys}}, endpoint:",
            )
    });
    office(&host.root());
    let done = estimate(&host, &[]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(
        done.err.contains("the claim office: say with --directory"),
        "{done:?}"
    );
    let done = estimate(&host, &["--directory", host.root().to_str().unwrap()]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn a_run_says_what_it_cost_where_the_prices_are_known() {
    let host = Host::new();
    office(&host.root());
    file(&host.root(), "video.mov", vec![7; 6 << 20]);
    settle(&host.root());
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/src/plan/prices.yaml");
    let report = host.backup_with(&["--prices", table]).expect(0);
    let cost = report.cost.unwrap();
    let requests: u64 = report.requests.values().sum();
    assert_eq!(cost.writes + cost.reads + cost.free, requests);
    // Besides the files there is the catalog.
    assert_eq!(
        cost.stored[0].objects,
        report.files.uploaded + 1,
        "{:?}",
        cost.stored
    );
    assert!(
        cost.stored[0].bytes > report.bytes.total,
        "{:?}",
        cost.stored
    );
    assert!(cost.month_microdollars > Some(0) && cost.requests_microdollars > 100);

    let mut command = host.command("backup");
    let done = Done::of(command.args(["--prices", table]).output());
    let line =
        "costs          under $0.01 for the requests, under $0.01 a month for what is stored";
    assert!(done.out.contains(line), "{done:?}");
    // Of a store that is not AWS nothing is known.
    assert_eq!(host.backup().expect(0).cost, None);
}

#[test]
fn what_would_not_be_captured_is_named_with_its_reason() {
    let host = Host::new();
    host.write_policy(&minio(), |policy| {
        let all = "{name: documents, bucket";
        policy.replace(all, "{name: documents, match: {extensions: [txt]}, bucket")
    });
    file(&host.root(), "a.txt", "a");
    file(&host.root(), "program.bin", "of no category");
    let done = estimate(&host, &[]);
    let note = "1 entry would not be captured: program.bin (no category takes it)";
    assert!(done.code == 0 && done.out.contains(note), "{done:?}");
    let named = &parsed(&host).first_not_captured;
    assert_eq!((named.len(), named[0].path.as_str()), (1, "program.bin"));
}
