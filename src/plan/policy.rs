//! From what a user wrote to what can be carried out.
//!
//! [`validate`] finds every problem at once, with its remedy, or returns a [`ValidPolicy`]: there
//! should then be no reason for the API server to refuse what is built from it, and no default is
//! left open. The controller and the command line share it; they differ in the [`Place`].

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use crate::api::crd;
use crate::api::policy::{BackupPolicySpec, Category, Credentials, Storage};
use crate::api::run::{RUN_SPEC_MAX_BYTES, RUN_SPEC_VERSION, RunSpec, SourceIdentity};
use crate::api::setup::{SETUP_SPEC_VERSION, SetupSpec};
use crate::api::source::Source;

use super::category::Categories;
use super::prefix;
use super::problem::{Problem, Problems};
use super::schedule::{self, Owner, Schedule};
use super::source::{self, Location};
use super::worker::ValidWorker;
use super::{bounds, bucket, compression, names, storage};

/// The directory at which a claim is mounted in a worker.
pub const CLAIM_ROOT: &str = "/source";

/// The zone of a schedule that names none.
const TIME_ZONE_DEFAULT: &str = "UTC";

/// What an identity and an approval may add to a run's order, in bytes.
const RUN_SPEC_RESERVE_BYTES: usize = 8 * 1024;

/// Where a policy is to be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a cluster: sources are claims.
    Cluster,
    /// On a plain host: sources are directories.
    Host,
}

/// Whose policy it is.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The cluster's name, or the host's.
    pub cluster: &'a str,
    /// The policy's namespace; `default` on a plain host.
    pub namespace: &'a str,
    /// The policy's name.
    pub policy: &'a str,
    /// Where it is to be carried out.
    pub place: Place,
}

/// A policy that can be carried out.
#[derive(Debug, Clone)]
pub struct ValidPolicy {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether no run is to be started.
    pub suspend: bool,
    /// The IANA name of the schedule's zone.
    pub time_zone: String,
    /// Who the worker is to the store; always given in a cluster.
    pub credentials: Option<Credentials>,
    /// How the worker runs.
    pub worker: ValidWorker,
    /// The sources, in their order.
    pub sources: Vec<ValidSource>,
    /// What is to be known about the buckets, where their settings are ours to set.
    pub setup: Option<SetupSpec>,
}

/// A source that can be backed up.
#[derive(Debug, Clone)]
pub struct ValidSource {
    /// Its name.
    pub name: String,
    /// Where its files are.
    pub location: Location,
    /// When it runs.
    pub schedule: Schedule,
    /// How late a missed start is made up.
    pub starting_deadline_seconds: i64,
    order: RunSpec,
}

impl ValidSource {
    /// The order for a run: what a worker is told. `approved_run` names the refused run whose
    /// deletions a person has looked at.
    #[must_use]
    pub fn run_spec(&self, identity: SourceIdentity, approved_run: Option<String>) -> RunSpec {
        RunSpec {
            identity,
            approved_run,
            ..self.order.clone()
        }
    }
}

/// Checks a policy, and fills in what it leaves open.
pub fn validate(
    spec: &BackupPolicySpec,
    context: Context<'_>,
) -> Result<ValidPolicy, Vec<Problem>> {
    let mut problems = Problems::default();
    check_bounds(spec, &mut problems);
    let worker = ValidWorker::new(spec.worker.as_ref(), &mut problems);
    let sns = spec
        .notifications
        .as_ref()
        .map(|notifications| &notifications.sns);
    storage::check(
        &spec.storage,
        &spec.categories,
        sns,
        context.place,
        &mut problems,
    );
    bucket::check::check(spec, context.place, &mut problems);
    check_categories(&spec.categories, &mut problems);
    check_source_names(&spec.sources, &mut problems);
    check_queues(&spec.sources, &mut problems);
    let time_zone = spec.time_zone.as_deref().unwrap_or(TIME_ZONE_DEFAULT);
    let zone = check_time_zone(time_zone, &mut problems);
    let parts = Parts {
        spec,
        context,
        worker: &worker,
        time_zone,
        zone,
    };
    let sources: Option<Vec<ValidSource>> = spec
        .sources
        .iter()
        .enumerate()
        .map(|(index, source)| valid_source(&parts, index, source, &mut problems))
        // All sources are looked at, so that every problem is found.
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    match (problems.into_vec(), sources) {
        (problems, Some(sources)) if problems.is_empty() => Ok(ValidPolicy {
            namespace: context.namespace.to_owned(),
            name: context.policy.to_owned(),
            suspend: spec.suspend,
            time_zone: time_zone.to_owned(),
            credentials: spec.storage.credentials.clone(),
            worker,
            setup: setup(spec, context, &sources),
            sources,
        }),
        (problems, _) => Err(problems),
    }
}

