//! A small cluster as data, for the tests of the pure steps. Names differ from real ones on
//! purpose, and from each other, so that a swapped one is noticed.

use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::Event;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::policy::BackupPolicy;

use super::observe::Observed;
use super::run::WorkerOptions;
use super::stores::Stores;

pub(super) const POLICY: &str = "
apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: {name: office, namespace: acme, uid: uid-of-policy, generation: 3, creationTimestamp: '2026-11-01T00:00:00Z'}
spec:
  schedule: 30 2 * * *
  timeZone: Europe/Rome
  sources: [{name: files, persistentVolumeClaim: {claimName: shop-data}}]
  categories: [{name: all, bucket: acme-backup}]
  storage: {region: eu-south-1, credentials: {secret: {name: s3-keys}}}
";

pub(super) const CLAIM: &str = "
kind: PersistentVolumeClaim
metadata: {name: shop-data, namespace: acme, uid: uid-of-claim}
status: {phase: Bound, accessModes: [ReadWriteOnce]}
";

pub(super) const CRON_JOB: &str = "
kind: CronJob
metadata:
  name: office-files-x
  namespace: acme
  uid: uid-of-cron-job
  labels: {backstay.dev/policy: office, backstay.dev/source: files}
  ownerReferences: [{apiVersion: backstay.dev/v1alpha1, kind: BackupPolicy, name: office, uid: uid-of-policy, controller: true}]
spec: {schedule: 30 2 * * *, jobTemplate: {}}
";

/// The Job of a run, made at this minute of an hour.
pub(super) fn job(run: &str, minute: u8, more: &str) -> String {
    format!(
        "
kind: Job
metadata:
  name: job-{run}
  namespace: acme
  uid: {run}
  creationTimestamp: '2026-11-02T02:{minute:02}:00Z'
  labels: {{backstay.dev/policy: office, backstay.dev/source: files}}
  ownerReferences: [{{apiVersion: batch/v1, kind: CronJob, name: office-files-x, uid: uid-of-cron-job, controller: true}}]
{more}"
    )
}

/// The pod of a run.
pub(super) fn worker(name: &str, run: &str, spec: &str, status: &str) -> String {
    format!(
        "
kind: Pod
metadata:
  name: {name}
  namespace: acme
  uid: uid-of-{name}
  resourceVersion: '7'
  labels: {{backstay.dev/policy: office, backstay.dev/source: files, batch.kubernetes.io/controller-uid: {run}}}
spec:
  containers: [{{name: worker}}]
  volumes: [{{name: source, persistentVolumeClaim: {{claimName: shop-data}}}}]
{spec}
status: {status}
"
    )
}

/// A pod of the application.
pub(super) fn application(name: &str, node: &str) -> String {
    format!(
        "
kind: Pod
metadata: {{name: {name}, namespace: acme, uid: uid-of-{name}}}
spec:
  nodeName: {node}
  containers: [{{name: shop}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: shop-data}}}}]
status: {{phase: Running}}
"
    )
}

pub(super) const GATED: &str = "  schedulingGates: [{name: backstay.dev/placement}]";

pub(super) fn options() -> WorkerOptions {
    WorkerOptions {
        cluster: "test-cluster".to_owned(),
        image: "registry.example/backstay:1".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
    }
}

/// What is observed of the first policy among these objects.
pub(super) fn observed(objects: &[&str]) -> Observed {
    let stores = Stores {
        policies: store_of(objects, "BackupPolicy"),
        cron_jobs: store_of(objects, "CronJob"),
        followers: store_of(objects, "Deployment"),
        jobs: store_of(objects, "Job"),
        pods: store_of(objects, "Pod"),
        claims: store_of(objects, "PersistentVolumeClaim"),
    };
    let guard = stores
        .policies
        .state()
        .into_iter()
        .next()
        .expect("a policy");
    let policy: &BackupPolicy = guard.0.as_ref().expect("a policy that can be read");
    Observed::new(policy, &stores)
}

fn store_of<K>(objects: &[&str], kind: &str) -> Store<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + 'static,
{
    let (reader, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Init);
    for yaml in objects {
        let value: Value = serde_saphyr::from_str(yaml).expect("YAML");
        if value["kind"] == kind {
            let object = serde_json::from_value(value).expect(yaml);
            writer.apply_watcher_event(&Event::InitApply(object));
        }
    }
    writer.apply_watcher_event(&Event::InitDone);
    reader
}
