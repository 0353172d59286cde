//! What a topic tells its subscribers, within the limits of SNS.

use aws_sdk_sns::types::MessageAttributeValue;

use super::SnsError;

/// The most bytes that body, attribute names, types and values may have together.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
pub const NOTICE_MAX_BYTES: usize = 256 * 1024;

/// The most characters of a subject, ASCII without control characters.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
pub const SUBJECT_MAX_CHARS: usize = 99;

/// The most attributes that reach a queue with raw delivery; it drops notices with more.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html>
pub const ATTRIBUTES_MAX: usize = 10;

/// What a topic tells its subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The subject of an e-mail; ASCII, [`SUBJECT_MAX_CHARS`] at most.
    pub subject: String,
    /// The text, the same for every kind of subscriber.
    pub body: String,
    /// What subscribers filter by; [`ATTRIBUTES_MAX`] at most, none of them empty.
    pub attributes: Vec<(String, Attribute)>,
}

/// A value that subscribers filter by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A text.
    String(String),
    /// A number, which filters can compare.
    Number(i64),
}

impl Notice {
    /// What SNS would refuse, or accept and then not deliver.
    pub(super) fn check(&self) -> Result<(), SnsError> {
        match subject_fault(&self.subject).or_else(|| self.content_fault()) {
            Some(what) => Err(SnsError::Malformed { what }),
            None => Ok(()),
        }
    }

    fn content_fault(&self) -> Option<&'static str> {
        if self.body.is_empty() {
            return Some("body is empty");
        }
        if self.attributes.len() > ATTRIBUTES_MAX {
            return Some("attributes are too many");
        }
        let mut size_bytes = self.body.len();
        for (name, attribute) in &self.attributes {
            let (kind, text) = attribute.written();
            if name.is_empty() || text.is_empty() {
                return Some("attribute is empty");
            }
            size_bytes += name.len() + kind.len() + text.len();
        }
        (size_bytes > NOTICE_MAX_BYTES).then_some("body and attributes are too large")
    }
}

fn subject_fault(subject: &str) -> Option<&'static str> {
    let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if subject.is_empty() || subject.starts_with(' ') || !subject.bytes().all(is_plain) {
        return Some("subject is not a line of ASCII");
    }
    (subject.len() > SUBJECT_MAX_CHARS).then_some("subject is too long")
}

impl Attribute {
    pub(super) fn value(&self) -> MessageAttributeValue {
        let (kind, text) = self.written();
        MessageAttributeValue::builder()
            .data_type(kind)
            .string_value(text)
            .build()
            .expect("the data type, which is all it requires, is set")
    }

    fn written(&self) -> (&'static str, String) {
        match self {
            Self::String(text) => ("String", text.clone()),
            Self::Number(number) => ("Number", number.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Notice {
        Notice {
            subject: "Backup done".to_owned(),
            body: "All is well.".to_owned(),
            attributes: vec![],
        }
    }

    fn refused(notice: &Notice) -> &'static str {
        match notice.check() {
            Err(SnsError::Malformed { what }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn t10_a_subject_is_one_plain_line() {
        assert_eq!(notice().check(), Ok(()));
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
            subject: "x".repeat(SUBJECT_MAX_CHARS + 1),
            ..notice()
        };
        assert_eq!(refused(&long), "subject is too long");
    }

    #[test]
    fn what_would_not_be_delivered_is_refused() {
        let attribute = |text: &str| ("name".to_owned(), Attribute::String(text.to_owned()));
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
        let body = "x".repeat(NOTICE_MAX_BYTES);
        assert_eq!(
            (Notice {
                body: body.clone(),
                ..notice()
            })
            .check(),
            Ok(())
        );
        let over = Notice {
            body,
            attributes: vec![attribute("x")],
            ..notice()
        };
        assert_eq!(refused(&over), "body and attributes are too large");
    }
}