/// What all sources have in common.
struct Parts<'a> {
    spec: &'a BackupPolicySpec,
    context: Context<'a>,
    worker: &'a ValidWorker,
    time_zone: &'a str,
    zone: TimeZone,
}

fn check_bounds(spec: &BackupPolicySpec, problems: &mut Problems) {
    let value = serde_json::to_value(spec).expect("a spec is JSON");
    problems.extend(bounds::check(crd::spec_schema(), &value, "spec"));
}

/// An unknown zone is a problem; the rest is then looked at as if it were UTC.
fn check_time_zone(name: &str, problems: &mut Problems) -> TimeZone {
    schedule::time_zone(name).unwrap_or_else(|| {
        let message = "is not a time zone of the IANA database, such as Europe/Rome or UTC";
        problems.add("spec.timeZone", name, message);
        TimeZone::UTC
    })
}

/// Two followers of one queue would take each other's messages.
fn check_queues(sources: &[Source], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, source) in sources.iter().enumerate() {
        let events = source
            .bucket
            .as_ref()
            .and_then(|bucket| bucket.events.as_ref());
        if let Some(events) = events
            && !seen.insert(&events.queue_url)
        {
            let field = format!("spec.sources[{index}].bucket.events.queueUrl");
            let message = "is another source's queue already: each needs one of its own";
            problems.add(field, &events.queue_url, message);
        }
    }
}

fn check_source_names(sources: &[Source], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, Source { name, .. }) in sources.iter().enumerate() {
        let field = format!("spec.sources[{index}].name");
        problems.check(&field, name, names::check_label(name));
        if !seen.insert(name) {
            problems.add(field, name, "is the name of another source already");
        }
    }
}

fn check_categories(categories: &[Category], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, category) in categories.iter().enumerate() {
        let field = format!("spec.categories[{index}]");
        let name = &category.name;
        problems.check(format!("{field}.name"), name, names::check_label(name));
        if !seen.insert(name) {
            problems.add(
                format!("{field}.name"),
                name,
                "is the name of another category already",
            );
        }
        if let Some(compression) = &category.compression {
            let field = format!("{field}.compression");
            check_extensions(&field, &compression.extensions, problems);
        }
        if let Some(Err(message)) = category.compression.as_ref().map(compression::Rule::new) {
            let compression = category.compression.as_ref();
            let text = compression.and_then(|compression| compression.minimum_size.as_deref());
            let field = format!("{field}.compression.minimumSize");
            problems.add(field, text.unwrap_or_default(), message);
        }
        let Some(matches) = &category.matches else {
            if index + 1 < categories.len() {
                let message = "must stand last without a match: those after it would never be used";
                problems.add(&field, name, message);
            }
            continue;
        };
        if matches.preset.is_none() && matches.extensions.is_empty() && matches.paths.is_empty() {
            let message = "needs preset, extensions or paths; leave it out to take what is left";
            problems.add(format!("{field}.match"), "", message);
        }
        if let Err(error) = Categories::new(std::slice::from_ref(category)) {
            let message = format!("is not a pattern: {}", error.problem);
            problems.add(
                format!("{field}.match.paths[{}]", error.index),
                &error.text,
                message,
            );
        }
        check_extensions(&format!("{field}.match"), &matches.extensions, problems);
    }
}

fn check_extensions(field: &str, extensions: &[String], problems: &mut Problems) {
    for (index, extension) in extensions.iter().enumerate() {
        if extension.contains(['.', '/']) {
            let field = format!("{field}.extensions[{index}]");
            let message = "must be an extension without a dot, such as jpg";
            problems.add(field, extension, message);
        }
    }
}

