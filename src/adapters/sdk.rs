//! What the clients of AWS services share: how they wait, and what they may repeat.
//!
//! A tenant may name any endpoint, and what is told here ends in a status that the tenant reads.
//! So no more than an error code and one bounded line comes out of an answer; never a body, a
//! header or an address.

use std::error::Error;
use std::time::Duration;

use aws_config::AppName;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::error::CredentialsError as SdkCredentialsError;

use super::credentials::CredentialsError;

/// How often one request is sent at most. The SDK pauses between attempts, up to 20 s, and stops
/// earlier when most of a client's requests fail.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
const ATTEMPTS_MAX: u32 = 4;

/// The longest error code that is passed on; the services' own are shorter.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
const CODE_MAX_BYTES: usize = 64;

/// The longest text that is passed on.
const DETAIL_MAX_CHARS: usize = 400;

/// How long to wait for a connection.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How often a request is sent.
pub(super) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX)
}

/// How long one attempt of a request may take.
pub(super) fn attempts_within(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_WITHIN)
        .operation_attempt_timeout(attempt)
        .build()
}

/// The name that requests carry, for whoever reads the audit trail.
pub(super) fn app_name() -> AppName {
    AppName::new("backstay").expect("letters are allowed in it")
}

/// An error and its causes, each said once.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !told.ends_with(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        next = cause.source();
    }
    told
}

/// What an error comes down to: the SDK wraps "connection refused" into four layers that say only
/// that a request was being sent.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Why there were no credentials, where that is why a request failed and who hands them out said
/// so.
pub(super) fn credentials_error<'a>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a CredentialsError> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<CredentialsError>() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// Whether credentials did not come in time, without a word of who hands them out.
pub(super) fn is_without_credentials(error: &(dyn Error + 'static)) -> bool {
    error.is::<SdkCredentialsError>() || error.source().is_some_and(is_without_credentials)
}

/// An error code, if it is one.
pub(super) fn code(code: Option<&str>) -> Option<&str> {
    code.filter(|code| {
        !code.is_empty()
            && code.len() <= CODE_MAX_BYTES
            && code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    })
}

/// A code and what was said with it, or the code alone.
pub(super) fn with_code(code: &str, detail: &str) -> String {
    if detail.is_empty() {
        code.to_owned()
    } else {
        format!("{code}: {detail}")
    }
}

/// A text without line breaks and other control characters, and not too long.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(DETAIL_MAX_CHARS)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_word() {
        assert_eq!(code(Some("NoSuchKey")), Some("NoSuchKey"));
        assert_eq!(
            code(Some("KMS.DisabledException")),
            Some("KMS.DisabledException")
        );
        for word in ["", "two words", "<html>", "a/b", &"x".repeat(65)] {
            assert_eq!(code(Some(word)), None, "{word}");
        }
    }

    #[test]
    fn a_text_is_one_bounded_line() {
        assert_eq!(one_line(" a\nb\u{1b}[0m "), "a b [0m");
        assert_eq!(
            one_line(&"é".repeat(1000)).chars().count(),
            DETAIL_MAX_CHARS
        );
    }

    #[test]
    fn a_cause_is_said_once() {
        let inner = std::io::Error::other("refused");
        let outer = CredentialsError::Unavailable {
            by: "the agent",
            source: Box::new(inner),
        };
        assert_eq!(causes(&outer), "the agent gave no credentials: refused");
        assert_eq!(root_cause(&outer), "refused");
        assert!(credentials_error(&outer).is_some());
    }
}
