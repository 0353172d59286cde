//! A namespace of its own on the test cluster, with a controller that has the rights of a
//! namespaced installation there and no others.

use std::cell::RefCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use backstay::adapters::cluster::Cluster;
use backstay::controller::{Options, WorkerOptions, run_on};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The image of the worker that plays scripts.
pub(crate) const ACTOR: &str = "backstay.test/actor:dev";

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// The rights of a namespaced installation.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: backstay}
rules:
  - {apiGroups: [backstay.dev], resources: [backuppolicies], verbs: [get, list, watch]}
  - {apiGroups: [backstay.dev], resources: [backuppolicies/status], verbs: [patch]}
  - {apiGroups: [backstay.dev], resources: [backuppolicies/finalizers], verbs: [update]}
  - {apiGroups: [batch], resources: [cronjobs], verbs: [get, list, watch, create, patch, update, delete]}
  - {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch, create, patch, update, delete]}
  - {apiGroups: [batch], resources: [jobs], verbs: [get, list, watch, create, patch, delete]}
  - {apiGroups: [''], resources: [pods], verbs: [get, list, watch, patch]}
  - {apiGroups: [''], resources: [pods/eviction], verbs: [create]}
  - {apiGroups: [''], resources: [persistentvolumeclaims], verbs: [get, list, watch]}
  - {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: backstay}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: backstay}
subjects: [{kind: ServiceAccount, name: backstay}]
";

