//! The least rights that each identity needs, as IAM writes them.
//!
//! Nobody's policy here can delete a version, bypass a lock, or, but for a setup, change a bucket's
//! settings. Objects are named down to the prefix of the policy's own files and catalog.

mod actions;
mod setup;
mod trust;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::location::{self, Location};
use super::names::partition;
use super::{place, queue};
use crate::api::policy::{Encryption, Kms};
use crate::api::run::RunSpec;

pub use self::actions::actions_of;
pub use self::setup::setup;
pub use self::trust::{irsa, pod_identity};

/// The placeholder for the day of a run, which a policy must allow every day for.
const DATE: &str = "{date}";

/// What a worker needs: it writes files and catalog, hides what is gone, and tells.
#[must_use]
pub fn worker(orders: &[RunSpec]) -> Value {
    let mut statements = vec![statement(
        "BackstayFiles",
        &[
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:PutObject",
        ],
        &files(orders),
    )];
    statements.push(statement(
        "BackstayCatalog",
        &["s3:GetObject", "s3:PutObject"],
        &catalogs(orders),
    ));
    statements.push(statement(
        "BackstayClaims",
        &["s3:GetObject", "s3:PutObject"],
        &claims(orders),
    ));
    statements.push(statement(
        "BackstayBuckets",
        &[
            "s3:GetBucketVersioning",
            "s3:GetLifecycleConfiguration",
            "s3:ListBucket",
        ],
        &buckets(orders),
    ));
    statements.extend(sources(orders));
    statements.extend(key(orders, &["kms:Decrypt", "kms:GenerateDataKey"]));
    statements.extend(topic(orders));
    document(&statements)
}

/// What a worker needs that also follows the queues of its sources; `None` where there are none.
#[must_use]
pub fn events(orders: &[RunSpec]) -> Option<Value> {
    let shared = orders.iter().filter_map(|order| order.bucket.as_ref());
    let shared = shared.filter(|bucket| bucket.credentials.is_none());
    let queues: BTreeSet<String> = shared
        .filter_map(|bucket| queue::arn(bucket.queue.as_ref()?))
        .collect();
    if queues.is_empty() {
        return None;
    }
    let mut document = worker(orders);
    let actions = [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:ReceiveMessage",
    ];
    let statements = document["Statement"].as_array_mut()?;
    statements.push(statement("BackstayQueue", &actions, &queues));
    Some(document)
}

/// What whoever restores and lists needs: it reads, files by version. Without the right to list
/// buckets, a repository that does not exist looks like one that is forbidden.
#[must_use]
pub fn restore(orders: &[RunSpec]) -> Value {
    let mut statements = vec![
        statement("BackstayFiles", &["s3:GetObjectVersion"], &files(orders)),
        statement("BackstayCatalog", &["s3:GetObject"], &catalogs(orders)),
    ];
    statements.extend(key(orders, &["kms:Decrypt"]));
    document(&statements)
}

/// What whoever only tells needs; `None` where the policy has no topic.
#[must_use]
pub fn notify(orders: &[RunSpec]) -> Option<Value> {
    topic(orders).map(|statement| document(&[statement]))
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn statement(sid: &str, actions: &[&str], resources: &BTreeSet<String>) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
}

/// The ARN of a bucket, or of what is in it.
fn arn(region: &str, resource: &str) -> String {
    format!("arn:{}:s3:::{resource}", partition(region))
}

fn each<'a>(
    orders: &'a [RunSpec],
    resources: impl Fn(&'a RunSpec) -> Vec<String>,
) -> BTreeSet<String> {
    let arns = |order: &'a RunSpec| {
        let region = &order.storage.region;
        let resources = resources(order).into_iter();
        resources.map(move |resource| arn(region, &resource))
    };
    orders.iter().flat_map(arns).collect()
}

fn prefix(order: &RunSpec) -> &str {
    order.storage.key_prefix.as_deref().unwrap_or_default()
}

