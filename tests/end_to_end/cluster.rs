//! The cluster, through kubectl and helm.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::store::{repository, variable};

/// What the chart is told that this cluster is called.
pub(crate) const CLUSTER_NAME: &str = "end-to-end";

/// The image that `make test` has imported.
const IMAGE: (&str, &str) = ("backstay.test/backstay", "dev");

/// How long a run may take: pods start in seconds, also where two cores build something else.
const RUN_TIMEOUT: &str = "180s";

const SYSTEM: &str = "backstay-end-to-end";

/// The installed chart. It is shared by all tests of this binary, and left to the cluster's end.
pub(crate) struct Chart;

impl Chart {
    pub(crate) fn install() {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            let chart = repository().join("charts/backstay");
            let set = format!(
                "image.repository={},image.tag={},image.pullPolicy=Never,clusterName={CLUSTER_NAME}",
                IMAGE.0, IMAGE.1
            );
            let chart = chart.to_str().unwrap();
            let namespace = ["--namespace", SYSTEM, "--create-namespace"];
            let install = ["upgrade", "--install", "backstay", chart, "--set", &set];
            let wait = ["--take-ownership", "--wait", "--timeout", "2m"];
            call("helm", &[&install[..], &namespace, &wait].concat());
        });
    }

    /// What Prometheus would scrape.
    pub(crate) fn metrics() -> String {
        let path = format!("/api/v1/namespaces/{SYSTEM}/services/backstay:metrics/proxy/metrics");
        kubectl(&["get", "--raw", &path])
    }
}

/// A namespace of one test, removed at its end.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    /// One that refuses every pod that Pod Security *restricted* refuses.
    pub(crate) fn restricted(prefix: &str) -> Self {
        let name = format!("{prefix}-{}", unique());
        kubectl(&["create", "namespace", &name]);
        kubectl(&[
            "label",
            "namespace",
            &name,
            "pod-security.kubernetes.io/enforce=restricted",
        ]);
        Self { name }
    }

    /// A claim with a volume behind it; answers with the directory of its files.
    pub(crate) fn volume(&self, claim: &str, access: &str) -> PathBuf {
        let script = repository().join("tests/cluster/volume");
        let script = script.to_str().unwrap().to_owned();
        call(&script, &[&self.name, claim, "1Gi", access])
            .trim()
            .into()
    }

    pub(crate) fn secret(&self, name: &str, values: &[(&str, String)]) {
        let literals: Vec<String> = values
            .iter()
            .map(|(key, value)| format!("--from-literal={key}={value}"))
            .collect();
        let literals: Vec<&str> = literals.iter().map(String::as_str).collect();
        self.kubectl(&[&["create", "secret", "generic", name], &literals[..]].concat());
    }

    /// Applies a policy; answers with a file that holds it, for the command line.
    pub(crate) fn policy(&self, text: &str) -> PathBuf {
        let text = text.replace(
            "metadata: {",
            &format!("metadata: {{namespace: {}, ", self.name),
        );
        let mut apply = Command::new("kubectl")
            .args(["apply", "--filename", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        apply
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(apply.wait().unwrap().success());
        let file = tempfile::tempdir().unwrap().keep().join("policy.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn wait(&self, object: &str, what: &str) {
        self.kubectl(&["wait", object, &format!("--for={what}"), "--timeout=60s"]);
    }

    /// Starts a run now, waits until the policy's status tells of it, and answers with that.
    pub(crate) fn run(&self, policy: &str, job: &str) -> Value {
        let object = format!("backuppolicy/{policy}");
        let cron_job = self.kubectl(&[
            "get",
            &object,
            "-o",
            "jsonpath={.status.sources[0].cronJob}",
        ]);
        self.kubectl(&["create", "job", job, &format!("--from=cronjob/{cron_job}")]);
        let uid = self.kubectl(&["get", "job", job, "-o", "jsonpath={.metadata.uid}"]);
        let told = format!("--for=jsonpath={{.status.sources[0].recentRuns[0].id}}={uid}");
        self.kubectl(&["wait", &object, &told, &format!("--timeout={RUN_TIMEOUT}")]);
        let runs = [
            "get",
            &object,
            "-o",
            "jsonpath={.status.sources[0].recentRuns[0]}",
        ];
        serde_json::from_str(&self.kubectl(&runs)).unwrap()
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["--namespace", &self.name], arguments].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A test that failed leaves its namespace, so that somebody can look at it.
        if !std::thread::panicking() {
            kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
        }
    }
}

/// What no other test of this cluster has in its names.
pub(crate) fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..8].to_owned()
}

fn kubectl(arguments: &[&str]) -> String {
    variable("KUBECONFIG");
    call("kubectl", arguments)
}

fn call(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
