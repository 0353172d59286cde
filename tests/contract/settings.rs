//! The settings of a bucket: written, read back, and nothing of others lost.

use aws_sdk_s3::types::{
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use backstay::adapters::credentials::Credentials;
use backstay::adapters::s3::Timeouts;
use backstay::adapters::s3::buckets::{Buckets, is_unsupported};
use backstay::adapters::store::StoreError;
use backstay::api::setup::{SETUP_SPEC_VERSION, SetupSpec, SourceEvents};
use backstay::plan::bucket::{Finding, Setting, Verdict, Wanted, compare, wanted};
use serde_json::json;

use super::parrot::{answer, parrot};
use super::server::Deviation::{
    CopiesNoMarkers, LacksAcceleration, LacksPublicAccessBlock, LacksQueues, LacksReplicas,
    LacksTiers, LacksUploadRules, LocksNewBucketsOnly,
};
use super::server::{KMS_KEY, REGION, Server, encryption, secret, storage};

/// What a policy with these settings wants of a bucket, and of nothing else of it.
fn wants(server: &Server, bucket: &str, settings: &str) -> Wanted {
    wants_encrypted(server, bucket, settings, "none")
}

fn wants_encrypted(server: &Server, bucket: &str, settings: &str, kind: &str) -> Wanted {
    let off = "versioning: false, blockPublicAccess: false, secureTransport: false";
    let settings: serde_json::Value = serde_saphyr::from_str(settings).unwrap();
    let mut all: serde_json::Value = serde_saphyr::from_str(&format!("{{{off}}}")).unwrap();
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    let spec = SetupSpec {
        version: SETUP_SPEC_VERSION,
        namespace: "acme".to_owned(),
        policy: "office".to_owned(),
        storage: storage(&server.endpoint, encryption(kind)),
        data_buckets: vec![bucket.to_owned()],
        source_events: Vec::new(),
        settings: serde_json::from_value(all).unwrap(),
    };
    wanted(&spec).remove(0)
}

fn buckets(server: &Server) -> Buckets {
    let storage = storage(&server.endpoint, encryption("none"));
    Buckets::new(&storage, &Credentials::Ambient, Timeouts::default()).unwrap()
}

async fn look(server: &Server, wanted: &Wanted) -> Vec<Finding> {
    let observed = buckets(server).observe(wanted).await.unwrap();
    compare(wanted, observed.as_ref())
}

/// That there is one thing to be done, that it is, and that it then is there.
async fn check_set(server: &Server, wanted: &Wanted, setting: Setting) {
    let before = look(server, wanted).await;
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(
        (before[0].setting, &before[0].verdict),
        (setting, &Verdict::Apply),
        "{before:?}"
    );
    buckets(server).write(wanted, setting).await.unwrap();
    let after = look(server, wanted).await;
    assert_eq!(after[0].verdict, Verdict::AlreadyThere, "{after:?}");
    // Once more makes no difference.
    buckets(server).write(wanted, setting).await.unwrap();
    assert_eq!(look(server, wanted).await, after);
}

/// That the store says of itself that it has no such thing, when it is asked or when it is told.
async fn check_unsupported(server: &Server, wanted: &Wanted, setting: Setting) {
    let before = look(server, wanted).await;
    if before[0].verdict == Verdict::Unsupported {
        return;
    }
    let error = buckets(server).write(wanted, setting).await.unwrap_err();
    assert!(is_unsupported(&error), "{error:?}");
}

async fn check_refused(server: &Server, wanted: &Wanted, setting: Setting) {
    let error = buckets(server).write(wanted, setting).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
}

pub(crate) async fn a_missing_bucket_is_made(server: &Server) {
    let bucket = format!("contract-{}", uuid::Uuid::new_v4().simple());
    let wanted = wants(server, &bucket, "{create: true, versioning: true}");
    let before = look(server, &wanted).await;
    assert_eq!(before[0].setting, Setting::Existence);
    for finding in &before {
        buckets(server)
            .write(&wanted, finding.setting)
            .await
            .unwrap();
    }
    let after = look(server, &wanted).await;
    assert!(after.iter().all(|finding| !finding.is_drift()), "{after:?}");
    // A bucket that is there already, of one's own, is made.
    let again = buckets(server).write(&wanted, Setting::Existence).await;
    again.unwrap();
}

pub(crate) async fn versions_are_enabled(server: &Server) {
    let bucket = server.bucket_without_versions().await;
    let wanted = wants(server, &bucket, "{versioning: true}");
    check_set(server, &wanted, Setting::Versioning).await;
}

pub(crate) async fn public_access_is_blocked(server: &Server) {
    let bucket = server.bucket().await;
    let wanted = wants(server, &bucket, "{blockPublicAccess: true}");
    if server.has(LacksPublicAccessBlock) {
        return check_unsupported(server, &wanted, Setting::PublicAccess).await;
    }
    check_set(server, &wanted, Setting::PublicAccess).await;
}

pub(crate) async fn a_default_encryption_is_set(server: &Server) {
    let bucket = server.bucket().await;
    let keys_of_s3 = wants_encrypted(server, &bucket, "{}", "s3");
    let key_of_kms = wants_encrypted(server, &bucket, "{}", "kms");
    for wanted in [&keys_of_s3, &key_of_kms] {
        buckets(server)
            .write(wanted, Setting::Encryption)
            .await
            .unwrap();
        let after = look(server, wanted).await;
        assert_eq!(after[0].verdict, Verdict::AlreadyThere, "{after:?}");
    }
    let weaker = look(server, &keys_of_s3).await;
    assert_eq!(weaker[0].verdict, Verdict::Stricter, "{weaker:?}");
    assert!(weaker[0].is.contains(KMS_KEY), "{weaker:?}");
}

pub(crate) async fn statements_of_others_stay(server: &Server) {
    let bucket = server.bucket().await;
    let theirs = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"], "Resource": [format!("arn:aws:s3:::{bucket}/public/*")],
    }]});
    let client = server.client();
    let put = client.put_bucket_policy().bucket(&bucket);
    put.policy(theirs.to_string()).send().await.unwrap();
    let wanted = wants(server, &bucket, "{secureTransport: true}");
    check_set(server, &wanted, Setting::Policy).await;
    let answer = client
        .get_bucket_policy()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    let policy: serde_json::Value = serde_json::from_str(answer.policy().unwrap()).unwrap();
    let sids: Vec<&str> = policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| statement["Sid"].as_str().unwrap())
        .collect();
    assert_eq!(sids.len(), 3, "{policy}");
    assert!(sids.contains(&"Theirs"), "{policy}");
}

pub(crate) async fn lifecycle_rules_of_others_stay(server: &Server) {
    let bucket = server.bucket().await;
    let theirs = LifecycleRule::builder()
        .id("theirs")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("logs/").build())
        .expiration(LifecycleExpiration::builder().days(9).build())
        .build()
        .unwrap();
    server.set_lifecycle(&bucket, vec![theirs]).await;
    let settings = "{lifecycle: {noncurrentExpirationDays: 365}}";
    let wanted = wants(server, &bucket, settings);
    check_set(server, &wanted, Setting::Lifecycle).await;
    let client = server.client();
    let get = client.get_bucket_lifecycle_configuration().bucket(&bucket);
    let rules = get.send().await.unwrap().rules.unwrap();
    let theirs = rules
        .iter()
        .find(|rule| rule.id() == Some("theirs"))
        .unwrap();
    assert_eq!(theirs.expiration().unwrap().days(), Some(9));
    assert_eq!(rules.len(), wanted.lifecycle.len() + 1);
    let fewer = wants(
        server,
        &bucket,
        "{lifecycle: {noncurrentExpirationDays: 30}}",
    );
    assert_eq!(look(server, &fewer).await[0].verdict, Verdict::Stricter);
}

pub(crate) async fn uploads_are_given_up(server: &Server) {
    let bucket = server.bucket().await;
    let settings = "{lifecycle: {abortIncompleteMultipartUploadDays: 7}}";
    let wanted = wants(server, &bucket, settings);
    if server.has(LacksUploadRules) {
        return check_refused(server, &wanted, Setting::Lifecycle).await;
    }
    check_set(server, &wanted, Setting::Lifecycle).await;
}

pub(crate) async fn files_move_to_other_classes(server: &Server) {
    let bucket = server.bucket().await;
    let settings = "{lifecycle: {preset: InfrequentThenGlacier, noncurrentExpirationDays: 365, \
                    noncurrentTransitions: [{days: 30, storageClass: GLACIER}]}}";
    let wanted = wants(server, &bucket, settings);
    if server.has(LacksTiers) {
        return check_refused(server, &wanted, Setting::Lifecycle).await;
    }
    check_set(server, &wanted, Setting::Lifecycle).await;
}

pub(crate) async fn a_default_lock_is_set(server: &Server) {
    let bucket = format!("contract-{}", uuid::Uuid::new_v4().simple());
    let lock = "{create: true, versioning: true, objectLock: {mode: Governance, days: 30}}";
    let wanted = wants(server, &bucket, lock);
    for finding in look(server, &wanted).await {
        buckets(server)
            .write(&wanted, finding.setting)
            .await
            .unwrap();
    }
    let after = look(server, &wanted).await;
    assert!(after.iter().all(|finding| !finding.is_drift()), "{after:?}");
    let shorter = "{objectLock: {mode: Governance, days: 7}}";
    let shorter = look(server, &wants(server, &bucket, shorter)).await;
    assert_eq!(shorter[0].verdict, Verdict::Stricter, "{shorter:?}");

    let old = server.bucket().await;
    let wanted = wants(server, &old, "{objectLock: {mode: Governance, days: 30}}");
    if server.has(LocksNewBucketsOnly) {
        return check_refused(server, &wanted, Setting::ObjectLock).await;
    }
    check_set(server, &wanted, Setting::ObjectLock).await;
}

pub(crate) async fn acceleration_is_enabled_and_suspended(server: &Server) {
    let bucket = server.bucket().await;
    let on = wants(server, &bucket, "{transferAcceleration: true}");
    if server.has(LacksAcceleration) {
        return check_refused(server, &on, Setting::Acceleration).await;
    }
    check_set(server, &on, Setting::Acceleration).await;
    let off = wants(server, &bucket, "{transferAcceleration: false}");
    check_set(server, &off, Setting::Acceleration).await;
}

pub(crate) async fn a_copy_is_kept(server: &Server) {
    let bucket = server.bucket().await;
    let copy = server.bucket().await;
    let settings = format!(
        "{{replication: {{bucketArn: 'arn:aws:s3:::{copy}', \
         roleArn: 'arn:aws:iam::123456789012:role/copy', storageClass: STANDARD_IA}}}}"
    );
    let wanted = wants(server, &bucket, &settings);
    if server.has(LacksReplicas) {
        return check_refused(server, &wanted, Setting::Replication).await;
    }
    if server.has(CopiesNoMarkers) {
        buckets(server)
            .write(&wanted, Setting::Replication)
            .await
            .unwrap();
        let after = look(server, &wanted).await;
        // A copy that lacks something is not taken for whole.
        return assert_eq!(after[0].verdict, Verdict::Apply, "{after:?}");
    }
    check_set(server, &wanted, Setting::Replication).await;
}

pub(crate) async fn a_queue_is_told(server: &Server) {
    let bucket = server.bucket().await;
    let queue = "arn:aws:sqs:us-east-1:123456789012:contract-settings";
    let wanted = wants(
        server,
        &bucket,
        &format!("{{events: {{queueArn: '{queue}'}}}}"),
    );
    if server.has(LacksQueues) {
        return check_refused(server, &wanted, Setting::Events).await;
    }
    check_set(server, &wanted, Setting::Events).await;
}

pub(crate) async fn a_source_tells_a_queue_beside_others(server: &Server) {
    let bucket = server.bucket_without_versions().await;
    let told = |source: &str, prefix: &str| SourceEvents {
        source: source.to_owned(),
        bucket: bucket.clone(),
        prefix: prefix.to_owned(),
        region: REGION.to_owned(),
        endpoint: Some(server.endpoint.clone()),
        queue_arn: format!("arn:aws:sqs:{REGION}:123456789012:{source}"),
    };
    let wants = |policy: &str, sources: Vec<SourceEvents>| {
        let spec = SetupSpec {
            version: SETUP_SPEC_VERSION,
            namespace: "acme".to_owned(),
            policy: policy.to_owned(),
            storage: storage(&server.endpoint, encryption("none")),
            data_buckets: Vec::new(),
            source_events: sources,
            settings: serde_saphyr::from_str("{sourceEvents: true}").unwrap(),
        };
        wanted(&spec).pop().unwrap()
    };
    let first = wants("office", vec![told("a", "a/")]);
    if server.has(LacksQueues) {
        let error = buckets(server).write(&first, Setting::Events).await;
        let message = error.unwrap_err().to_string();
        return assert!(message.contains("the store has no such queue"), "{message}");
    }
    check_set(server, &first, Setting::Events).await;
    // Another policy's source stands beside it, and one that is in its way is not written.
    let mut other = wants("mail", vec![told("b", "b/")]);
    check_set(server, &other, Setting::Events).await;
    let findings = look(server, &first).await;
    assert_eq!(findings[0].verdict, Verdict::AlreadyThere, "{findings:?}");
    other.events[0].prefix = "a/new/".to_owned();
    let findings = look(server, &other).await;
    assert!(
        matches!(&findings[0].verdict, Verdict::Refused(reason)
            if reason.contains("backstay-source.acme.office.a")),
        "{findings:?}"
    );
    // A source that is called otherwise now leaves no rule behind.
    let renamed = wants("office", vec![told("c", "a/")]);
    check_set(server, &renamed, Setting::Events).await;
    let findings = look(server, &first).await;
    assert_eq!(findings[0].verdict, Verdict::Apply, "{findings:?}");
    let lost = SourceEvents {
        bucket: format!("{bucket}-missing"),
        ..told("a", "")
    };
    let missing = wants("office", vec![lost]);
    let findings = look(server, &missing).await;
    assert_eq!(findings[0].setting, Setting::Existence, "{findings:?}");
}

/// No server in the tests tells all that a bucket may tell, so this is what S3 says.
pub(crate) async fn notices_of_others_stay() {
    let theirs = "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <TopicConfiguration><Id>t</Id><Topic>arn:aws:sns:us-east-1:123456789012:topic</Topic>\
        <Event>s3:ReducedRedundancyLostObject</Event></TopicConfiguration>\
        <QueueConfiguration><Id>q</Id><Queue>arn:aws:sqs:us-east-1:123456789012:other</Queue>\
        <Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>Prefix</Name>\
        <Value>logs/</Value></FilterRule></S3Key></Filter></QueueConfiguration>\
        <EventBridgeConfiguration/></NotificationConfiguration>";
    let (endpoint, asked) = parrot(answer("200 OK", "", theirs)).await;
    let directory = secret("id", "key");
    let storage = storage(&endpoint, encryption("none"));
    let credentials = Credentials::Files { directory };
    let buckets = Buckets::new(&storage, &credentials, Timeouts::default()).unwrap();
    let queue = "arn:aws:sqs:us-east-1:123456789012:files";
    let spec = SetupSpec {
        version: SETUP_SPEC_VERSION,
        namespace: "acme".to_owned(),
        policy: "office".to_owned(),
        storage,
        data_buckets: vec!["bucket".to_owned()],
        source_events: Vec::new(),
        settings: serde_json::from_value(json!({"events": {"queueArn": queue}})).unwrap(),
    };
    let wanted = wanted(&spec).remove(0);
    buckets.write(&wanted, Setting::Events).await.unwrap();
    let requests = asked.requests();
    let written = requests.last().unwrap();
    assert!(written.starts_with("PUT "), "{written}");
    for word in [
        ":topic</Topic>",
        ":other</Queue>",
        "logs/",
        "<EventBridgeConfiguration",
        queue,
    ] {
        assert!(written.contains(word), "{word} is not in {written}");
    }
}