fn catalog_bucket(order: &RunSpec) -> &str {
    order.storage.catalog_bucket.as_deref().unwrap_or_default()
}

fn files(orders: &[RunSpec]) -> BTreeSet<String> {
    each(orders, |order| {
        let prefix = prefix(order).replace(DATE, "*");
        let buckets = order.categories.iter();
        buckets
            .map(|category| format!("{}/data/{prefix}/*", category.bucket))
            .collect()
    })
}

fn catalogs(orders: &[RunSpec]) -> BTreeSet<String> {
    each(orders, |order| {
        let bucket = catalog_bucket(order);
        let names = (&order.cluster, &order.namespace, &order.policy);
        let place = Location::new(bucket, names.0, names.1, names.2, &order.source);
        vec![format!("{bucket}/{}*", place.prefix())]
    })
}

/// A run reads whose the prefixes above and below its own are.
fn claims(orders: &[RunSpec]) -> BTreeSet<String> {
    each(orders, |order| {
        let claimed = place::claimed(prefix(order));
        let ancestors: Vec<&str> = location::ancestors(&claimed).collect();
        let mut keys: Vec<String> = ancestors.into_iter().map(location::claim).collect();
        keys.push(location::claim(&claimed));
        keys.push(format!("claims/{claimed}/*"));
        let buckets = order.categories.iter();
        buckets
            .flat_map(|category| keys.iter().map(|key| format!("{}/{key}", category.bucket)))
            .collect()
    })
}

fn buckets(orders: &[RunSpec]) -> BTreeSet<String> {
    each(orders, |order| {
        let data = order.categories.iter().map(|category| &category.bucket);
        data.chain(&order.storage.catalog_bucket).cloned().collect()
    })
}

/// Buckets that are read as sources by the same identity.
fn sources(orders: &[RunSpec]) -> Vec<Value> {
    let shared: Vec<(&str, String, String)> = orders
        .iter()
        .filter_map(|order| Some((order.bucket.as_ref()?, &order.storage)))
        .filter(|(bucket, storage)| bucket.is_within_reach_of(storage))
        .map(|(bucket, _)| {
            let objects = format!("{}/{}*", bucket.name, bucket.prefix);
            (
                bucket.region.as_str(),
                bucket.name.clone(),
                arn(&bucket.region, &objects),
            )
        })
        .collect();
    if shared.is_empty() {
        return Vec::new();
    }
    let objects = shared.iter().map(|(_, _, objects)| objects.clone());
    let buckets = shared.iter().map(|(region, name, _)| arn(region, name));
    vec![
        statement(
            "BackstaySourceObjects",
            &["s3:GetObject", "s3:GetObjectVersion"],
            &objects.collect(),
        ),
        statement("BackstaySources", &["s3:ListBucket"], &buckets.collect()),
    ]
}

fn key(orders: &[RunSpec], actions: &[&str]) -> Option<Value> {
    let order = orders.first()?;
    let Some(Encryption {
        kms: Some(Kms { key_id }),
        ..
    }) = &order.storage.encryption
    else {
        return None;
    };
    let region = &order.storage.region;
    let keys = format!("arn:{}:kms:{region}:*", partition(region));
    let (resource, condition) = match key_id.as_str() {
        arn if arn.starts_with("arn:") && !arn.contains(":alias/") => (arn.to_owned(), None),
        alias if alias.contains("alias/") => {
            let name = alias.rsplit_once(':').map_or(alias, |(_, name)| name);
            // An alias is no resource: what bears it is.
            let condition = json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}});
            (format!("{keys}:key/*"), Some(condition))
        }
        id => (format!("{keys}:key/{id}"), None),
    };
    let mut statement = statement("BackstayKey", actions, &BTreeSet::from([resource]));
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    Some(statement)
}

