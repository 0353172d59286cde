//! EKS Pod Identity: the node's agent hands out keys for a service account's token.
//! <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>

use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials as Keys;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider as Tls;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::Format;
use serde_json::Value;

use super::{CredentialsError, files};

/// The agent's addresses: the only link-local ones that are ever asked.
const AGENTS: [&str; 2] = ["http://169.254.170.23/", "http://[fd00:ec2::23]/"];

/// How long the agent may take. It is on the same node.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

const BY: &str = "the Pod Identity agent";

/// Accepts the agent's address only: whoever could put another one here would get the token.
pub(super) fn check_address(uri: &str) -> Result<(), CredentialsError> {
    if AGENTS.iter().any(|agent| uri.starts_with(agent)) {
        return Ok(());
    }
    Err(CredentialsError::AddressNotAllowed {
        uri: uri.to_owned(),
    })
}

/// Asks the agent.
pub(super) async fn keys(uri: &str, token_file: &Path) -> Result<Keys, CredentialsError> {
    check_address(uri)?;
    let token = files::read_token(token_file)?;
    match tokio::time::timeout(ANSWER_WITHIN, ask(uri, &token)).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(unavailable(elapsed)),
    }
}

async fn ask(uri: &str, token: &str) -> Result<Keys, CredentialsError> {
    let mut request = HttpRequest::get(uri).map_err(unavailable)?;
    request
        .headers_mut()
        .try_insert("authorization", token.to_owned())
        .map_err(unavailable)?;
    let connector = Connector::builder()
        .tls_provider(Tls::Rustls(CryptoMode::AwsLc))
        .build();
    let response = connector.call(request).await.map_err(unavailable)?;
    let status = response.status();
    if status.is_client_error() {
        return Err(CredentialsError::Refused {
            by: BY,
            code: format!("HTTP {}", status.as_u16()),
        });
    }
    let body = ByteStream::new(response.into_body())
        .collect()
        .await
        .map_err(unavailable)?;
    if !status.is_success() {
        return Err(unavailable(format!("HTTP {}", status.as_u16())));
    }
    parse(&body.into_bytes()).ok_or_else(|| unavailable("its answer holds no keys"))
}

fn parse(body: &[u8]) -> Option<Keys> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let text = |name| answer.get(name).and_then(Value::as_str);
    let expiry = text("Expiration")?;
    let expiry = aws_smithy_types::DateTime::from_str(expiry, Format::DateTime).ok()?;
    Some(Keys::new(
        text("AccessKeyId")?,
        text("SecretAccessKey")?,
        text("Token").map(str::to_owned),
        Some(expiry.try_into().ok()?),
        "PodIdentity",
    ))
}

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CredentialsError {
    CredentialsError::Unavailable {
        by: BY,
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stand_in::{answer, answering};
    use super::*;

    #[test]
    fn only_the_agent_is_asked() {
        for uri in [
            "http://169.254.169.254/latest/meta-data/",
            "http://169.254.170.23.example.com/",
            "http://169.254.170.23@example.com/",
            "http://127.0.0.1/",
            "https://example.com/",
        ] {
            assert!(check_address(uri).is_err(), "{uri}");
        }
        assert!(check_address("http://169.254.170.23/v1/credentials").is_ok());
        assert!(check_address("http://[fd00:ec2::23]/v1/credentials").is_ok());
    }

    #[tokio::test]
    async fn the_agent_sees_the_token_and_hands_out_keys() {
        let body = r#"{"AccessKeyId":"id","SecretAccessKey":"key","Token":"t",
            "Expiration":"2030-01-01T00:00:00Z"}"#;
        let (uri, asked) = answering(answer("200 OK", body)).await;
        let keys = ask(&uri, "the-token").await.unwrap();
        assert_eq!(
            (keys.access_key_id(), keys.session_token()),
            ("id", Some("t"))
        );
        assert!(keys.expiry().is_some());
        assert!(asked.lock().unwrap()[0].contains("authorization: the-token"));
    }

    #[tokio::test]
    async fn s15_a_refusal_is_told_from_a_failure() {
        let (uri, _) = answering(answer("403 Forbidden", "")).await;
        assert!(!ask(&uri, "t").await.unwrap_err().is_retryable());
        let (uri, _) = answering(answer("500 Oops", "")).await;
        assert!(ask(&uri, "t").await.unwrap_err().is_retryable());
    }
}
