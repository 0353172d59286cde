//! What an object says of its content, such as its type: from a source's object into the catalog, and
//! from there to whatever object it becomes again.
//!
//! A row keeps it among its extended attributes, under names that no file system has.

use std::borrow::Cow;

/// What the names of headers begin with, among extended attributes. Those of files begin with
/// `user.`, `trusted.`, `security.` or `system.`.
/// <https://man7.org/linux/man-pages/man7/xattr.7.html>
const ATTRIBUTE_PREFIX: &str = "s3:";

/// What the names of a user's own headers begin with.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
pub const USER_METADATA: &str = "x-amz-meta-";

/// The headers that are kept, besides the user's own.
const CACHE_CONTROL: &str = "cache-control";
const CONTENT_DISPOSITION: &str = "content-disposition";
const CONTENT_ENCODING: &str = "content-encoding";
const CONTENT_LANGUAGE: &str = "content-language";
const CONTENT_TYPE: &str = "content-type";

/// The types that stores make up where the writer gave none.
const NO_TYPES: [&str; 2] = ["binary/octet-stream", "application/octet-stream"];

/// An encoding that is of the way here, and no property of the object.
const IN_TRANSIT: &str = "aws-chunked";

/// Extended attributes, as (name, value), sorted by name.
type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// The headers of S3's that an object has, by their fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct System<'a> {
    /// `Cache-Control`.
    pub cache_control: Option<&'a str>,
    /// `Content-Disposition`.
    pub content_disposition: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// `Content-Language`.
    pub content_language: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
}

impl<'a> System<'a> {
    /// Those of them that say something, by name.
    pub fn headers(self) -> impl Iterator<Item = (String, String)> + use<'a> {
        let encoding = self.content_encoding.and_then(lasting);
        let content_type = self.content_type.filter(|kind| !NO_TYPES.contains(kind));
        let owned = |value: &'a str| Cow::Borrowed(value);
        [
            (CACHE_CONTROL, self.cache_control.map(owned)),
            (CONTENT_DISPOSITION, self.content_disposition.map(owned)),
            (CONTENT_ENCODING, encoding.map(Cow::Owned)),
            (CONTENT_LANGUAGE, self.content_language.map(owned)),
            (CONTENT_TYPE, content_type.map(owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into_owned())))
    }

    /// The same, of what [`Self::headers`] has made.
    #[must_use]
    pub fn of(headers: &'a [(String, String)]) -> Self {
        let find = |name: &str| {
            let mut found = headers.iter().filter(|(known, _)| known == name);
            found.next().map(|(_, value)| value.as_str())
        };
        Self {
            cache_control: find(CACHE_CONTROL),
            content_disposition: find(CONTENT_DISPOSITION),
            content_encoding: find(CONTENT_ENCODING),
            content_language: find(CONTENT_LANGUAGE),
            content_type: find(CONTENT_TYPE),
        }
    }
}

/// Headers as a row keeps them.
#[must_use]
pub fn to_attributes(headers: &[(String, String)]) -> Attributes {
    let named = headers.iter().map(|(name, value)| {
        let name = format!("{ATTRIBUTE_PREFIX}{name}");
        (name.into_bytes(), value.clone().into_bytes())
    });
    let mut attributes: Attributes = named.collect();
    attributes.sort_unstable();
    attributes.dedup_by(|one, other| one.0 == other.0);
    attributes
}

/// Whether an attribute of a row is a header, which no file can have.
#[must_use]
pub fn is_header(attribute: &[u8]) -> bool {
    attribute.starts_with(ATTRIBUTE_PREFIX.as_bytes())
}

/// The headers that a row keeps.
#[must_use]
pub fn of_attributes(attributes: &[(Vec<u8>, Vec<u8>)]) -> Vec<(String, String)> {
    let headers = attributes.iter().filter_map(|(name, value)| {
        let name = str::from_utf8(name).ok()?.strip_prefix(ATTRIBUTE_PREFIX)?;
        Some((name.to_owned(), str::from_utf8(value).ok()?.to_owned()))
    });
    headers.collect()
}

/// The headers for the object of a file: those that its row keeps, or else the type that its name
/// suggests, so that a browser shows it.
#[must_use]
pub fn of_file(path: &[u8], attributes: &[(Vec<u8>, Vec<u8>)]) -> Vec<(String, String)> {
    let headers = of_attributes(attributes);
    if !headers.is_empty() {
        return headers;
    }
    let name = path.rsplit(|byte| *byte == b'/').next();
    let name = name.and_then(|name| str::from_utf8(name).ok());
    let guessed = name.and_then(|name| mime_guess::from_path(name).first_raw());
    let guessed = guessed.map(|kind| (CONTENT_TYPE.to_owned(), kind.to_owned()));
    guessed.into_iter().collect()
}

/// Whether what a row keeps says that the content is encoded already.
#[must_use]
pub fn is_encoded(attributes: &[(Vec<u8>, Vec<u8>)]) -> bool {
    let mut headers = attributes.iter();
    headers.any(|(name, _)| {
        name.strip_prefix(ATTRIBUTE_PREFIX.as_bytes()) == Some(CONTENT_ENCODING.as_bytes())
    })
}

/// What of an encoding is the object's own.
fn lasting(encoding: &str) -> Option<String> {
    let parts = encoding.split(',').map(str::trim);
    let own: Vec<&str> = parts
        .filter(|part| !part.is_empty() && *part != IN_TRANSIT)
        .collect();
    (!own.is_empty()).then(|| own.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn what_a_row_keeps_comes_back() {
        let system = System {
            content_type: Some("text/html"),
            content_encoding: Some("gzip, aws-chunked"),
            cache_control: Some("no-cache"),
            ..System::default()
        };
        let mut headers: Vec<_> = system.headers().collect();
        headers.push(header("x-amz-meta-owner", "ü"));
        let attributes = to_attributes(&headers);
        assert!(attributes.is_sorted() && attributes.iter().all(|(name, _)| is_header(name)));
        assert!(is_encoded(&attributes));
        let back = of_attributes(&attributes);
        assert_eq!(back, headers);
        let system = System::of(&back);
        assert_eq!(system.content_encoding, Some("gzip"));
        assert_eq!(system.content_language, None);
    }

    #[test]
    fn what_says_nothing_is_not_kept() {
        let system = System {
            content_type: Some("binary/octet-stream"),
            content_encoding: Some("aws-chunked"),
            ..System::default()
        };
        assert_eq!(system.headers().next(), None);
        let of_a_file = (b"user.mime".to_vec(), b"x".to_vec());
        assert!(!is_header(&of_a_file.0) && !is_encoded(std::slice::from_ref(&of_a_file)));
        assert_eq!(of_attributes(&[of_a_file]), []);
    }

    #[test]
    fn a_file_has_the_type_that_its_name_suggests() {
        let of = |path: &[u8]| of_file(path, &[]);
        assert_eq!(of(b"a/B.PDF"), [header("content-type", "application/pdf")]);
        assert_eq!(of(b"summer.jpg"), [header("content-type", "image/jpeg")]);
        assert_eq!(of(b"a.pdf/unknown"), []);
        assert_eq!(of(b"a\xff.pdf"), []);
        let kept = to_attributes(&[header("content-type", "text/plain")]);
        assert_eq!(
            of_file(b"a.pdf", &kept),
            [header("content-type", "text/plain")]
        );
    }
}
