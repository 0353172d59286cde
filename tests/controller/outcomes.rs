//! Outcomes: learned from the last word, kept on the Job, and never guessed.

use std::path::Path;

use crate::placement::done;
use crate::policies::POLICY;
use crate::site::{Site, name_of};

fn play(directory: &Path, script: &str) {
    std::fs::write(directory.join("script"), script).expect("write the script");
}

fn word(phase: &str, more: &str) -> String {
    format!(
        r#"word {{"version":1,"run":"RUN","epoch":1,"phase":"{phase}",{more}"message":"as played","startTime":"2026-11-01T02:00:00Z","files":{{}},"bytes":{{}}}}"#
    ) + "\n"
}

/// One run of a script: its outcome, reason and message.
fn outcome_of(name: &str, script: &str) -> (String, String, String) {
    let site = Site::new(name);
    let directory = site.volume("data", "RWO");
    play(&directory, script);
    site.apply(POLICY);
    let run = site.run("first");
    let outcome = site.outcome(&run);
    let label = site.get("job/first")["metadata"]["labels"]["backstay.dev/outcome"].clone();
    assert_eq!(label, outcome["outcome"], "the Job carries it too");
    let text = |field: &str| outcome[field].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("reason"), text("message"))
}

#[test]
fn a_last_word_is_the_outcome() {
    let (outcome, reason, message) = outcome_of("partial", &done("Partial"));
    assert_eq!(
        (outcome.as_str(), reason.as_str()),
        ("Partial", "EntriesNotCaptured")
    );
    assert_eq!(message, "as played");
}

