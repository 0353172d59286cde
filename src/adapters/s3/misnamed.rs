//! Answers that are right but for the name of their root, which the SDK therefore refuses.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;

/// Whether the one status in an answer says "enabled", where a server names the root of the answer
/// after the operation: `GetBucketVersioningResponse` in place of `VersioningConfiguration`.
pub(super) fn is_enabled<E>(
    error: &SdkError<E, HttpResponse>,
    operation: &'static str,
) -> Option<bool> {
    let raw = error.raw_response()?;
    let body = raw.body().bytes().filter(|_| raw.status().is_success())?;
    read(str::from_utf8(body).ok()?, operation)
}

fn read(body: &str, operation: &str) -> Option<bool> {
    body.contains(&format!("<{operation}Response"))
        .then(|| body.contains("<Status>Enabled</Status>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_under_another_name_is_read_and_nothing_else() {
        let answer = |status: &str| {
            let body = format!("<?xml?>\n<GetItResponse xmlns=\"x\">{status}</GetItResponse>");
            read(&body, "GetIt")
        };
        assert_eq!(answer("<Status>Enabled</Status>"), Some(true));
        assert_eq!(answer("<Status>Suspended</Status>"), Some(false));
        assert_eq!(answer(""), Some(false));
        assert_eq!(read("<html><Status>Enabled</Status>", "GetIt"), None);
    }
}
