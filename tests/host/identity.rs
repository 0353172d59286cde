//! Who a host is to the store: found as the AWS tools find it.

use std::fs;
use std::process::Command;

use crate::host::{Done, Host};
use crate::store::variable;
use crate::tree::office;

/// A backup with nothing in the environment but these, and a home of its own.
fn backup(host: &Host, environment: &[(&str, &str)]) -> Done {
    let mut command: Command = host.command("backup");
    command.env_clear().env("HOME", host.at("home"));
    command.envs(environment.iter().copied());
    Done::of(command.output())
}

fn keys() -> String {
    format!(
        "aws_access_key_id = {}\naws_secret_access_key = {}\n",
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY")
    )
}

fn host() -> Host {
    let host = Host::new();
    office(&host.root());
    fs::create_dir_all(host.at("home/.aws")).unwrap();
    host
}

#[test]
fn profiles_are_found_where_the_aws_tools_keep_them() {
    let host = host();
    fs::write(
        host.at("home/.aws/config"),
        format!("[profile backup]\n{}", keys()),
    )
    .unwrap();
    // What the AWS tools take from the environment and the policy has: the policy's is used.
    let elsewhere = [
        ("AWS_PROFILE", "backup"),
        ("AWS_REGION", "eu-south-1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"),
    ];
    let done = backup(&host, &elsewhere);
    assert_eq!(done.code, 0, "{done:?}");

    let file = host.at("keys");
    fs::write(&file, format!("[default]\n{}", keys())).unwrap();
    let done = backup(
        &host,
        &[("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap())],
    );
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn a_host_without_an_identity_is_told_what_to_set() {
    let host = host();
    let done = backup(&host, &[]);
    assert_eq!(done.code, 21, "{done:?}");
    assert!(
        done.out.contains("AWS_ACCESS_KEY_ID") && done.out.contains("AWS_PROFILE"),
        "{done:?}"
    );
}
