//! Policies: refused at apply or told in a condition, carried out, and taken back.

use crate::site::{Site, name_of};

pub(crate) const POLICY: &str = "
apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: {name: office}
spec:
  schedule: H 2 * * *
  sources: [{name: files, persistentVolumeClaim: {claimName: data}}]
  categories: [{name: all, bucket: acme-backup}]
  storage: {region: eu-south-1, credentials: {secret: {name: s3-keys}}}
";

/// A line of the policy, what stands there instead, and what the API server answers.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "schedule: H 2",
        "shedule: H 2",
        "unknown field \"spec.shedule\"",
    ),
    (
        "region: eu-south-1",
        "regions: eu",
        "unknown field \"spec.storage.regions\"",
    ),
    ("schedule: H 2 * * *", "schedule: ''", "spec.schedule"),
    (
        "sources: [{name: files, persistentVolumeClaim: {claimName: data}}]",
        "sources: []",
        "spec.sources",
    ),
    (
        "persistentVolumeClaim: {claimName: data}",
        "persistentVolumeClaim: {claimName: data}, path: {directory: /srv}",
        "exactly one of persistentVolumeClaim, bucket and path",
    ),
    (
        "[{name: all, bucket: acme-backup}]",
        "[{name: all, bucket: acme-backup}, {name: rest, bucket: acme-rest}]",
        "only one category may have no `match`",
    ),
    (
        "[{name: all, bucket: acme-backup}]",
        "[{name: all, bucket: acme-backup}, \
             {name: pdf, match: {extensions: [pdf]}, bucket: acme-pdf}]",
        "must stand last",
    ),
    (
        "[{name: all, bucket: acme-backup}]",
        "[{name: all, match: {}, bucket: acme-backup}]",
        "match needs preset, extensions or paths",
    ),
    (
        "bucket: acme-backup",
        "bucket: Acme",
        "spec.categories[0].bucket",
    ),
    (
        "bucket: acme-backup",
        "storageClass: GLACIER, bucket: abc",
        "Unsupported value",
    ),
    (
        "{secret: {name: s3-keys}}",
        "{}",
        "exactly one of secret and serviceAccount",
    ),
    (
        "{region: eu-south-1,",
        "{region: eu-south-1, encryption: {s3: {}, none: {}},",
        "exactly one of s3, kms and none",
    ),
    (
        "{region: eu-south-1,",
        "{region: eu-south-1, encryption: {s3: {keyId: x}},",
        "unknown field \"spec.storage.encryption.s3.keyId\"",
    ),
    ("name: files, ", "name: Files, ", "spec.sources[0].name"),
    (
        "  storage",
        "  worker: {concurrency: 0}\n  storage",
        "spec.worker.concurrency",
    ),
    (
        "  storage",
        "  worker: {image: evil}\n  storage",
        "unknown field \"spec.worker.image\"",
    ),
    (
        "  storage",
        "  worker: {securityContext: {runAsUser: 0}}\n  storage",
        "spec.worker.securityContext.runAsUser",
    ),
    (
        "  storage",
        "  deletions: {maxPercent: 101}\n  storage",
        "spec.deletions.maxPercent",
    ),
    (
        "  storage",
        "  notifications: {sns: {topicArn: 'arn:aws:sqs:eu-south-1:123456789012:q'}}\n  storage",
        "spec.notifications.sns.topicArn",
    ),
];

