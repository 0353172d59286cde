//! Queues: where one is, by its URL.

use super::names::partition;
use crate::api::run::QueueOrder;

/// The queue of a URL. Of one that is not AWS's, what stands before the account is its endpoint, and
/// its region is taken to be the bucket's.
/// <https://docs.aws.amazon.com/general/latest/gr/sqs-service.html>
#[must_use]
pub fn resolve(url: &str, bucket_region: &str) -> QueueOrder {
    let parts = split(url);
    let own_region = parts.and_then(|(_, host, _)| region_of(host));
    let endpoint = parts.filter(|_| own_region.is_none());
    QueueOrder {
        url: url.to_owned(),
        region: own_region.unwrap_or(bucket_region).to_owned(),
        endpoint: endpoint.map(|(scheme, host, _)| format!("{scheme}://{host}")),
    }
}

/// The region in a host name of AWS's, also in the form of long ago, `REGION.queue.amazonaws.com`.
fn region_of(host: &str) -> Option<&str> {
    let (name, _) = host.split_once(".amazonaws.com")?;
    name.strip_prefix("sqs.")
        .or_else(|| name.strip_suffix(".queue"))
}

/// Checks a queue's URL. A schema has seen it already, but for one in a file.
pub(super) fn check(queue: &QueueOrder) -> Result<(), String> {
    let form = "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME";
    let path = split(&queue.url).and_then(|(_, _, path)| path.split_once('/'));
    let Some((account, name)) = path else {
        return Err(format!("is not the URL of a queue: it looks like {form}"));
    };
    if name.strip_suffix(".fifo").is_some() {
        return Err("is a FIFO queue, and S3 sends to standard queues only".to_owned());
    }
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = !name.is_empty()
        && name.len() <= 80
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_account && is_name {
        Ok(())
    } else {
        Err(format!("is not the URL of a queue: it looks like {form}"))
    }
}

/// The ARN, as a right names it.
#[must_use]
pub fn arn(queue: &QueueOrder) -> Option<String> {
    let (_, _, path) = split(&queue.url)?;
    let (account, name) = path.split_once('/')?;
    let region = &queue.region;
    Some(format!(
        "arn:{}:sqs:{region}:{account}:{name}",
        partition(region)
    ))
}

/// Scheme, host with its port, and path.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, path) = rest.split_once('/')?;
    Some((scheme, host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_aws_is_where_its_url_says() {
        let queue = resolve(
            "https://sqs.eu-west-1.amazonaws.com/123456789012/up",
            "us-east-1",
        );
        assert_eq!(
            (queue.region.as_str(), &queue.endpoint),
            ("eu-west-1", &None)
        );
        assert_eq!(
            arn(&queue).as_deref(),
            Some("arn:aws:sqs:eu-west-1:123456789012:up")
        );
        let queue = resolve(
            "https://eu-west-1.queue.amazonaws.com/123456789012/up",
            "us-east-1",
        );
        assert_eq!(queue.region, "eu-west-1");
        let queue = resolve(
            "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/up",
            "us-east-1",
        );
        assert_eq!(
            arn(&queue).as_deref(),
            Some("arn:aws-cn:sqs:cn-north-1:123456789012:up")
        );
        assert_eq!(check(&queue), Ok(()));
    }

    #[test]
    fn another_queue_is_asked_where_its_url_says() {
        let queue = resolve("http://127.0.0.1:5000/123456789012/up", "eu-south-1");
        assert_eq!(queue.region, "eu-south-1");
        assert_eq!(queue.endpoint.as_deref(), Some("http://127.0.0.1:5000"));
    }

    #[test]
    fn what_is_no_queue_is_told() {
        for (url, told) in [
            (
                "https://sqs.eu-west-1.amazonaws.com/123456789012/up.fifo",
                "FIFO",
            ),
            ("https://sqs.eu-west-1.amazonaws.com/up", "looks like"),
            (
                "https://sqs.eu-west-1.amazonaws.com/12345678901x/up",
                "looks like",
            ),
            (
                "https://sqs.eu-west-1.amazonaws.com/123456789012/a b",
                "looks like",
            ),
            ("up", "looks like"),
        ] {
            let error = check(&resolve(url, "r")).expect_err(url);
            assert!(error.contains(told), "{url}: {error}");
        }
    }
}