/// A namespace and its controller.
pub(crate) struct Site {
    pub(crate) namespace: String,
    image: String,
    directories: RefCell<Vec<PathBuf>>,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Site {
    /// A namespace with a running controller whose workers play scripts.
    pub(crate) fn new(name: &str) -> Self {
        Self::with_image(name, ACTOR)
    }

    /// The same with another image.
    pub(crate) fn with_image(name: &str, image: &str) -> Self {
        // Asked first: what is missing is told before there is anything to clean up.
        kubeconfig();
        let namespace = format!("ctl-{name}-{:06x}", fastrand::u32(..0x0100_0000));
        let mut site = Self {
            namespace,
            image: image.to_owned(),
            directories: RefCell::default(),
            running: None,
        };
        site.call(&["create", "namespace", &site.namespace]);
        site.apply(RIGHTS);
        site.start();
        site
    }

    /// Starts the controller.
    pub(crate) fn start(&mut self) {
        let shutdown = CancellationToken::new();
        let options = Options {
            namespaces: vec![self.namespace.clone()],
            worker: WorkerOptions {
                cluster: "test".to_owned(),
                image: self.image.clone(),
                image_pull_policy: "Never".to_owned(),
            },
            listen: "127.0.0.1:0".parse().expect("an address"),
        };
        let (token, user) = (
            shutdown.clone(),
            format!("system:serviceaccount:{}:backstay", self.namespace),
        );
        let thread = std::thread::spawn(move || {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let config = Kubeconfig::read_from(kubeconfig()).expect("a kubeconfig");
                let options_of_config = KubeConfigOptions::default();
                let mut config = kube::Config::from_custom_kubeconfig(config, &options_of_config)
                    .await
                    .expect("a configuration");
                config.auth_info.impersonate = Some(user);
                let client = kube::Client::try_from(config).expect("a client");
                run_on(Cluster::with_client(client), options, token)
                    .await
                    .expect("the controller runs until it is told to stop");
            });
        });
        self.running = Some((shutdown, thread));
    }

    /// Stops the controller.
    pub(crate) fn stop(&mut self) {
        if let Some((shutdown, thread)) = self.running.take() {
            shutdown.cancel();
            thread.join().expect("the controller ends in order");
        }
    }

    /// Makes a claim with its volume, and returns the directory of its files.
    pub(crate) fn volume(&self, name: &str, access: &str) -> PathBuf {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/volume");
        let output = Command::new(script)
            .args([&self.namespace, name, "1Gi", access])
            .stderr(Stdio::null())
            .output()
            .expect("the script runs");
        assert!(output.status.success(), "{output:?}");
        let directory = PathBuf::from(String::from_utf8(output.stdout).expect("UTF-8").trim());
        self.directories.borrow_mut().push(directory.clone());
        directory
    }

    /// Applies manifests, and returns what kubectl says where it fails.
    pub(crate) fn try_apply(&self, yaml: &str) -> Result<(), String> {
        let mut apply = self
            .kubectl(&["apply", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs; eval \"$(tests/cluster/cluster env)\" puts it on the path");
        let mut stdin = apply.stdin.take().expect("it is piped");
        stdin.write_all(yaml.as_bytes()).expect("kubectl reads");
        drop(stdin);
        let output = apply.wait_with_output().expect("kubectl ends");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub(crate) fn apply(&self, yaml: &str) {
        self.try_apply(yaml).expect("the API server accepts it");
    }

    /// Runs kubectl, which must succeed.
    pub(crate) fn call(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments).output().expect("kubectl runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// An object, or null.
    pub(crate) fn get(&self, object: &str) -> Value {
        let output = self
            .kubectl(&["get", object, "-o", "json"])
            .output()
            .expect("kubectl runs");
        if !output.status.success() {
            return Value::Null;
        }
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The objects of a kind with these labels.
    pub(crate) fn list(&self, kind: &str, labels: &str) -> Vec<Value> {
        let list = self.call(&["get", kind, "-l", labels, "-o", "json"]);
        let list: Value = serde_json::from_str(&list).expect("JSON");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Starts a run of the only source of the policy `office`, and returns its id.
    pub(crate) fn run(&self, job: &str) -> String {
        let cron_job = self.eventually("a CronJob", || {
            self.list("cronjobs", "backstay.dev/policy=office")
                .first()
                .map(name_of)
        });
        self.call(&["create", "job", job, &format!("--from=cronjob/{cron_job}")]);
        self.get(&format!("job/{job}"))["metadata"]["uid"]
            .as_str()
            .expect("a UID")
            .to_owned()
    }

    /// The pods of a Job, the newest first.
    pub(crate) fn pods(&self, job: &str) -> Vec<Value> {
        let mut pods = self.list("pods", &format!("batch.kubernetes.io/job-name={job}"));
        pods.sort_by_key(|pod| {
            pod["metadata"]["creationTimestamp"]
                .as_str()
                .map(str::to_owned)
        });
        pods.reverse();
        pods
    }

    /// What status says of a run, once it says anything.
    pub(crate) fn outcome(&self, run: &str) -> Value {
        self.eventually(&format!("an outcome of {run}"), || {
            let policy = self.get("backuppolicy/office");
            let runs = policy["status"]["sources"][0]["recentRuns"]
                .as_array()?
                .clone();
            runs.into_iter().find(|known| known["id"] == run)
        })
    }

    /// Why a run waits, once it does.
    pub(crate) fn waiting(&self, reason: &str) -> Value {
        self.eventually(reason, || {
            let waiting =
                self.get("backuppolicy/office")["status"]["sources"][0]["waiting"].clone();
            (waiting["reason"] == reason).then_some(waiting)
        })
    }

    /// A condition of the policy `office`, once it has this reason.
    pub(crate) fn condition(&self, kind: &str, reason: &str) -> Value {
        self.eventually(&format!("{kind} with {reason}"), || {
            let policy = self.get("backuppolicy/office");
            let conditions = policy["status"]["conditions"].as_array()?.clone();
            let generation = &policy["metadata"]["generation"];
            conditions.into_iter().find(|condition| {
                condition["type"] == kind
                    && condition["reason"] == reason
                    && condition["observedGeneration"] == *generation
            })
        })
    }

    /// Looks again and again until there is something.
    pub(crate) fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "never seen: {what}\n{}",
                self.call(&["get", "backuppolicies,jobs,pods", "-o", "yaml"])
            );
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .arg("--kubeconfig")
            .arg(kubeconfig())
            .args(["-n", &self.namespace])
            .args(arguments);
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop();
        for (kind, name) in [("namespace", self.namespace.as_str()), ("pod", "--all")] {
            let _ = self
                .kubectl(&["delete", kind, name, "--wait=false", "--grace-period=1"])
                .output();
        }
        for directory in self.directories.borrow().iter() {
            let claim = directory.file_name().unwrap_or_default().to_string_lossy();
            let volume = format!("{}-{claim}", self.namespace);
            let _ = self
                .kubectl(&["delete", "pv", &volume, "--wait=false"])
                .output();
            let _ = std::fs::remove_dir_all(directory.parent().unwrap_or(directory));
        }
    }
}

pub(crate) fn name_of(object: &Value) -> String {
    object["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned()
}

fn kubeconfig() -> PathBuf {
    let path = std::env::var_os("BACKSTAY_TEST_KUBECONFIG");
    PathBuf::from(path.expect(
        "BACKSTAY_TEST_KUBECONFIG names the kubeconfig of a test cluster: tests/cluster/cluster up, \
         eval \"$(tests/cluster/cluster env)\", BACKSTAY_TEST_KUBECONFIG=$KUBECONFIG",
    ))
}