fn valid_source(
    parts: &Parts<'_>,
    index: usize,
    source: &Source,
    problems: &mut Problems,
) -> Option<ValidSource> {
    let field = format!("spec.sources[{index}]");
    let Context {
        namespace,
        policy,
        place,
        ..
    } = parts.context;
    source::check_patterns(&field, source, problems);
    let location = source::check(parts.spec, &field, source, place, problems);
    let owner = Owner {
        namespace,
        policy,
        source: &source.name,
    };
    let text = &parts.spec.schedule;
    let schedule = Schedule::new(text, parts.zone.clone(), owner);
    let schedule = problems.check("spec.schedule", text, schedule);
    let key_prefix = check_key_prefix(parts, source, problems);
    let (location, schedule, key_prefix) = (location?, schedule?, key_prefix?);
    let starting_deadline_seconds = check_starting_deadline(parts.spec, &schedule, problems)?;
    let root = match &location {
        Location::Claim { .. } => CLAIM_ROOT.to_owned(),
        Location::Directory { path } => path.clone(),
        Location::Bucket(bucket) => bucket.url(),
    };
    let mut order = order(parts, source, &root, key_prefix);
    if let Location::Bucket(bucket) = &location {
        order.bucket = Some(bucket.clone());
    }
    let size_bytes = serde_json::to_vec(&order).expect("an order is JSON").len();
    if size_bytes + RUN_SPEC_RESERVE_BYTES > RUN_SPEC_MAX_BYTES {
        let message = format!(
            "makes an order of {size_bytes} bytes together with the categories; {} are allowed: \
             use fewer or shorter patterns",
            RUN_SPEC_MAX_BYTES - RUN_SPEC_RESERVE_BYTES
        );
        problems.add(field, &source.name, message);
    }
    let name = source.name.clone();
    Some(ValidSource {
        name,
        location,
        schedule,
        starting_deadline_seconds,
        order,
    })
}

fn check_key_prefix(parts: &Parts<'_>, source: &Source, problems: &mut Problems) -> Option<String> {
    const FIELD: &str = "spec.storage.keyPrefix";
    let Context {
        namespace, policy, ..
    } = parts.context;
    let template = parts
        .spec
        .storage
        .key_prefix
        .as_deref()
        .unwrap_or(prefix::DEFAULT);
    if parts.spec.sources.len() > 1 && !template.contains("{source}") {
        let message = "must contain {source}: two sources would write the same keys";
        problems.add(FIELD, template, message);
    }
    problems.check(
        FIELD,
        template,
        prefix::resolve(template, namespace, policy, &source.name),
    )
}

fn check_starting_deadline(
    spec: &BackupPolicySpec,
    schedule: &Schedule,
    problems: &mut Problems,
) -> Option<i64> {
    let Some(seconds) = spec.starting_deadline_seconds else {
        return Some(schedule.starting_deadline_default_seconds());
    };
    let max = schedule.starting_deadline_max_seconds();
    if seconds > max {
        let message = format!("must be at most {max}: half the shortest interval of the schedule");
        problems.add(
            "spec.startingDeadlineSeconds",
            &seconds.to_string(),
            message,
        );
        return None;
    }
    Some(seconds)
}

fn order(parts: &Parts<'_>, source: &Source, root: &str, key_prefix: String) -> RunSpec {
    let Parts {
        spec,
        context,
        worker,
        time_zone,
        ..
    } = parts;
    let storage = Storage {
        key_prefix: Some(key_prefix),
        ..storage(spec)
    };
    RunSpec {
        version: RUN_SPEC_VERSION,
        cluster: context.cluster.to_owned(),
        namespace: context.namespace.to_owned(),
        policy: context.policy.to_owned(),
        source: source.name.clone(),
        // Whose claim or directory it is becomes known when the order is given.
        identity: SourceIdentity::Claim { uid: String::new() },
        root: root.to_owned(),
        bucket: None,
        include: source.include.clone(),
        exclude: source.exclude.clone(),
        categories: spec.categories.clone(),
        storage,
        deletions: spec.deletions.clone(),
        sns: spec
            .notifications
            .as_ref()
            .map(|notifications| notifications.sns.clone()),
        concurrency: worker.concurrency,
        active_deadline_seconds: worker.active_deadline_seconds,
        time_zone: (*time_zone).to_owned(),
        approved_run: None,
    }
}

/// The store, with the catalog's bucket filled in.
fn storage(spec: &BackupPolicySpec) -> Storage {
    let last_bucket = spec
        .categories
        .last()
        .map(|category| category.bucket.clone());
    Storage {
        catalog_bucket: spec.storage.catalog_bucket.clone().or(last_bucket),
        ..spec.storage.clone()
    }
}

