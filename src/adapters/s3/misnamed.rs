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

/// Whether the answer says nothing at all, where its root is named after the operation.
pub(super) fn is_empty<E>(error: &SdkError<E, HttpResponse>, operation: &'static str) -> bool {
    let body = error
        .raw_response()
        .filter(|raw| raw.status().is_success())
        .and_then(|raw| str::from_utf8(raw.body().bytes()?).ok());
    body.is_some_and(|body| is_bare(body, operation))
}

fn is_bare(body: &str, operation: &str) -> bool {
    let root = body.rsplit_once('<').map_or("", |(_, root)| root);
    root.starts_with(&format!("{operation}Response")) && root.trim_end().ends_with("/>")
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

    #[test]
    fn an_answer_is_empty_where_its_root_is_all_of_it() {
        assert!(is_bare("<?xml?>\n<GetItResponse xmlns=\"x\"/>\n", "GetIt"));
        assert!(!is_bare(
            "<?xml?>\n<GetItResponse><It/></GetItResponse>",
            "GetIt"
        ));
        assert!(!is_bare("<html/>", "GetIt"));
    }
}
