//! The buckets' settings: a Job of their own, and what becomes of its answer.

use serde_json::Value;

use crate::policies::POLICY;
use crate::site::{Site, name_of};

const SETTINGS: &str = "  bucketSettings: {credentials: {secret: {name: bucket-admin}}}\n";

fn with_settings(more: &str) -> String {
    let settings = SETTINGS.replace("{credentials", &format!("{{{more}credentials"));
    POLICY.replace("  storage:", &format!("{settings}  storage:"))
}

/// The Secret of the setup; the worker that is played finds its script there.
fn secret(script: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: bucket-admin}}
stringData:
  AWS_ACCESS_KEY_ID: id
  AWS_SECRET_ACCESS_KEY: key
  script: |
{script}
"
    )
}

fn setups(site: &Site) -> Vec<Value> {
    site.list("jobs", "backstay.dev/policy=office,backstay.dev/verb=setup")
}

#[test]
fn a_setup_is_made_once_and_its_answer_becomes_a_condition() {
    let site = Site::new("setup");
    let _ = site.volume("data", "RWO");
    let word =
        r#"{"version":1,"written":3,"differing":0,"message":"1 bucket: as the policy wants"}"#;
    site.apply(&secret(&format!("    word {word}\n    exit 0")));
    site.apply(&with_settings(""));
    let condition = site.condition("BucketsConfigured", "Configured");
    assert_eq!(condition["status"], "True", "{condition}");
    assert_eq!(condition["message"], "1 bucket: as the policy wants");
    let status = site.get("backuppolicy/office")["status"]["bucketSettings"].clone();
    assert_eq!(
        (&status["written"], &status["differing"]),
        (&3.into(), &0.into())
    );
    let before = setups(&site);
    let [first] = &before[..] else {
        panic!("one setup: {before:?}");
    };
    let pod = &first["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);

    // Other settings are another order: the old Job goes, the new one's answer counts.
    let drift = r#"{"version":1,"written":0,"differing":1,"message":"1 setting differs"}"#;
    site.apply(&secret(&format!("    word {drift}\n    exit 4")));
    site.apply(&with_settings("versioning: false, "));
    let condition = site.condition("BucketsConfigured", "SettingsDiffer");
    assert_eq!(condition["status"], "False", "{condition}");
    site.eventually("the old setup is gone", || {
        let names: Vec<String> = setups(&site).iter().map(name_of).collect();
        (names.len() == 1 && names[0] != name_of(first)).then_some(())
    });

    // Without settings nobody looks, and nothing is said.
    site.apply(POLICY);
    site.eventually("no condition", || {
        let policy = site.get("backuppolicy/office");
        let conditions = policy["status"]["conditions"].as_array()?.clone();
        let mut kinds = conditions.iter().map(|condition| &condition["type"]);
        (kinds.all(|kind| kind != "BucketsConfigured") && setups(&site).is_empty()).then_some(())
    });
}

#[test]
fn a_policy_without_settings_has_no_setup() {
    let site = Site::new("no-setup");
    let _ = site.volume("data", "RWO");
    site.apply(POLICY);
    site.condition("Ready", "Valid");
    assert_eq!(setups(&site).len(), 0);
}

#[test]
fn settings_without_credentials_are_a_problem_in_a_cluster() {
    let site = Site::new("setup-identity");
    site.apply(&POLICY.replace("  storage:", "  bucketSettings: {}\n  storage:"));
    let condition = site.condition("Ready", "InvalidSpec");
    let message = condition["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("spec.bucketSettings.credentials is needed"),
        "{message}"
    );
}
