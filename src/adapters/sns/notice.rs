//! A notice as SNS takes it, within its limits.

use aws_sdk_sns::types::MessageAttributeValue;
use serde_json::json;

use super::SnsError;
use crate::plan::notice::{Attribute, Notice, SUBJECT_MAX_CHARACTERS};

/// The most bytes that body, attribute names, types and values may have together.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
pub const NOTICE_MAX_BYTES: usize = 256 * 1024;

/// The most attributes that reach a queue with raw delivery; it drops notices with more.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html>
pub const ATTRIBUTES_MAX: usize = 10;

/// The body for each kind of subscriber, as JSON: a short one for a telephone, the whole one for
/// all others. It is written by a serialiser, so no name can add a kind of its own.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
pub(super) fn message(notice: &Notice) -> String {
    json!({ "default": notice.body, "email": notice.body, "sms": notice.sms }).to_string()
}

/// What SNS would refuse, or accept and then not deliver.
pub(super) fn check(notice: &Notice) -> Result<(), SnsError> {
    match subject_fault(&notice.subject).or_else(|| content_fault(notice)) {
        Some(what) => Err(SnsError::Malformed { what }),
        None => Ok(()),
    }
}

fn content_fault(notice: &Notice) -> Option<&'static str> {
    if notice.body.is_empty() || notice.sms.is_empty() {
        return Some("body is empty");
    }
    if notice.attributes.len() > ATTRIBUTES_MAX {
        return Some("attributes are too many");
    }
    let mut size_bytes = message(notice).len();
    for (name, attribute) in &notice.attributes {
        let (kind, text) = written(attribute);
        if name.is_empty() || text.is_empty() {
            return Some("attribute is empty");
        }
        size_bytes += name.len() + kind.len() + text.len();
    }
    (size_bytes > NOTICE_MAX_BYTES).then_some("body and attributes are too large")
}

fn subject_fault(subject: &str) -> Option<&'static str> {
    let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if subject.is_empty() || subject.starts_with(' ') || !subject.bytes().all(is_plain) {
        return Some("subject is not a line of ASCII");
    }
    (subject.len() > SUBJECT_MAX_CHARACTERS).then_some("subject is too long")
}

/// A value as SNS takes it.
pub(super) fn value(attribute: &Attribute) -> MessageAttributeValue {
    let (kind, text) = written(attribute);
    MessageAttributeValue::builder()
        .data_type(kind)
        .string_value(text)
        .build()
        .expect("the data type, which is all it requires, is set")
}

fn written(attribute: &Attribute) -> (&'static str, String) {
    match attribute {
        Attribute::Text(text) => ("String", text.clone()),
        Attribute::Number(number) => ("Number", number.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Notice {
        Notice {
            subject: "Backup done".to_owned(),
            body: "All is well.".to_owned(),
            sms: "Done.".to_owned(),
            attributes: vec![],
        }
    }

    fn refused(notice: &Notice) -> &'static str {
        match check(notice) {
            Err(SnsError::Malformed { what }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn t10_a_subject_is_one_plain_line() {
        assert_eq!(check(&notice()), Ok(()));
        for subject in ["", " x", "a\nb", "naïve", "\u{202e}x", "tab\t"] {
            let notice = Notice {
                subject: subject.to_owned(),
                ..notice()
            };
            assert_eq!(
                refused(&notice),
                "subject is not a line of ASCII",
                "{subject:?}"
            );
        }
        let long = Notice {
            subject: "x".repeat(SUBJECT_MAX_CHARACTERS + 1),
            ..notice()
        };
        assert_eq!(refused(&long), "subject is too long");
    }

    #[test]
    fn t10_no_text_adds_a_kind_of_subscriber() {
        let body = "\", \"http\": \"x\n\u{0}".to_owned();
        let notice = Notice {
            body: body.clone(),
            ..notice()
        };
        let read: serde_json::Value = serde_json::from_str(&message(&notice)).expect("JSON");
        assert_eq!(read["default"], body);
        assert_eq!(read.as_object().map(serde_json::Map::len), Some(3));
    }

    #[test]
    fn n03_what_would_not_be_delivered_is_refused() {
        let attribute = |text: &str| ("name", Attribute::Text(text.to_owned()));
        let many = vec![attribute("x"); ATTRIBUTES_MAX + 1];
        assert_eq!(
            refused(&Notice {
                attributes: many,
                ..notice()
            }),
            "attributes are too many"
        );
        let empty = vec![attribute("")];
        assert_eq!(
            refused(&Notice {
                attributes: empty,
                ..notice()
            }),
            "attribute is empty"
        );
        let over = Notice {
            body: "x".repeat(NOTICE_MAX_BYTES),
            ..notice()
        };
        assert_eq!(refused(&over), "body and attributes are too large");
    }
}