fn topic(orders: &[RunSpec]) -> Option<Value> {
    let topics: BTreeSet<String> = orders
        .iter()
        .filter_map(|order| order.sns.as_ref())
        .map(|topic| topic.topic_arn.clone())
        .collect();
    (!topics.is_empty()).then(|| statement("BackstayTopic", &["sns:Publish"], &topics))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::policy::BackupPolicySpec;
    use crate::api::run::SourceIdentity;
    use crate::plan::policy::{Context, Place, ValidPolicy, validate};

    const POLICY: &str = "
schedule: '@daily'
sources: [{name: files, path: {directory: /srv}}]
categories:
  - {name: photos, match: {extensions: [jpg]}, bucket: acme-photos}
  - {name: documents, bucket: acme-documents}
storage:
  region: eu-south-1
  keyPrefix: '{namespace}/{date}'
  encryption: {kms: {keyId: alias/backup}}
notifications: {sns: {topicArn: 'arn:aws:sns:eu-south-1:123456789012:backups'}}
bucketSettings:
  create: true
  lifecycle: {preset: LongTerm}
  objectLock: {mode: Governance, days: 30}
  transferAcceleration: true
  replication:
    bucketArn: 'arn:aws:s3:::{bucket}-copy'
    roleArn: 'arn:aws:iam::123456789012:role/copy'
    kmsKeyArn: 'arn:aws:kms:eu-west-1:123456789012:key/1'
  events: {queueArn: 'arn:aws:sqs:eu-south-1:123456789012:files'}
";

    fn valid(yaml: &str) -> ValidPolicy {
        let spec: BackupPolicySpec = serde_saphyr::from_str(yaml).expect("a spec");
        let context = Context {
            cluster: "host",
            namespace: "acme",
            policy: "office",
            place: Place::Host,
        };
        validate(&spec, context).expect("valid")
    }

    fn orders(policy: &ValidPolicy) -> Vec<RunSpec> {
        let identity = SourceIdentity::Claim { uid: String::new() };
        let sources = policy.sources.iter();
        sources
            .map(|source| source.run_spec(identity.clone(), None))
            .collect()
    }

    fn check_golden(name: &str, document: &Value) {
        let path = format!(
            "{}/tests/golden/iam-{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = format!("{document:#}\n");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).expect("write the golden file");
        }
        let golden = std::fs::read_to_string(&path).expect("read the golden file");
        assert_eq!(
            golden, text,
            "run the tests with UPDATE=1 and look at the diff"
        );
    }

    #[test]
    fn each_identity_has_the_golden_rights() {
        let policy = valid(POLICY);
        let orders = orders(&policy);
        check_golden("worker", &worker(&orders));
        check_golden("restore", &restore(&orders));
        check_golden("notify", &notify(&orders).expect("a topic"));
        check_golden("setup", &setup(policy.setup.as_ref().expect("settings")));
    }

    #[test]
    fn a_queue_is_followed_and_nobody_else_reads_it() {
        let url = "https://sqs.eu-south-1.amazonaws.com/123456789012/up";
        let place = "path: {directory: /srv}";
        let bucket = format!("bucket: {{name: acme-in, events: {{queueUrl: '{url}'}}}}");
        let orders = orders(&valid(&POLICY.replace(place, &bucket)));
        let text = events(&orders).expect("a queue").to_string();
        assert!(
            text.contains("arn:aws:sqs:eu-south-1:123456789012:up"),
            "{text}"
        );
        assert!(text.contains("arn:aws:s3:::acme-in/*"), "{text}");
        assert!(!worker(&orders).to_string().contains("sqs:"));
        assert_eq!(events(&self::orders(&valid(POLICY))), None);
    }

    #[test]
    fn a_sources_bucket_is_told_whom_to_tell_and_only_where_that_is_asked_for() {
        let bucket = "bucket: {name: acme-in, events: {queueUrl: \
                      'https://sqs.eu-south-1.amazonaws.com/123456789012/up'}}";
        let policy = POLICY.replace("path: {directory: /srv}", bucket);
        let rights = |policy: &str| setup(valid(policy).setup.as_ref().expect("settings"));
        let unasked = rights(&policy);
        assert!(!unasked.to_string().contains("acme-in"), "{unasked}");
        let asked =
            rights(&policy.replace("  create: true", "  create: true\n  sourceEvents: true"));
        let statements = asked["Statement"].as_array().expect("statements");
        let of_source: Vec<&Value> = statements
            .iter()
            .filter(|one| one.to_string().contains("acme-in"))
            .collect();
        let expected = json!({
            "Sid": "BackstaySourceEvents",
            "Effect": "Allow",
            "Action": ["s3:GetBucketNotification", "s3:PutBucketNotification"],
            "Resource": ["arn:aws:s3:::acme-in"],
        });
        assert_eq!(of_source, [&expected]);
    }

    fn actions(document: &Value) -> Vec<String> {
        let statements = document["Statement"].as_array().expect("statements");
        let actions = statements.iter().filter_map(|one| one["Action"].as_array());
        actions
            .flatten()
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect()
    }

    /// The list is frozen: what is not on it, a stolen worker cannot do.
    #[test]
    fn b04_a_worker_can_delete_no_version_change_no_setting_and_bypass_no_lock() {
        const ALLOWED: [&str; 10] = [
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetBucketVersioning",
            "s3:GetLifecycleConfiguration",
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutObject",
            "kms:Decrypt",
            "kms:GenerateDataKey",
            "sns:Publish",
        ];
        let orders = orders(&valid(POLICY));
        for action in actions(&worker(&orders)) {
            assert!(ALLOWED.contains(&action.as_str()), "{action}");
        }
        for action in actions(&restore(&orders)) {
            assert!(
                action.starts_with("s3:Get")
                    || ["s3:ListBucket", "kms:Decrypt"].contains(&action.as_str())
            );
        }
    }

    #[test]
    fn no_statement_is_for_everything() {
        let orders = orders(&valid(POLICY));
        for document in [worker(&orders), restore(&orders)] {
            assert!(!document.to_string().contains(":::*"), "{document}");
        }
    }

    #[test]
    fn a_bucket_that_is_a_source_is_read() {
        let policy = POLICY.replace(
            "path: {directory: /srv}",
            "bucket: {name: acme-in, prefix: new/}",
        );
        let text = worker(&orders(&valid(&policy))).to_string();
        assert!(text.contains("arn:aws:s3:::acme-in/new/*"), "{text}");
        assert!(text.contains("arn:aws:s3:::acme-in\""), "{text}");
        // What is copied, and what is read on after it broke off, is one version.
        assert!(text.contains("s3:GetObjectVersion"), "{text}");
        let elsewhere = policy.replace("acme-in,", "acme-in, endpoint: 'https://minio:9000',");
        let text = worker(&orders(&valid(&elsewhere))).to_string();
        assert!(!text.contains("acme-in"), "{text}");
    }

    #[test]
    fn a_key_is_named_however_the_policy_names_it() {
        let resource = |key: &str| {
            let policy = POLICY.replace("alias/backup", key);
            let document = worker(&orders(&valid(&policy)));
            let statements = document["Statement"]
                .as_array()
                .expect("statements")
                .clone();
            let key = statements
                .into_iter()
                .find(|one| one["Sid"] == "BackstayKey");
            key.expect("a key")["Resource"][0].clone()
        };
        let arn = "arn:aws:kms:eu-south-1:123456789012:key/1b4e";
        assert_eq!(resource(arn), arn);
        assert_eq!(resource("1b4e"), "arn:aws:kms:eu-south-1:*:key/1b4e");
        assert_eq!(resource("alias/b"), "arn:aws:kms:eu-south-1:*:key/*");
    }
}