#[test]
fn a_failure_that_no_second_attempt_changes_is_known_at_once() {
    let denied = word("Done", r#""outcome":"Failed","reason":"AccessDenied","#) + "exit 21\n";
    let (outcome, reason, _) = outcome_of("denied", &denied);
    assert_eq!(
        (outcome.as_str(), reason.as_str()),
        ("Failed", "AccessDenied")
    );
}

#[test]
fn what_a_run_could_leave_nowhere_else_is_given_to_the_next_one() {
    let site = Site::new("left");
    let directory = site.volume("data", "RWO");
    let left = r#"{"trouble":{"since":"2026-11-01T02:00:00Z","runs":3,"reason":"AccessDenied"},"outbox":{"lost":0},"nonce":"00000000-0000-0000-0000-000000000007"}"#;
    let more = format!(r#""outcome":"Failed","reason":"AccessDenied","left":{left},"#);
    play(&directory, &(word("Done", &more) + "exit 21\n"));
    site.apply(POLICY);
    let first = site.run("first");
    site.outcome(&first);
    play(&directory, &done("Succeeded"));
    let second = site.run("second");
    site.outcome(&second);
    let given = |job: &str| {
        let pod = site.pods(job).remove(0);
        pod["metadata"]["annotations"]["backstay.dev/left"].clone()
    };
    assert_eq!(given("first"), serde_json::Value::Null);
    assert_eq!(given("second"), left);
    // That one reached its repository.
    let third = site.run("third");
    site.outcome(&third);
    assert_eq!(given("third"), serde_json::Value::Null);
}

#[test]
fn c03_a_worker_that_dies_after_its_commit_has_succeeded() {
    let point =
        r#""restorePoint":{"sequence":4,"time":"2026-11-01T02:00:04Z","outcome":"Succeeded"},"#;
    let (outcome, reason, message) =
        outcome_of("committed", &(word("Committed", point) + "exit 29\n"));
    assert_eq!(
        (outcome.as_str(), reason.as_str()),
        ("Succeeded", "Complete")
    );
    assert!(message.contains("did not finish publishing"), "{message}");
}

#[test]
fn p03_a_worker_killed_for_its_memory_is_unclear_and_says_so() {
    let (outcome, reason, message) = outcome_of("memory", &(word("Opened", "") + "memory 700\n"));
    assert_eq!(
        (outcome.as_str(), reason.as_str()),
        ("Unclear", "OutOfMemory")
    );
    assert!(message.contains("it had committed nothing"), "{message}");
}

#[test]
fn n08_a_worker_that_leaves_no_word_is_unclear() {
    let (outcome, reason, message) = outcome_of("silent", "exit 29\n");
    assert_eq!(
        (outcome.as_str(), reason.as_str()),
        ("Unclear", "WorkerLost")
    );
    assert!(message.contains("it left no word"), "{message}");
}

#[test]
fn a_job_ended_by_its_deadline_says_how_far_its_worker_came() {
    let site = Site::new("deadline");
    let directory = site.volume("data", "RWO");
    play(&directory, &(word("Committing", "") + "await never\n"));
    site.apply(POLICY);
    let run = site.run("first");
    site.eventually("a running worker", || {
        (site.pods("first").first()?["status"]["phase"] == "Running").then_some(())
    });
    let patch = r#"{"spec":{"activeDeadlineSeconds":1}}"#;
    site.call(&["patch", "job/first", "--type=merge", "-p", patch]);
    let outcome = site.outcome(&run);
    assert_eq!(outcome["outcome"], "Unclear");
    assert_eq!(outcome["reason"], "DeadlineExceeded");
    site.condition("Healthy", "DeadlineExceeded");
}

#[test]
fn p10_an_image_that_is_not_there_is_told_while_the_run_waits() {
    let site = Site::with_image("image", "backstay.test/nobody-built-this:dev");
    site.volume("data", "RWO");
    site.apply(POLICY);
    site.run("first");
    let waiting = site.waiting("PodCreationFailed");
    let message = waiting["message"].as_str().expect("a message");
    assert!(message.contains("ErrImageNeverPull"), "{message}");
    assert_eq!(
        site.condition("Healthy", "PodCreationFailed")["status"],
        "False"
    );
}

#[test]
fn k02_a_run_that_ends_while_the_controller_is_away_is_known_when_it_is_back() {
    let mut site = Site::new("away");
    let directory = site.volume("data", "RWO");
    play(&directory, &format!("await go\n{}", done("Succeeded")));
    site.apply(POLICY);
    let run = site.run("first");
    site.eventually("a running worker", || {
        (site.pods("first").first()?["status"]["phase"] == "Running").then_some(())
    });
    site.stop();
    std::fs::write(directory.join("go"), "").expect("write the sign");
    site.call(&[
        "wait",
        "--for=condition=Complete",
        "job/first",
        "--timeout=120s",
    ]);
    site.start();
    assert_eq!(site.outcome(&run)["outcome"], "Succeeded");
    assert_eq!(site.condition("Healthy", "Complete")["status"], "True");
    // It is told once, and is on the Job for whoever comes after.
    let events = site.call(&[
        "get",
        "events",
        "-o",
        "name",
        "--field-selector=reason=Complete",
    ]);
    assert_eq!(events.lines().count(), 1, "{events}");
}

#[test]
fn a_run_that_starts_while_the_controller_is_away_is_admitted_when_it_is_back() {
    let mut site = Site::new("gated");
    let directory = site.volume("data", "RWO");
    play(&directory, &done("Succeeded"));
    site.apply(POLICY);
    site.condition("Ready", "Valid");
    site.stop();
    let run = site.run("first");
    let pod = site.eventually("a gated pod", || site.pods("first").into_iter().next());
    assert_eq!(
        pod["spec"]["schedulingGates"][0]["name"],
        "backstay.dev/placement",
        "{}",
        name_of(&pod)
    );
    site.start();
    assert_eq!(site.outcome(&run)["outcome"], "Succeeded");
}

#[test]
fn p10_a_job_that_gets_no_pod_is_told_after_a_minute() {
    let site = Site::new("quota");
    site.volume("data", "RWO");
    site.apply(
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: {pods: '0'}}}",
    );
    site.apply(POLICY);
    site.run("first");
    let waiting = site.waiting("PodCreationFailed");
    let message = waiting["message"].as_str().expect("a message");
    assert!(message.contains("kubectl describe job"), "{message}");
    // Nothing was ever let through, so its end is no riddle either.
    let patch = r#"{"spec":{"activeDeadlineSeconds":1}}"#;
    site.call(&["patch", "job/first", "--type=merge", "-p", patch]);
    site.condition("Healthy", "DeadlineExceeded");
}
