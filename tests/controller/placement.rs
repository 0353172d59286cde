//! Placement: each kind of claim, with the application on either node.

use std::path::Path;

use serde_json::Value;

use crate::policies::POLICY;
use crate::site::{ACTOR, Site, name_of};

fn play(directory: &Path, script: &str) {
    std::fs::write(directory.join("script"), script).expect("write the script");
}

/// An application that uses the claim until its node or the test takes it away.
fn application(site: &Site, name: &str, node: &str) {
    site.apply(&format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector: {{kubernetes.io/hostname: {node}}}
  securityContext: {{runAsUser: 65532}}
  containers:
    - name: shop
      image: {ACTOR}
      imagePullPolicy: Never
      command: [/actor]
      volumeMounts: [{{name: data, mountPath: /source}}, {{name: run, mountPath: /backstay/run}}]
  volumes:
    - {{name: data, persistentVolumeClaim: {{claimName: data}}}}
    - name: run
      downwardAPI: {{items: [{{path: run-spec.json, fieldRef: {{fieldPath: metadata.name}}}}]}}
"
    ));
}

fn node_of(site: &Site, job: &str) -> Value {
    site.eventually("a pod on a node", || {
        let pod = site.pods(job).into_iter().next()?;
        (!pod["spec"]["nodeName"].is_null()).then(|| pod["spec"]["nodeName"].clone())
    })
}

/// One run beside an application on each node: where it went.
fn beside_the_application(access: &str) -> Vec<(Value, Value)> {
    let site = Site::new(&access.to_lowercase());
    let directory = site.volume("data", access);
    site.apply(POLICY);
    ["node-a", "node-b"]
        .into_iter()
        .map(|node| {
            play(&directory, "await never\n");
            application(&site, "shop", node);
            site.call(&[
                "wait",
                "--for=condition=Ready",
                "pod/shop",
                "--timeout=120s",
            ]);
            play(&directory, &done("Succeeded"));
            let run = site.run(node);
            let ran_on = node_of(&site, node);
            assert_eq!(site.outcome(&run)["outcome"], "Succeeded");
            let pod = site.pods(node).remove(0);
            site.call(&["delete", "pod/shop"]);
            (ran_on, pod["spec"]["affinity"].clone())
        })
        .collect()
}

pub(crate) fn done(outcome: &str) -> String {
    let reason = if outcome == "Succeeded" {
        "Complete"
    } else {
        "EntriesNotCaptured"
    };
    format!(
        r#"word {{"version":1,"run":"RUN","epoch":1,"phase":"Done","outcome":"{outcome}","reason":"{reason}","message":"as played","startTime":"2026-11-01T02:00:00Z","completionTime":"2026-11-01T02:00:05Z","files":{{"uploaded":3}},"bytes":{{"uploaded":10}}}}"#
    ) + "\nexit 0\n"
}

#[test]
fn a_claim_of_one_node_is_backed_up_where_the_application_is() {
    let runs = beside_the_application("RWO");
    assert_eq!(
        runs.iter().map(|(node, _)| node).collect::<Vec<_>>(),
        ["node-a", "node-b"]
    );
}

#[test]
fn a_shared_claim_is_backed_up_without_a_pin() {
    for (_, affinity) in beside_the_application("RWX") {
        assert!(affinity.is_null(), "{affinity}");
    }
}

#[test]
fn an_unused_claim_is_left_to_the_scheduler() {
    let site = Site::new("unused");
    let directory = site.volume("data", "RWO");
    play(&directory, &done("Succeeded"));
    site.apply(POLICY);
    let run = site.run("first");
    assert_eq!(site.outcome(&run)["outcome"], "Succeeded");
    assert!(site.pods("first")[0]["spec"]["affinity"].is_null());
}

#[test]
fn a_claim_of_one_pod_is_backed_up_when_the_application_is_gone() {
    let site = Site::new("rwop");
    let directory = site.volume("data", "RWOP");
    play(&directory, "await never\n");
    site.apply(POLICY);
    application(&site, "shop", "node-b");
    site.call(&[
        "wait",
        "--for=condition=Ready",
        "pod/shop",
        "--timeout=120s",
    ]);
    play(&directory, &done("Succeeded"));
    let run = site.run("first");
    let waiting = site.waiting("ClaimInUse");
    assert_eq!(waiting["run"], run.as_str());
    assert!(
        waiting["message"]
            .as_str()
            .is_some_and(|message| message.contains("pod shop"))
    );
    assert_eq!(
        site.pods("first")[0]["status"]["conditions"][0]["reason"],
        "SchedulingGated"
    );
    site.call(&["delete", "pod/shop"]);
    assert_eq!(site.outcome(&run)["outcome"], "Succeeded");
}

#[test]
fn a_claim_without_a_volume_keeps_the_gate_shut() {
    let site = Site::new("unbound");
    site.apply(
        "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: nobody-makes-these
  resources: {requests: {storage: 1Gi}}
",
    );
    site.apply(POLICY);
    let run = site.run("first");
    assert_eq!(site.waiting("ClaimNotBound")["run"], run.as_str());
    // The Job's deadline ends the wait, and what never started is no riddle.
    let patch = r#"{"spec":{"activeDeadlineSeconds":1}}"#;
    site.call(&["patch", "job/first", "--type=merge", "-p", patch]);
    let outcome = site.outcome(&run);
    assert_eq!(
        (&outcome["outcome"], &outcome["reason"]),
        (&"Failed".into(), &"DeadlineExceeded".into())
    );
}

#[test]
fn p06_a_worker_yields_to_an_application_on_the_other_node() {
    let site = Site::new("yield");
    let directory = site.volume("data", "RWO");
    play(&directory, "await go\n");
    site.apply(POLICY);
    site.run("first");
    let worker_node = node_of(&site, "first");
    let first_pod = name_of(&site.pods("first")[0]);
    let other_node = if worker_node == "node-a" {
        "node-b"
    } else {
        "node-a"
    };
    application(&site, "shop", other_node);
    site.eventually("a worker beside the application", || {
        let pod = site.pods("first").into_iter().next()?;
        (name_of(&pod) != first_pod && pod["spec"]["nodeName"] == other_node).then_some(())
    });
    // The eviction was no failure, and the run goes on as if nothing had been.
    play(&directory, &done("Succeeded"));
    let pod = name_of(&site.pods("first")[0]);
    site.call(&["delete", "pod/shop", "--wait=false"]);
    std::fs::write(directory.join("go"), "").expect("write the sign");
    site.eventually("the end of the worker", || {
        let phase = site.get(&format!("pod/{pod}"))["status"]["phase"].clone();
        (phase == "Succeeded" || phase == "Failed").then_some(())
    });
    let failed = site.get("job/first")["status"]["failed"].clone();
    assert!(failed.is_null() || failed == 0, "{failed}");
}

#[test]
fn p05_a_manual_run_waits_for_the_one_before_it() {
    let site = Site::new("manual");
    let directory = site.volume("data", "RWX");
    play(&directory, &format!("await go\n{}", done("Succeeded")));
    site.apply(POLICY);
    let first = site.run("first");
    node_of(&site, "first");
    let second = site.run("second");
    assert_eq!(site.waiting("RunActive")["run"], second.as_str());
    std::fs::write(directory.join("go"), "").expect("write the sign");
    assert_eq!(site.outcome(&first)["outcome"], "Succeeded");
    assert_eq!(site.outcome(&second)["outcome"], "Succeeded");
}
