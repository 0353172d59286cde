//! A plain host: a tree of files, a policy, buckets of its own, and the command.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use backstay::api::report::RunReport;
use backstay::api::restore::RestoreReport;
use tempfile::TempDir;

use crate::store::{REGION, Store, minio};

/// Where the command is.
const BACKSTAY: &str = env!("CARGO_BIN_EXE_backstay");

/// Everything under `data/` in a bucket, as the policies of these tests have it.
pub(crate) const DATA: &str = "data/acme/office/files/";

/// A plain host, whose buckets nobody else uses.
pub(crate) struct Host {
    pub(crate) store: Store,
    /// What all its buckets' names start with.
    pub(crate) name: String,
    directory: TempDir,
}

impl Host {
    /// A host with an empty tree, and a bucket that keeps versions for each category.
    pub(crate) fn new() -> Self {
        let host = Self::without_buckets();
        for category in ["database", "photos", "documents"] {
            let bucket = host.bucket(category);
            host.store.make_bucket(&bucket);
            host.store.enable_versions(&bucket);
        }
        host
    }

    pub(crate) fn without_buckets() -> Self {
        let host = Self {
            store: Store::new(),
            name: format!("host-{}", uuid::Uuid::new_v4().simple()),
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(host.root()).unwrap();
        host.write_policy(&minio(), |policy| policy);
        host
    }

    pub(crate) fn bucket(&self, category: &str) -> String {
        format!("{}-{category}", self.name)
    }

    /// The directory that is backed up.
    pub(crate) fn root(&self) -> PathBuf {
        self.at("tree")
    }

    /// A place of this host that is not backed up.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the policy anew, with the store at an endpoint.
    pub(crate) fn write_policy(&self, endpoint: &str, edit: impl Fn(String) -> String) {
        let name = &self.name;
        let root = self.root();
        let policy = format!(
            r#"apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: {{name: office, namespace: acme}}
spec:
  schedule: H 2 * * *
  sources: [{{name: files, path: {{directory: {root}}}}}]
  categories:
    - {{name: database, match: {{extensions: [sql, csv], paths: ["database/**"]}}, bucket: {name}-database}}
    - {{name: photos, match: {{extensions: [jpg], paths: ["photos/**"]}}, bucket: {name}-photos}}
    - {{name: documents, bucket: {name}-documents}}
  storage: {{region: {REGION}, endpoint: "{endpoint}"}}
"#,
            root = root.display()
        );
        fs::write(self.at("policy.yaml"), edit(policy)).unwrap();
    }

    /// The command with its verb and the policy.
    pub(crate) fn command(&self, verb: &str) -> Command {
        self.command_at(BACKSTAY.as_ref(), verb)
    }

    /// A command about the buckets' settings.
    pub(crate) fn bucket_command(&self, verb: &str, arguments: &[&str]) -> Done {
        let mut command = Command::new(BACKSTAY);
        command
            .args(["bucket", verb, "--cluster-name", "test-host", "--policy"])
            .arg(self.at("policy.yaml"))
            .args(arguments)
            .stdin(Stdio::null());
        Done::of(command.output())
    }

    /// The same, where the binary is somewhere else.
    pub(crate) fn command_at(&self, binary: &Path, verb: &str) -> Command {
        let mut command = Command::new(binary);
        command
            .args([verb, "--cluster-name", "test-host", "--policy"])
            .arg(self.at("policy.yaml"))
            .env("BACKSTAY_STATE_DIRECTORY", self.at("state"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn backup(&self) -> Backup {
        self.backup_with(&[])
    }

    pub(crate) fn backup_with(&self, arguments: &[&str]) -> Backup {
        let mut command = self.command("backup");
        Backup::of(command.args(["--output", "json"]).args(arguments).output())
    }

    pub(crate) fn restore(&self, to: &Path, arguments: &[&str]) -> Restore {
        let mut command = self.command("restore");
        command.arg("--to").arg(to).args(["--output", "json"]);
        let done = Done::of(command.args(arguments).output());
        Restore {
            report: done.json(),
            code: done.code,
        }
    }

    /// Restores the newest point into a new directory, and compares.
    #[track_caller]
    pub(crate) fn check_restore(&self) {
        let to = self.at(&format!("restored-{}", uuid::Uuid::new_v4()));
        let restore = self.restore(&to, &[]);
        assert_eq!(restore.code, 0, "{}", restore.report.message);
        crate::image::check_equal(&self.root(), &to);
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn of(output: std::io::Result<Output>) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = output.unwrap();
        let err = String::from_utf8_lossy(&stderr).into_owned();
        Self {
            code: status
                .code()
                .unwrap_or_else(|| panic!("it was killed: {err}")),
            out: String::from_utf8_lossy(&stdout).into_owned(),
            err,
        }
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// That a command ended with this code, and said this.
#[track_caller]
pub(crate) fn check(done: &Done, code: i32, words: &[&str]) {
    assert_eq!(done.code, code, "{done:#?}");
    let told = format!("{}{}", done.out, done.err);
    for word in words {
        assert!(told.contains(word), "{word:?} is not in: {told}");
    }
}

/// A backup that ended.
#[derive(Debug)]
pub(crate) struct Backup {
    pub(crate) code: i32,
    pub(crate) report: RunReport,
    pub(crate) log: String,
}

impl Backup {
    pub(crate) fn of(output: std::io::Result<Output>) -> Self {
        let done = Done::of(output);
        Self {
            report: done.json(),
            code: done.code,
            log: done.err,
        }
    }

    /// That it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> RunReport {
        assert_eq!(self.code, code, "{:#?}\n{}", self.report, self.log);
        self.report
    }

    /// That it ended with this code and says this.
    #[track_caller]
    pub(crate) fn expect_words(self, code: i32, words: &[&str]) -> RunReport {
        let report = self.expect(code);
        for word in words {
            assert!(
                report.message.contains(word),
                "{word:?} is not in: {}",
                report.message
            );
        }
        report
    }
}

/// A restore that ended.
#[derive(Debug)]
pub(crate) struct Restore {
    pub(crate) code: i32,
    pub(crate) report: RestoreReport,
}

impl Restore {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> RestoreReport {
        assert_eq!(self.code, code, "{:#?}", self.report);
        self.report
    }
}

/// The entries that a report names, as paths.
pub(crate) fn paths(report: &RunReport) -> Vec<&str> {
    report
        .not_captured
        .iter()
        .map(|entry| entry.path.as_str())
        .collect()
}

/// The object of a path, as it stands in its bucket.
pub(crate) fn key(path: impl AsRef<OsStr>) -> String {
    format!("{DATA}{}", path.as_ref().to_str().unwrap())
}
