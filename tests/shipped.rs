//! What is shipped beside the binary: units, rotation, cron, completion, manual pages. Each is
//! held against the program that will read it, where that is installed.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests stand outside of test functions"
)]

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const BACKSTAY: &str = env!("CARGO_BIN_EXE_backstay");

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(path)
}

/// What the command says of itself.
fn backstay(arguments: &[&str]) -> String {
    let output = Command::new(BACKSTAY).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The program's answer; none where the program is not installed.
fn ask(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new(program);
    let spawned = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        spawned => spawned.unwrap(),
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    Some(child.wait_with_output().unwrap())
}

/// That a program accepts its input, and has nothing to remark.
#[track_caller]
fn accepts(program: &str, arguments: &[&str], input: &str) {
    if let Some(output) = ask(program, arguments, input) {
        let remarks = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && remarks.is_empty(),
            "{program}: {remarks}"
        );
    }
}

const UNITS: [&str; 3] = [
    "backstay@.service",
    "backstay@.timer",
    "backstay-follow@.service",
];

#[test]
fn systemd_understands_the_units() {
    let directory = tempfile::tempdir().unwrap();
    for unit in UNITS {
        let text = fs::read_to_string(shipped(&format!("systemd/{unit}"))).unwrap();
        let text = text.replace("/usr/local/bin/backstay", BACKSTAY);
        fs::write(directory.path().join(unit), text).unwrap();
    }
    for unit in UNITS {
        let unit = directory.path().join(unit);
        accepts("systemd-analyze", &["verify", unit.to_str().unwrap()], "");
    }
}

#[test]
fn the_units_and_cron_call_the_command_as_it_is() {
    let cron = fs::read_to_string(shipped("cron/backstay")).unwrap();
    let services = ["backstay@.service", "backstay-follow@.service"];
    let services =
        services.map(|unit| fs::read_to_string(shipped(&format!("systemd/{unit}"))).unwrap());
    let in_cron = cron
        .lines()
        .find_map(|line| line.split_once(" root backstay "));
    let in_services = services.iter().map(|service| {
        let mut lines = service.lines();
        lines.find_map(|line| line.split_once("ExecStart=/usr/local/bin/backstay "))
    });
    for line in in_services.chain([in_cron]) {
        let (_, arguments) = line.unwrap();
        let arguments: Vec<&str> = arguments
            .split(' ')
            .filter(|argument| !argument.starts_with('$') && !argument.contains("/var/log"))
            .filter(|argument| *argument != "--log-file")
            .collect();
        let output = Command::new(BACKSTAY).args(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // The command line is understood; that there is no such policy is what it says.
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("No such file or directory"), "{said}");
    }
}

#[test]
fn logrotate_understands_the_rotation() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path().join("state");
    let file = shipped("logrotate/backstay");
    let arguments = [
        "--debug",
        "--state",
        state.to_str().unwrap(),
        file.to_str().unwrap(),
    ];
    // It tells what it would do on standard error, and a mistake with this word.
    if let Some(output) = ask("logrotate", &arguments, "") {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("error"), "{said}");
        assert!(said.contains("weekly (8 rotations)"), "{said}");
    }
}

#[test]
fn shells_load_their_completion() {
    for (shell, arguments) in [
        ("bash", vec!["--norc", "-n"]),
        ("zsh", vec!["-n"]),
        ("fish", vec!["--no-execute"]),
    ] {
        let script = backstay(&["completion", shell]);
        assert!(script.contains("metrics-file"), "{script}");
        accepts(shell, &arguments, &script);
    }
    let completed = "\nCOMP_WORDS=(backstay rest) COMP_CWORD=1\n\
        _backstay backstay rest backstay\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let script = backstay(&["completion", "bash"]) + completed;
    if let Some(output) = ask("bash", &["--norc"], &script) {
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "restore\n",
            "{output:?}"
        );
    }
}

#[test]
fn man_renders_a_page_for_each_verb_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    backstay(&["man", pages.to_str().unwrap()]);
    let mut names: Vec<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for verb in ["backup", "restore", "runs", "ls", "man"] {
        let page = format!("backstay-{verb}.1");
        assert!(names.contains(&page), "{page} is not in {names:?}");
    }
    for name in names {
        let page = fs::read_to_string(pages.join(name)).unwrap();
        accepts("groff", &["-man", "-Tutf8", "-ww", "-Kutf8"], &page);
    }
    accepts(
        "groff",
        &["-man", "-Tutf8", "-ww", "-Kutf8"],
        &backstay(&["man"]),
    );
}
