//! Queues that are followed: a Deployment of one pod, and what is said of it.

use crate::policies::POLICY;
use crate::site::Site;

const FAILED: &str = r#"{"version":1,"run":"r","epoch":0,"phase":"Done","outcome":"Failed","reason":"RepositoryNotFound","message":"queue does not exist","startTime":"2026-11-02T02:01:00Z","files":{},"bytes":{}}"#;

fn policy(events: &str) -> String {
    let bucket = format!("bucket: {{name: incoming{events}}}");
    POLICY.replace("persistentVolumeClaim: {claimName: data}", &bucket)
}

#[test]
fn a_queue_has_a_follower_whose_failure_is_told() {
    let site = Site::new("follow");
    let script = format!("    word {FAILED}\n    exit 20");
    site.apply(&format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: s3-keys}}
stringData:
  AWS_ACCESS_KEY_ID: id
  AWS_SECRET_ACCESS_KEY: key
  script: |
{script}
"
    ));
    let queue = "https://sqs.eu-south-1.amazonaws.com/123456789012/uploads";
    let with_queue = policy(&format!(", events: {{queueUrl: '{queue}'}}"));
    site.apply(&with_queue);
    let condition = site.condition("EventsFollowed", "RepositoryNotFound");
    assert_eq!(condition["status"], "False", "{condition}");
    assert_eq!(condition["message"], "source files: queue does not exist");
    assert_eq!(site.condition("Ready", "Valid")["status"], "True");
    let followers = || site.list("deployments", "backstay.dev/policy=office");
    let [follower] = &followers()[..] else {
        panic!("one follower: {:?}", followers());
    };
    let name = crate::site::name_of(follower);

    // What somebody adds to the pod is taken away.
    let foreign = r#"{"spec":{"template":{"spec":{"hostNetwork":true}}}}"#;
    site.call(&["patch", "deployment", &name, "--type=merge", "-p", foreign]);
    site.eventually("a pod as it should be", || {
        let pod = site.get(&format!("deployment/{name}"))["spec"]["template"]["spec"].clone();
        (pod["hostNetwork"] != true).then_some(())
    });

    site.apply(&with_queue.replace("  schedule", "  suspend: true\n  schedule"));
    site.condition("EventsFollowed", "Suspended");
    site.eventually("no pod", || {
        let pods = site.list("pods", "backstay.dev/verb=follow");
        pods.is_empty().then_some(())
    });

    site.apply(&policy(""));
    site.eventually("no follower and nothing said of it", || {
        let policy = site.get("backuppolicy/office");
        let conditions = policy["status"]["conditions"].as_array()?.clone();
        let is_told = conditions
            .iter()
            .any(|condition| condition["type"] == "EventsFollowed");
        (followers().is_empty() && !is_told).then_some(())
    });
}
