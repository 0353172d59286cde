//! Who a host is to the store: found as the AWS tools find it.

use std::fs;
use std::process::Command;

use crate::environment::variable;
use crate::host::{Done, Host};
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
fn a_profile_may_name_a_program_that_knows_the_keys() {
    let host = host();
    let program = host.at("keys");
    let said = serde_json::json!({
        "Version": 1,
        "AccessKeyId": variable("AWS_ACCESS_KEY_ID"),
        "SecretAccessKey": variable("AWS_SECRET_ACCESS_KEY"),
    });
    fs::write(&program, format!("echo '{said}'\n")).unwrap();
    let asks = |program: &str| format!("[default]\ncredential_process = /bin/sh {program}\n");
    let config = host.at("home/.aws/config");
    fs::write(&config, asks(program.to_str().unwrap())).unwrap();
    let done = backup(&host, &[]);
    assert_eq!(done.code, 0, "{done:?}");

    fs::write(&config, asks("/nowhere")).unwrap();
    let done = backup(&host, &[]);
    assert_ne!(done.code, 0, "{done:?}");
    assert!(done.err.contains("credential"), "{done:?}");
}

#[test]
fn a_profile_of_single_sign_on_says_that_somebody_has_to_sign_in() {
    let host = host();
    let config = "[default]\nsso_session = acme\nsso_account_id = 123456789012\n\
                  sso_role_name = backup\n[sso-session acme]\nsso_region = eu-south-1\n\
                  sso_start_url = https://acme.awsapps.com/start\n";
    fs::write(host.at("home/.aws/config"), config).unwrap();
    let done = backup(&host, &[]);
    assert_ne!(done.code, 0, "{done:?}");
    assert!(done.err.contains("token"), "{done:?}");
}

#[test]
fn a_host_without_an_identity_is_told_what_to_set() {
    let host = host();
    let done = backup(&host, &[]);
    assert_eq!(done.code, 21, "{done:?}");
    assert!(
        done.err.contains("AWS_ACCESS_KEY_ID") && done.err.contains("AWS_PROFILE"),
        "{done:?}"
    );
}