/// What a setup is told, where the buckets' settings are ours to set.
fn setup(
    spec: &BackupPolicySpec,
    context: Context<'_>,
    sources: &[ValidSource],
) -> Option<SetupSpec> {
    let settings = spec.bucket_settings.clone()?;
    let buckets: BTreeSet<&String> = spec
        .categories
        .iter()
        .map(|category| &category.bucket)
        .collect();
    let followed = sources.iter().filter(|_| settings.source_events);
    let told = followed.filter_map(|source| bucket::told(&source.name, &source.location));
    Some(SetupSpec {
        version: SETUP_SPEC_VERSION,
        namespace: context.namespace.to_owned(),
        policy: context.policy.to_owned(),
        storage: storage(spec),
        data_buckets: buckets.into_iter().cloned().collect(),
        source_events: told.collect(),
        settings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_CLUSTER: Context<'_> = Context {
        cluster: "test",
        namespace: "acme",
        policy: "office",
        place: Place::Cluster,
    };
    const ON_HOST: Context<'_> = Context {
        place: Place::Host,
        ..IN_CLUSTER
    };

    const SMALLEST: &str = "
schedule: H 2 * * *
sources: [{name: files, persistentVolumeClaim: {claimName: office-files}}]
categories: [{name: everything, bucket: acme-backup}]
storage: {region: eu-south-1, credentials: {secret: {name: s3}}}
";

    const WHOLE: &str = "
schedule: 0 2 * * *
timeZone: Europe/Rome
startingDeadlineSeconds: 3600
sources:
  - name: files
    persistentVolumeClaim: {claimName: office-files}
    exclude: ['*.tmp']
  - name: scans
    persistentVolumeClaim: {claimName: office-scans}
categories:
  - {name: photos, match: {extensions: [jpg]}, bucket: acme-photos, storageClass: STANDARD_IA}
  - {name: rest, bucket: acme-rest}
storage:
  region: eu-south-1
  keyPrefix: '{namespace}/{source}/{date}'
  credentials: {serviceAccount: {name: backup}}
notifications: {sns: {topicArn: 'arn:aws:sns:eu-south-1:123456789012:backups'}}
worker: {concurrency: 4, activeDeadlineSeconds: 600}
";

    fn spec(yaml: &str) -> BackupPolicySpec {
        serde_saphyr::from_str(yaml).expect("a policy's spec")
    }

    fn problems(yaml: &str, context: Context<'_>) -> Vec<String> {
        match validate(&spec(yaml), context) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    /// The whole policy with one line replaced has one problem, and it says this.
    fn check(line: &str, instead: &str, expected: &str) {
        assert!(WHOLE.contains(line), "{line}");
        let problems = problems(&WHOLE.replace(line, instead), IN_CLUSTER);
        assert!(
            problems.len() == 1 && problems[0].contains(expected),
            "{instead}: {problems:#?}"
        );
    }

    #[test]
    fn two_sources_may_not_have_one_queue() {
        let queue = "{queueUrl: 'https://sqs.eu-south-1.amazonaws.com/123456789012/up'}";
        let bucket = |name: &str| format!("bucket: {{name: in-{name}, events: {queue}}}");
        let first = WHOLE.replace(
            "persistentVolumeClaim: {claimName: office-files}",
            &bucket("a"),
        );
        let claim = "persistentVolumeClaim: {claimName: office-scans}";
        assert_eq!(problems(&first, IN_CLUSTER), Vec::<String>::new());
        let found = problems(&first.replace(claim, &bucket("b")), IN_CLUSTER);
        assert!(
            found.len() == 1 && found[0].contains("another source's queue"),
            "{found:#?}"
        );
    }

    #[test]
    fn the_smallest_policy_leaves_nothing_open() {
        let policy = validate(&spec(SMALLEST), IN_CLUSTER).expect("valid");
        let [source] = &policy.sources[..] else {
            panic!("one source");
        };
        assert_eq!(
            source.location,
            Location::Claim {
                name: "office-files".to_owned()
            }
        );
        assert_eq!(source.starting_deadline_seconds, 7200);
        let order = source.run_spec(
            SourceIdentity::Claim {
                uid: "u".to_owned(),
            },
            None,
        );
        assert_eq!(
            order.storage.key_prefix.as_deref(),
            Some("acme/office/files")
        );
        assert_eq!(order.storage.catalog_bucket.as_deref(), Some("acme-backup"));
        assert_eq!(
            (order.root.as_str(), order.time_zone.as_str()),
            ("/source", "UTC")
        );
        assert_eq!(
            (order.concurrency, order.active_deadline_seconds),
            (8, 21600)
        );
        assert_eq!(
            order.identity,
            SourceIdentity::Claim {
                uid: "u".to_owned()
            }
        );
    }

    #[test]
    fn a_whole_policy_is_valid() {
        let policy = validate(&spec(WHOLE), IN_CLUSTER).expect("valid");
        assert_eq!(policy.sources.len(), 2);
        let order = policy.sources[1].run_spec(
            SourceIdentity::Claim {
                uid: "u".to_owned(),
            },
            Some("r".to_owned()),
        );
        assert_eq!(
            order.storage.key_prefix.as_deref(),
            Some("acme/scans/{date}")
        );
        assert_eq!(order.storage.catalog_bucket.as_deref(), Some("acme-rest"));
        assert_eq!(order.approved_run.as_deref(), Some("r"));
    }

    #[test]
    fn every_problem_is_told_with_its_remedy() {
        check("schedule: 0 2 * * *", "schedule: 0 2 * * 7", "Sunday is 0");
        check("schedule: 0 2 * * *", "schedule: 0 2 30 2 *", "never comes");
        check("schedule: 0 2 * * *", "schedule: ''", "has 0 characters");
        check(
            "Europe/Rome",
            "Europe/Roma",
            "spec.timeZone \"Europe/Roma\" is not a time zone",
        );
        check("Seconds: 3600", "Seconds: 50000", "must be at most 43200");
        check("Seconds: 3600", "Seconds: 5", "10 to 86400 are allowed");
        check(
            "name: scans",
            "name: files",
            "spec.sources[1].name \"files\" is the name of another",
        );
        check("name: scans", "name: Scans", "lower case letters");
        check(
            "claimName: office-scans",
            "claimName: '-'",
            "claimName \"-\" must be made of",
        );
        check(
            "name: rest",
            "name: photos",
            "spec.categories[1].name \"photos\" is the name of",
        );
    }

    #[test]
    fn every_problem_of_a_bucket_source_is_told_with_its_remedy() {
        let claim = "persistentVolumeClaim: {claimName: office-scans}";
        for (bucket, expected) in [
            ("{name: Acme}", "bucket.name \"Acme\" must be made of"),
            ("{name: acme-rest}", "it would back up its own backups"),
            (
                "{name: acme-rest, prefix: data/x}",
                "it would back up its own",
            ),
            (
                "{name: incoming, endpoint: 'http://x/y'}",
                "bucket.endpoint \"http://x/y\" must end after",
            ),
            (
                "{name: incoming, credentials: {profile: other}}",
                "bucket.credentials must have secret",
            ),
        ] {
            check(claim, &format!("bucket: {bucket}"), expected);
        }
        check(
            claim,
            &format!("{claim}\n    bucket: {{name: incoming}}"),
            "must have exactly one of",
        );
    }

    #[test]
    fn a_bucket_is_where_the_storage_is_unless_it_says_otherwise() {
        let resolved = |bucket: &str| {
            let claim = "persistentVolumeClaim: {claimName: office-scans}";
            let policy = WHOLE.replace(claim, &format!("bucket: {bucket}"));
            let valid = validate(&spec(&policy), IN_CLUSTER).expect("valid");
            let order = valid.sources[1].run_spec(valid.sources[1].order.identity.clone(), None);
            order.bucket.expect("it is a bucket")
        };
        let same = resolved("{name: incoming, prefix: scans/}");
        assert_eq!(same.url(), "s3://incoming/scans/");
        let storage = spec(WHOLE).storage;
        assert_eq!(
            (same.region, same.endpoint),
            (storage.region, storage.endpoint)
        );
        let aws = resolved("{name: incoming, region: eu-west-1}");
        assert_eq!((aws.region.as_str(), aws.endpoint), ("eu-west-1", None));
        let own = resolved("{name: acme-rest, prefix: incoming/}");
        assert_eq!(own.prefix, "incoming/");
    }

    #[test]
    fn every_problem_of_a_category_is_told_with_its_remedy() {
        check("extensions: [jpg]", "extensions: ['.jpg']", "without a dot");
        check(
            "extensions: [jpg]",
            "paths: ['a[']",
            "paths[0] \"a[\" is not a pattern",
        );
        check(
            "exclude: ['*.tmp']",
            "exclude: ['*.tmp', '[']",
            "exclude[1] \"[\" is not a pattern",
        );
        check(
            "exclude: ['*.tmp']",
            "include: ['#x']",
            "include[0] \"#x\" is not a pattern",
        );
        check(
            "match: {extensions: [jpg]}, ",
            "",
            "must stand last without a match",
        );
        check(
            "bucket: acme-rest",
            "bucket: acme-rest, compression: {algorithm: Zstd, minimumSize: 1X}",
            "compression.minimumSize \"1X\" is not a size: write bytes",
        );
        check(
            "match: {extensions: [jpg]}",
            "match: {}",
            "needs preset, extensions or paths",
        );
        check(
            "bucket: acme-rest",
            "bucket: Acme",
            "bucket \"Acme\" must be made of",
        );
        check(
            "{namespace}/{source}/{date}",
            "{namespace}/{date}",
            "must contain {source}",
        );
        check(
            "{namespace}/{source}/{date}",
            "{source}/../x",
            "between slashes",
        );
        check(
            "{namespace}/{source}/{date}",
            "{source}/{host}",
            "known are {namespace}",
        );
        check("region: eu-south-1", "region: EU", "must be a region");
        check(
            "region: eu-south-1",
            "region: eu-south-1\n  endpoint: 'http://a/b'",
            "no path",
        );
        check(
            "credentials: {serviceAccount: {name: backup}}",
            "encryption: {s3: {}}",
            "is needed",
        );
        check(
            "{serviceAccount: {name: backup}}",
            "{}",
            "exactly one of secret",
        );
        check(
            "{name: backup}",
            "{name: Backup}",
            "serviceAccount.name \"Backup\"",
        );
        check("backups'}", "a:b'}", "must be a topic's ARN");
        check("concurrency: 4", "concurrency: 0", "1 to 64 are allowed");
        check(
            "worker: {",
            "deletions: {maxPercent: 0}\nworker: {",
            "1 to 100 are allowed",
        );
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let broken = WHOLE
            .replace("Europe/Rome", "Nowhere")
            .replace("acme-rest", "X")
            .replace("{date}", "{}")
            .replace("schedule: 0", "schedule: 61");
        let fields: Vec<String> = problems(&broken, IN_CLUSTER)
            .iter()
            .filter_map(|problem| problem.split(' ').next().map(ToOwned::to_owned))
            .collect();
        assert_eq!(
            fields,
            [
                "spec.categories[1].bucket",
                "spec.schedule",
                "spec.storage.keyPrefix",
                "spec.timeZone"
            ]
        );
    }

    #[test]
    fn a_source_is_a_claim_in_a_cluster_and_a_directory_on_a_host() {
        let claim = "persistentVolumeClaim: {claimName: office-files}";
        let path = SMALLEST.replace(claim, "path: {directory: /srv/files}");
        let refused = validate(&spec(&path), IN_CLUSTER).expect_err("a path in a cluster");
        let kind = crate::plan::problem::ProblemKind::PathSourceInCluster;
        assert_eq!(refused[0].kind, kind);
        let policy = validate(&spec(&path), ON_HOST).expect("a path on a host");
        let order = policy.sources[0].run_spec(
            SourceIdentity::Directory {
                machine_id: "m".to_owned(),
                path: "/srv/files".to_owned(),
            },
            None,
        );
        assert_eq!(order.root, "/srv/files");
        assert!(problems(SMALLEST, ON_HOST)[0].contains("path: {directory: /…}"));
        let relative = path.replace("/srv", "srv");
        assert!(problems(&relative, ON_HOST)[0].contains("must be absolute"));
        let both = SMALLEST.replace(claim, &format!("{claim}, path: {{directory: /srv}}"));
        assert!(problems(&both, IN_CLUSTER)[0].contains("exactly one of"));
    }

    #[test]
    fn on_a_host_credentials_may_be_left_to_the_environment() {
        let policy = SMALLEST
            .replace(
                "persistentVolumeClaim: {claimName: office-files}",
                "path: {directory: /srv}",
            )
            .replace(", credentials: {secret: {name: s3}}", "");
        assert_eq!(problems(&policy, ON_HOST), Vec::<String>::new());
    }

    #[test]
    fn an_order_that_would_not_fit_into_its_annotation_is_refused() {
        let pattern = "x".repeat(250);
        let patterns = vec![pattern; 64];
        let mut spec = spec(SMALLEST);
        let rest = spec.categories[0].clone();
        spec.categories = (0..4)
            .map(|index| Category {
                name: format!("c{index}"),
                matches: Some(crate::api::policy::CategoryMatch {
                    preset: None,
                    extensions: Vec::new(),
                    paths: patterns.clone(),
                }),
                ..rest.clone()
            })
            .collect();
        let problems = validate(&spec, IN_CLUSTER).expect_err("too large");
        assert!(
            problems[0]
                .message
                .contains("bytes together with the categories"),
            "{problems:?}"
        );
    }
}
