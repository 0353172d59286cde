//! The buckets of sources, which tell a queue of what is stored in them.

use sha2::{Digest, Sha256};

use super::events::{EventRule, is_overlap};
use super::{Role, Wanted};
use crate::api::policy::BackupPolicySpec;
use crate::api::run::BucketOrder;
use crate::api::setup::{SetupSpec, SourceEvents};
use crate::plan::problem::Problems;
use crate::plan::queue;
use crate::plan::source::{Location, is_same_store, resolve};

const FIELD: &str = "spec.bucketSettings.sourceEvents";

/// What the names of our rules for sources begin with.
const RULE_PREFIX: &str = "backstay-source";

/// The longest name of a rule.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-event-notifications.html>
const RULE_ID_MAX_BYTES: usize = 255;

/// Checks that every source that is followed can have a rule of its own.
pub(super) fn check(spec: &BackupPolicySpec, problems: &mut Problems) {
    let sources = spec.sources.iter().enumerate();
    let followed: Vec<(usize, &str, BucketOrder)> = sources
        .filter_map(|(index, source)| {
            let bucket = source.bucket.as_ref()?;
            bucket.events.as_ref()?;
            Some((index, source.name.as_str(), resolve(spec, bucket)))
        })
        .collect();
    if followed.is_empty() {
        let message = "needs a source with bucket.events, whose bucket is to tell its queue: give \
                       one its queueUrl, or leave this out";
        problems.add(FIELD, "true", message);
    }
    for (position, (index, _, bucket)) in followed.iter().enumerate() {
        let field = format!("spec.sources[{index}].bucket");
        check_region(&field, bucket, problems);
        let mut before = followed.iter().take(position);
        if let Some((_, name, _)) = before.find(|(_, _, other)| shares_objects(bucket, other)) {
            let message = format!(
                "overlaps source {name} of the same bucket, and S3 tells one queue of an object: \
                 give the two prefixes apart, or leave bucketSettings.sourceEvents out"
            );
            problems.add(format!("{field}.prefix"), &bucket.prefix, message);
        }
    }
}

fn check_region(field: &str, bucket: &BucketOrder, problems: &mut Problems) {
    let Some(queue) = &bucket.queue else {
        return;
    };
    if queue.region != bucket.region {
        let message = format!(
            "is in {}, and its bucket in {}: S3 tells queues of the bucket's region alone",
            queue.region, bucket.region
        );
        problems.add(format!("{field}.events.queueUrl"), &queue.url, message);
    }
}

fn shares_objects(one: &BucketOrder, other: &BucketOrder) -> bool {
    one.name == other.name
        && is_same_store(one.endpoint.as_deref(), other.endpoint.as_deref())
        && is_overlap(&one.prefix, &other.prefix)
}

/// What the bucket of a source is to tell, where a queue tells of it.
#[must_use]
pub(in crate::plan) fn told(source: &str, location: &Location) -> Option<SourceEvents> {
    let bucket = match location {
        Location::Bucket(bucket) => bucket,
        Location::Claim { .. } | Location::Directory { .. } => return None,
    };
    Some(SourceEvents {
        source: source.to_owned(),
        bucket: bucket.name.clone(),
        prefix: bucket.prefix.clone(),
        region: bucket.region.clone(),
        endpoint: bucket.endpoint.clone(),
        queue_arn: queue::arn(bucket.queue.as_ref()?)?,
    })
}

/// Adds the sources' buckets to those of the policy. One that is both has the settings of both.
pub(super) fn add(spec: &SetupSpec, all: &mut Vec<Wanted>) {
    for source in &spec.source_events {
        let rule = EventRule {
            id: rule_id(&spec.namespace, &spec.policy, &source.source),
            prefix: source.prefix.clone(),
            queue_arn: source.queue_arn.clone(),
        };
        let is_it = |one: &&mut Wanted| {
            one.bucket == source.bucket
                && is_same_store(one.endpoint.as_deref(), source.endpoint.as_deref())
        };
        match all.iter_mut().find(is_it) {
            Some(one) => one.events.push(rule),
            None => all.push(of_source(source, rule)),
        }
    }
}

/// Nothing but its rule is wanted of somebody else's bucket.
fn of_source(source: &SourceEvents, rule: EventRule) -> Wanted {
    let endpoint = source.endpoint.clone();
    Wanted {
        events: vec![rule],
        ..Wanted::nothing(&source.bucket, &source.region, endpoint, Role::Source)
    }
}

