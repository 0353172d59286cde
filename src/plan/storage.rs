//! The object store, its identity and its topic: what schema and CEL cannot say of them, and what
//! a policy on a plain host has had nobody to check.

use core::net::{IpAddr, Ipv6Addr};

use crate::api::policy::{Category, Credentials, Encryption, SnsTopic, Storage};

use super::names;
use super::policy::Place;
use super::problem::Problems;

/// What is wrong with the URL of a store.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq)]
enum EndpointError {
    #[error("must start with https:// or http://")]
    Scheme,
    #[error("must name a host, and may name a port: https://minio.example:9000")]
    Host,
    #[error("must end after the host and the port: no path, query, user or password")]
    Rest,
    #[error("leads to an address that no store may have: this host, or a link-local one")]
    Forbidden,
}

/// Checks the store, the topic and the identity.
pub(super) fn check(
    storage: &Storage,
    categories: &[Category],
    sns: Option<&SnsTopic>,
    place: Place,
    problems: &mut Problems,
) {
    check_region("spec.storage.region", &storage.region, problems);
    check_endpoint(
        "spec.storage.endpoint",
        storage.endpoint.as_deref(),
        place,
        problems,
    );
    for (index, category) in categories.iter().enumerate() {
        let field = format!("spec.categories[{index}].bucket");
        problems.check(
            field,
            &category.bucket,
            names::check_bucket(&category.bucket),
        );
    }
    if let Some(bucket) = &storage.catalog_bucket {
        problems.check(
            "spec.storage.catalogBucket",
            bucket,
            names::check_bucket(bucket),
        );
    }
    check_credentials(
        "spec.storage.credentials",
        storage.credentials.as_ref(),
        place,
        problems,
    );
    check_encryption(storage.encryption.as_ref(), problems);
    if storage.transfer_acceleration {
        check_acceleration(storage, categories, problems);
    }
    if let Some(topic) = sns {
        check_topic(topic, place, problems);
    }
}

fn check_acceleration(storage: &Storage, categories: &[Category], problems: &mut Problems) {
    let field = "spec.storage.transferAcceleration";
    if storage.endpoint.is_some() {
        problems.add(field, "true", "is AWS's: leave it or storage.endpoint out");
    }
    check_names_for_acceleration(field, storage, categories, problems);
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration.html>
pub(super) fn check_names_for_acceleration(
    field: &str,
    storage: &Storage,
    categories: &[Category],
    problems: &mut Problems,
) {
    let buckets = categories.iter().map(|category| &category.bucket);
    let dotted = buckets
        .chain(&storage.catalog_bucket)
        .find(|bucket| bucket.contains('.'));
    if let Some(bucket) = dotted {
        let message = format!("is not for buckets with a dot in their name, such as {bucket}");
        problems.add(field, "true", message);
    }
}

pub(super) fn check_region(field: &str, region: &str, problems: &mut Problems) {
    let is_region = region
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if region.is_empty() || !is_region {
        problems.add(field, region, "must be a region such as eu-south-1");
    }
}

/// Checks an identity, which a cluster needs and a plain host may leave to the environment.
pub(super) fn check_credentials(
    field: &str,
    credentials: Option<&Credentials>,
    place: Place,
    problems: &mut Problems,
) {
    let Some(Credentials {
        secret,
        service_account,
    }) = credentials
    else {
        if place == Place::Cluster {
            problems.add(
                field,
                "",
                "is needed: name a Secret or a ServiceAccount of this namespace",
            );
        }
        return;
    };
    if secret.is_some() == service_account.is_some() {
        problems.add(
            field,
            "",
            "must have exactly one of secret and serviceAccount",
        );
    }
    for (kind, reference) in [("secret", secret), ("serviceAccount", service_account)] {
        if let Some(reference) = reference {
            let field = format!("{field}.{kind}.name");
            problems.check(
                field,
                &reference.name,
                names::check_subdomain(&reference.name),
            );
        }
    }
}

fn check_encryption(encryption: Option<&Encryption>, problems: &mut Problems) {
    let Some(Encryption { s3, kms, none }) = encryption else {
        return;
    };
    let named = [s3.is_some(), kms.is_some(), none.is_some()];
    if named.iter().filter(|is_named| **is_named).count() != 1 {
        problems.add(
            "spec.storage.encryption",
            "",
            "must have exactly one of s3, kms and none",
        );
    }
}

fn check_topic(topic: &SnsTopic, place: Place, problems: &mut Problems) {
    let parts: Vec<&str> = topic.topic_arn.splitn(6, ':').collect();
    let is_word = |text: &str, extra: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    let is_topic = matches!(parts[..], ["arn", partition, "sns", region, account, name]
        if is_word(partition, "-") && is_word(region, "-")
            && is_word(name.trim_end_matches(".fifo"), "-_")
            && account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()));
    let message = if !is_topic {
        Some("must be a topic's ARN: arn:aws:sns:eu-south-1:123456789012:backups")
    } else if topic.topic_arn.strip_suffix(".fifo").is_some() {
        Some("is a FIFO topic, which sends no mail: name a standard topic")
    } else {
        None
    };
    if let Some(message) = message {
        problems.add("spec.notifications.sns.topicArn", &topic.topic_arn, message);
    }
    check_endpoint(
        "spec.notifications.sns.endpoint",
        topic.endpoint.as_deref(),
        place,
        problems,
    );
}