/// A line of the policy, what stands there instead, and the condition that follows.
const TOLD: &[(&str, &str, &str, &str)] = &[
    ("H 2 * * *", "0 2 * *", "InvalidSpec", "must have five"),
    ("H 2 * * *", "0 2 * * 7", "InvalidSpec", "Sunday is 0"),
    ("H 2 * * *", "0 2 30 2 *", "InvalidSpec", "never comes"),
    (
        "schedule:",
        "timeZone: Europe/Roma\n  schedule:",
        "InvalidSpec",
        "IANA database",
    ),
    (
        "schedule:",
        "timeZone: Local\n  schedule:",
        "InvalidSpec",
        "IANA database",
    ),
    (
        "H 2 * * *",
        "TZ=UTC 0 2 * * *",
        "InvalidSpec",
        "use spec.timeZone",
    ),
    (
        "schedule:",
        "startingDeadlineSeconds: 50000\n  schedule:",
        "InvalidSpec",
        "half the",
    ),
    (
        "claimName: data",
        "claimName: nowhere",
        "ClaimNotFound",
        "create it, or name another",
    ),
    (
        "persistentVolumeClaim: {claimName: data}",
        "path: {directory: /srv}",
        "PathSourceInCluster",
        "in a cluster give",
    ),
    (
        "persistentVolumeClaim: {claimName: data}",
        "persistentVolumeClaim: {claimName: a/b}",
        "InvalidSpec",
        "claimName",
    ),
    (
        "{region:",
        "{keyPrefix: '../x', region:",
        "InvalidSpec",
        "between slashes",
    ),
    (
        "{region:",
        "{keyPrefix: '{host}', region:",
        "InvalidSpec",
        "known are {namespace}",
    ),
    (
        "{region:",
        "{endpoint: 'http://169.254.169.254', region:",
        "InvalidSpec",
        "link-local",
    ),
    (
        ", credentials: {secret: {name: s3-keys}}",
        "",
        "InvalidSpec",
        "credentials is needed",
    ),
    (
        "claimName: data}",
        "claimName: data}, include: ['a[']",
        "InvalidSpec",
        "is not a pattern",
    ),
    (
        "  storage",
        "  worker: {resources: {requests: {cpu: '2'}, limits: {cpu: '1'}}}\n  storage",
        "InvalidSpec",
        "must not be more than the limit",
    ),
];

#[test]
fn what_schema_and_rules_can_say_is_refused_at_apply() {
    let site = Site::new("refused");
    for (line, instead, expected) in REFUSED {
        assert!(POLICY.contains(line), "{line}");
        let refusal = site
            .try_apply(&POLICY.replace(line, instead))
            .expect_err(instead);
        assert!(refusal.contains(expected), "{instead}: {refusal}");
    }
}

#[test]
fn what_they_cannot_say_is_told_in_one_condition_with_the_remedy() {
    let site = Site::new("told");
    site.volume("data", "RWO");
    for (line, instead, reason, expected) in TOLD {
        assert!(POLICY.contains(line), "{line}");
        site.apply(&POLICY.replace(line, instead));
        let condition = site.condition("Ready", reason);
        assert_eq!(condition["status"], "False", "{instead}: {condition}");
        let message = condition["message"].as_str().expect("a message");
        assert!(message.contains(expected), "{instead}: {message}");
    }
    // Nothing was made of any of them, and the cure is enough.
    assert_eq!(site.list("cronjobs", "backstay.dev/policy").len(), 0);
    site.apply(POLICY);
    assert_eq!(site.condition("Ready", "Valid")["status"], "True");
    site.call(&[
        "wait",
        "--for=condition=Ready",
        "backuppolicy/office",
        "--timeout=30s",
    ]);
}

#[test]
fn a_second_look_writes_nothing() {
    let mut site = Site::new("quiet");
    site.volume("data", "RWO");
    site.apply(POLICY);
    site.condition("Ready", "Valid");
    let cron_job = name_of(&site.list("cronjobs", "backstay.dev/policy=office")[0]);
    let versions = || {
        let version = |object: &str| site.get(object)["metadata"]["resourceVersion"].clone();
        [
            version("backuppolicy/office"),
            version(&format!("cronjob/{cron_job}")),
        ]
    };
    let before = versions();
    // Looked at again because its claim changes, then by a controller that remembers nothing.
    // That each look is over shows in what follows it: the other policy is looked at after it.
    site.call(&["annotate", "pvc/data", "looked=at"]);
    let another = |name: &str| {
        site.apply(&POLICY.replace("name: office", &format!("name: {name}")));
        site.eventually(name, || {
            let policy = site.get(&format!("backuppolicy/{name}"));
            policy["status"]["nextRunTime"].as_str().map(drop)
        });
    };
    another("second");
    assert_eq!(versions(), before);
    site.stop();
    site.start();
    let another = |name: &str| {
        site.apply(&POLICY.replace("name: office", &format!("name: {name}")));
        site.eventually(name, || {
            let policy = site.get(&format!("backuppolicy/{name}"));
            policy["status"]["nextRunTime"].as_str().map(drop)
        });
    };
    another("third");
    let version = |object: &str| site.get(object)["metadata"]["resourceVersion"].clone();
    let after = [
        version("backuppolicy/office"),
        version(&format!("cronjob/{cron_job}")),
    ];
    assert_eq!(after, before);
}