/// The name of a source's rule. Neither a namespace nor a source's name has a dot, so no two sources
/// have one name. The cluster is not in it: whoever sets the bucket up, from wherever, finds it.
fn rule_id(namespace: &str, policy: &str, source: &str) -> String {
    let id = format!("{RULE_PREFIX}.{namespace}.{policy}.{source}");
    if id.len() <= RULE_ID_MAX_BYTES {
        return id;
    }
    format!("{RULE_PREFIX}.{}", hex::encode(Sha256::digest(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::bucket::wanted;
    use crate::plan::policy::{Context, Place, validate};

    const A: &str = "{name: a, bucket: {name: in, prefix: a/, events: {queueUrl: 'URL/a'}}}";
    const URL: &str = "https://sqs.eu-south-1.amazonaws.com/123456789012";

    fn validated(sources: &str, storage: &str) -> Result<SetupSpec, Vec<String>> {
        let spec: BackupPolicySpec = serde_saphyr::from_str(&format!(
            "{{schedule: '@daily', sources: [{sources}], categories: [{{name: all, bucket: own}}], \
             storage: {{region: eu-south-1, keyPrefix: '{{source}}'{storage}}}, \
             bucketSettings: {{sourceEvents: true}}}}"
        ))
        .expect("a policy's spec");
        let context = Context {
            cluster: "host",
            namespace: "acme",
            policy: "office",
            place: Place::Host,
        };
        match validate(&spec, context) {
            Ok(valid) => Ok(valid.setup.expect("settings")),
            Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    fn setup(sources: &str) -> Result<SetupSpec, Vec<String>> {
        let sources = sources.replace("name: in", "name: acme-in");
        validated(&sources.replace("URL", URL), "")
    }

    #[track_caller]
    fn check_refused(sources: &str, expected: &str) {
        let problems = setup(sources).expect_err(expected);
        assert!(
            problems.len() == 1 && problems[0].contains(expected),
            "{problems:#?}"
        );
    }

    #[test]
    fn of_a_sources_bucket_nothing_but_the_events_is_wanted() {
        let spec = setup(A).expect("valid");
        let all = wanted(&spec);
        let [own, source] = &all[..] else {
            panic!("{all:?}");
        };
        assert!(own.role == Role::Own && own.versioning && own.events.is_empty());
        let rule = EventRule {
            id: "backstay-source.acme.office.a".to_owned(),
            prefix: "a/".to_owned(),
            queue_arn: "arn:aws:sqs:eu-south-1:123456789012:a".to_owned(),
        };
        assert_eq!(source, &of_source(&spec.source_events[0], rule));
    }

    #[test]
    fn sources_of_one_bucket_have_a_rule_each() {
        let b = A.replace("name: a", "name: b").replace("a/", "b/");
        let both = format!("{A}, {}", b.replace("/a", "/b"));
        let all = wanted(&setup(&both).expect("valid"));
        let rules: Vec<&str> = all[1].events.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!((all.len(), rules.len()), (2, 2), "{all:#?}");
        assert!(rules[1].ends_with(".office.b"), "{rules:?}");
    }

    #[test]
    fn a_bucket_that_is_the_policys_own_too_has_the_settings_of_both() {
        let all = wanted(&setup(&A.replace("name: in", "name: own")).expect("valid"));
        assert_eq!(all.len(), 1, "{all:#?}");
        assert!(all[0].versioning && all[0].role == Role::Own && all[0].events.len() == 1);
    }

    #[test]
    fn a_queue_elsewhere_is_in_the_region_of_its_bucket() {
        let arn = |bucket: &str| {
            let sources = format!(
                "{{name: a, bucket: {{name: acme-in, {bucket}events: {{queueUrl: \
                 'http://queues:5000/123456789012/up'}}}}}}"
            );
            let spec = validated(&sources, ", endpoint: 'http://minio:9000'").expect("valid");
            spec.source_events[0].queue_arn.clone()
        };
        assert_eq!(arn(""), "arn:aws:sqs:eu-south-1:123456789012:up");
        let china = arn("region: cn-north-1, ");
        assert_eq!(china, "arn:aws-cn:sqs:cn-north-1:123456789012:up");
        let gov = arn("region: us-gov-west-1, ");
        assert_eq!(gov, "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:up");
    }

    #[test]
    fn what_cannot_be_set_up_is_told_with_its_remedy() {
        check_refused(
            "{name: a, bucket: {name: in}}",
            "spec.bucketSettings.sourceEvents \"true\" needs a source with bucket.events",
        );
        check_refused(
            &A.replace("prefix", "region: eu-west-1, prefix"),
            "is in eu-south-1, and its bucket in eu-west-1",
        );
        let b = A.replace("name: a", "name: b").replace("/a", "/b");
        check_refused(
            &format!("{A}, {}", b.replace("a/", "a/b/")),
            "spec.sources[1].bucket.prefix \"a/b/\" overlaps source a of the same bucket",
        );
    }

    #[test]
    fn the_name_of_a_rule_fits() {
        let long = rule_id("acme", &"p".repeat(253), "files");
        assert!(long.len() <= RULE_ID_MAX_BYTES, "{long}");
        assert_ne!(long, rule_id("acme", &"p".repeat(253), "scans"));
    }
}