pub(super) fn check_endpoint(
    field: &str,
    endpoint: Option<&str>,
    place: Place,
    problems: &mut Problems,
) {
    if let Some(endpoint) = endpoint {
        problems.check(field, endpoint, parse_endpoint(endpoint, place));
    }
}

fn parse_endpoint(endpoint: &str, place: Place) -> Result<(), EndpointError> {
    let rest = endpoint
        .strip_prefix("https://")
        .or_else(|| endpoint.strip_prefix("http://"))
        .ok_or(EndpointError::Scheme)?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '@', '\\']) {
        return Err(EndpointError::Rest);
    }
    let (host, port) = split_port(authority).ok_or(EndpointError::Host)?;
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(EndpointError::Host);
    }
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_name = host.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    match address {
        Some(address) if is_forbidden(address, place) => Err(EndpointError::Forbidden),
        None if !is_name => Err(EndpointError::Host),
        None if place == Place::Cluster && host.eq_ignore_ascii_case("localhost") => {
            Err(EndpointError::Forbidden)
        }
        Some(_) | None => Ok(()),
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let (host, rest) = authority.split_at(authority.find(']')? + 1);
        return match rest.strip_prefix(':') {
            None if rest.is_empty() => Some((host, None)),
            None => None,
            Some(port) => Some((host, Some(port))),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

/// Metadata services live at link-local addresses; a pod's own host is never a store. What a name
/// resolves to is looked at again when the worker connects.
fn is_forbidden(address: IpAddr, place: Place) -> bool {
    /// The metadata service of EC2 over IPv6.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address == METADATA,
    };
    is_link_local
        || address.is_unspecified()
        || address.is_multicast()
        || (place == Place::Cluster && address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t07_addresses_that_no_store_has_are_refused() {
        for endpoint in [
            "http://169.254.169.254",
            "http://169.254.170.23:80/",
            "http://[fe80::1]:9000",
            "http://[fd00:ec2::254]",
            "http://[::ffff:169.254.169.254]",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
            "https://localhost:9000",
            "http://0.0.0.0:9000",
        ] {
            assert_eq!(
                parse_endpoint(endpoint, Place::Cluster),
                Err(EndpointError::Forbidden),
                "{endpoint}"
            );
        }
        assert_eq!(parse_endpoint("http://127.0.0.1:9000", Place::Host), Ok(()));
        assert_eq!(
            parse_endpoint("http://169.254.1.1", Place::Host),
            Err(EndpointError::Forbidden)
        );
    }

    #[test]
    fn an_endpoint_is_scheme_host_and_port() {
        for endpoint in [
            "https://minio.example:9000",
            "http://10.88.0.1:9000/",
            "https://s3.eu-south-1.amazonaws.com",
            "http://[2001:db8::1]:9000",
            "http://minio",
        ] {
            assert_eq!(
                parse_endpoint(endpoint, Place::Cluster),
                Ok(()),
                "{endpoint}"
            );
        }
        for (endpoint, error) in [
            ("minio.example", EndpointError::Scheme),
            ("ftp://minio.example", EndpointError::Scheme),
            ("https://", EndpointError::Host),
            ("https://a..b", EndpointError::Host),
            ("https://a b", EndpointError::Host),
            ("https://minio:99999", EndpointError::Host),
            ("https://minio:", EndpointError::Host),
            ("https://[::1", EndpointError::Host),
            ("https://minio/path", EndpointError::Rest),
            ("https://key:secret@minio", EndpointError::Rest),
            ("https://minio?x=y", EndpointError::Rest),
        ] {
            assert_eq!(
                parse_endpoint(endpoint, Place::Cluster),
                Err(error),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn t10_a_topic_is_named_by_its_arn() {
        for (arn, is_valid) in [
            ("arn:aws:sns:eu-south-1:123456789012:backups", true),
            ("arn:aws-cn:sns:cn-north-1:123456789012:b_a", true),
            ("arn:aws:sns:eu-south-1:123456789012:backups.fifo", false),
            ("arn:aws:sqs:eu-south-1:123456789012:backups", false),
            ("arn:aws:sns:eu-south-1:12345:backups", false),
            ("arn:aws:sns:eu-south-1:123456789012:a:b", false),
            ("backups", false),
        ] {
            let topic = SnsTopic {
                topic_arn: arn.to_owned(),
                endpoint: None,
                notices: Vec::new(),
            };
            let mut problems = Problems::default();
            check_topic(&topic, Place::Cluster, &mut problems);
            assert_eq!(problems.into_vec().is_empty(), is_valid, "{arn}");
        }
    }
}