#[test]
fn t03_what_others_change_in_a_cron_job_is_put_back() {
    let site = Site::new("foreign");
    site.volume("data", "RWO");
    site.apply(POLICY);
    site.condition("Ready", "Valid");
    let cron_job = format!(
        "cronjob/{}",
        name_of(&site.list("cronjobs", "backstay.dev/policy")[0])
    );
    let spec = site.get(&cron_job)["spec"].clone();
    let pod = "/spec/jobTemplate/spec/template/spec";
    for patch in [
        format!(
            r#"[{{"op":"add","path":"{pod}/containers/-","value":{{"name":"side","image":"x"}}}}]"#
        ),
        format!(r#"[{{"op":"add","path":"{pod}/hostNetwork","value":true}}]"#),
        format!(
            r#"[{{"op":"add","path":"{pod}/priorityClassName","value":"system-node-critical"}}]"#
        ),
        r#"[{"op":"replace","path":"/spec/suspend","value":true}]"#.to_owned(),
        r#"[{"op":"remove","path":"/metadata/labels/backstay.dev~1source"}]"#.to_owned(),
    ] {
        site.call(&["patch", &cron_job, "--type=json", "-p", &patch]);
        site.eventually(&format!("{patch} undone"), || {
            let live = site.get(&cron_job);
            let label = &live["metadata"]["labels"]["backstay.dev/source"];
            (live["spec"] == spec && *label == "files").then_some(())
        });
    }
    site.call(&["delete", &cron_job]);
    site.eventually("the CronJob again", || {
        (!site.get(&cron_job).is_null()).then_some(())
    });
}

#[test]
fn a_cron_job_of_someone_else_is_left_alone() {
    let site = Site::new("taken");
    site.volume("data", "RWO");
    site.apply(POLICY);
    site.condition("Ready", "Valid");
    let name = name_of(&site.list("cronjobs", "backstay.dev/policy")[0]);
    site.call(&["delete", "backuppolicy/office"]);
    let cron_job = format!("cronjob/{name}");
    site.eventually("the CronJob gone", || {
        site.get(&cron_job).is_null().then_some(())
    });
    site.call(&[
        "create",
        "cronjob",
        &name,
        "--image=x",
        "--schedule=0 0 1 1 *",
    ]);
    site.apply(POLICY);
    let condition = site.condition("Ready", "NameTaken");
    assert!(
        condition["message"]
            .as_str()
            .is_some_and(|message| message.contains(&name))
    );
    assert_eq!(site.get(&cron_job)["spec"]["schedule"], "0 0 1 1 *");
}

#[test]
fn a_source_that_is_gone_has_no_cron_job() {
    let site = Site::new("orphan");
    site.volume("data", "RWO");
    let two = POLICY.replace(
        "sources: [",
        "sources: [{name: scans, persistentVolumeClaim: {claimName: data}}, ",
    );
    site.apply(&two);
    site.condition("Ready", "Valid");
    assert_eq!(site.list("cronjobs", "backstay.dev/policy=office").len(), 2);
    site.apply(POLICY);
    site.eventually("one CronJob", || {
        let cron_jobs = site.list("cronjobs", "backstay.dev/policy=office");
        (cron_jobs.len() == 1
            && cron_jobs[0]["metadata"]["labels"]["backstay.dev/source"] == "files")
            .then_some(())
    });
}

#[test]
fn an_approval_reaches_the_order_of_its_source() {
    let site = Site::new("approve");
    site.volume("data", "RWO");
    site.apply(POLICY);
    site.condition("Ready", "Valid");
    site.call(&[
        "annotate",
        "backuppolicy/office",
        "backstay.dev/approve-deletions=files=run-7",
    ]);
    site.eventually("the approval", || {
        let cron_job = site
            .list("cronjobs", "backstay.dev/policy")
            .first()?
            .clone();
        let order = cron_job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["annotations"]
            ["backstay.dev/run-spec"]
            .as_str()?
            .to_owned();
        order.contains(r#""approvedRun":"run-7""#).then_some(())
    });
}

#[test]
fn k12_a_claim_that_is_made_again_is_another_source() {
    let site = Site::new("again");
    site.volume("data", "RWO");
    site.apply(POLICY);
    let order_names = |uid: &str| {
        site.eventually(&format!("an order for claim {uid}"), || {
            let cron_job = site
                .list("cronjobs", "backstay.dev/policy")
                .first()?
                .clone();
            let annotations =
                cron_job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["annotations"]
                    .clone();
            let order = annotations["backstay.dev/run-spec"].as_str()?.to_owned();
            order.contains(uid).then_some(())
        });
    };
    let uid_of_claim = || {
        site.get("pvc/data")["metadata"]["uid"]
            .as_str()
            .map(ToOwned::to_owned)
    };
    let first = uid_of_claim().expect("a claim");
    order_names(&first);
    site.call(&["delete", "pvc/data"]);
    site.condition("Ready", "ClaimNotFound");
    site.call(&["delete", "pv", &format!("{}-data", site.namespace)]);
    site.volume("data", "RWO");
    let second = uid_of_claim().expect("a claim");
    assert_ne!(first, second);
    order_names(&second);
    site.condition("Ready", "Valid");
}

#[test]
fn k08_a_policy_that_is_deleted_in_mid_run_takes_its_runs_with_it() {
    let site = Site::new("deleted");
    let directory = site.volume("data", "RWO");
    std::fs::write(directory.join("script"), "await never\n").expect("write the script");
    site.apply(POLICY);
    site.run("first");
    site.eventually("a running worker", || {
        (site.pods("first").first()?["status"]["phase"] == "Running").then_some(())
    });
    site.call(&["delete", "backuppolicy/office", "--timeout=30s"]);
    site.eventually("nothing left", || {
        let left = ["cronjobs", "jobs", "pods"].map(|kind| site.list(kind, "backstay.dev/policy"));
        left.iter().all(Vec::is_empty).then_some(())
    });
    assert!(
        directory.join("script").exists(),
        "the source is not touched"
    );
}

#[test]
fn suspend_is_carried_out_while_the_rest_of_a_policy_cannot_be() {
    let site = Site::new("suspend");
    site.volume("data", "RWO");
    site.apply(POLICY);
    site.condition("Ready", "Valid");
    let name = name_of(&site.list("cronjobs", "backstay.dev/policy=office")[0]);
    let cron_job = format!("cronjob/{name}");
    let spec = site.get(&cron_job)["spec"].clone();
    let moved = POLICY.replace("claimName: data", "claimName: nowhere");
    site.apply(&moved);
    let told = site.condition("Ready", "ClaimNotFound");
    let message = told["message"].as_str().expect("a message");
    assert!(
        message.contains("source files runs as it was ordered before"),
        "{message}"
    );
    let next = || site.get("backuppolicy/office")["status"]["nextRunTime"].clone();
    assert!(next().is_string());
    let suspended = moved.replace("schedule:", "suspend: true\n  schedule:");
    site.apply(&suspended);
    site.eventually("the CronJob suspended", || {
        let live = site.get(&cron_job)["spec"].clone();
        let mut expected = spec.clone();
        expected["suspend"] = true.into();
        (live == expected && next().is_null()).then_some(())
    });
    // With the rest in order, all of it is carried out again.
    site.apply(POLICY);
    site.call(&[
        "patch",
        "backuppolicy/office",
        "--type=merge",
        "-p",
        r#"{"spec":{"suspend":false}}"#,
    ]);
    site.eventually("the CronJob as it was", || {
        (site.get(&cron_job)["spec"] == spec).then_some(())
    });
}

#[test]
fn each_problem_has_an_event_with_its_own_words() {
    let site = Site::new("events");
    site.volume("data", "RWO");
    for (schedule, words) in [("0 25 * * *", "25"), ("99 2 * * *", "99")] {
        site.apply(&POLICY.replace("H 2 * * *", schedule));
        site.eventually(words, || {
            let events = site.call(&[
                "get",
                "events.events.k8s.io",
                "-o",
                "jsonpath={range .items[*]}{.reason} {.note}{\"\\n\"}{end}",
            ]);
            let is_told = |line: &str| line.starts_with("InvalidSpec") && line.contains(words);
            events.lines().any(is_told).then_some(())
        });
    }
}
