//! Runs that end before they are done, and the runs after them.

use crate::host::{Host, key};
use crate::proxy::Proxy;
use crate::running::Running;
use crate::store::minio;
use crate::tree::{file, office, settle};

const MEBIBYTE: usize = 1 << 20;

/// Bytes that no two places of a file have in common.
pub(crate) fn noise(seed: u64, size_bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(size_bytes)
        .collect()
}

/// An office with a file that is sent in parts. It is settled: of a file that has just changed no
/// run takes an earlier one's word.
fn office_with_video(host: &Host) {
    office(&host.root());
    file(&host.root(), "video.mov", noise(1, 40 * MEBIBYTE));
    settle(&host.root());
}

fn is_third_part(request: &str) -> bool {
    request.contains("partNumber=3")
}

#[test]
fn a_large_file_is_sent_in_parts_and_is_one_object() {
    let host = Host::new();
    office_with_video(&host);
    let report = host.backup().expect(0);
    assert_eq!(report.requests["UploadPart"], 5, "{:?}", report.requests);
    let object = host.store.get(&host.bucket("documents"), &key("video.mov"));
    assert!(object == noise(1, 40 * MEBIBYTE));
    host.check_restore();
}

#[test]
fn p02_after_a_kill_amid_an_upload_the_next_run_starts_at_once_and_is_whole() {
    let host = Host::new();
    let proxy = Proxy::holding(&minio(), is_third_part);
    host.write_policy(&proxy.endpoint, |policy| policy);
    office_with_video(&host);
    let killed = Running::start(host.command("backup"));
    proxy.wait_until_held();
    killed.kill();

    let next = host.backup();
    assert!(
        !next.log.contains("waiting for another run"),
        "{}",
        next.log
    );
    let report = next.expect(0);
    assert_eq!(report.restore_point.unwrap().sequence, 1);
    let documents = host.bucket("documents");
    for path in ["contracts/2026/lease.pdf", "bin/run.sh", "video.mov"] {
        let versions = host.store.versions(&documents, &key(path));
        assert_eq!(
            versions.len(),
            1,
            "{path}: what stood already was sent again"
        );
    }
    host.check_restore();
}

#[test]
fn p01_a_run_that_is_asked_to_stop_says_so_and_the_next_one_goes_on() {
    let host = Host::new();
    let proxy = Proxy::holding(&minio(), is_third_part);
    host.write_policy(&proxy.endpoint, |policy| policy);
    office_with_video(&host);
    let mut stopped = Running::start(host.command("backup"));
    proxy.wait_until_held();
    stopped.ask_to_stop();
    stopped.wait_until_it_says("asked to stop");
    proxy.release();
    let report = stopped
        .end()
        .expect_words(143, &["the next run goes on from there"]);
    assert_eq!(report.restore_point, None);

    let next = host.backup().expect(0);
    let taken_over = next.files.resumed;
    assert!(taken_over >= 4, "only {taken_over} files were taken over");
    let trouble = next.trouble.unwrap();
    assert_eq!(trouble.runs, 1);
    host.check_restore();
}
