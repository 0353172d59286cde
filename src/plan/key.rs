//! Paths and keys: how any name becomes an S3 key, and back, and in which order.
//!
//! The encoding is injective and reversible, and plain names stay plain. Escaped, as `%XX` per
//! byte, are: bytes that are not UTF-8; control, separator and bidirectional characters; the two
//! code points that XML cannot carry; `%` itself; and the leading dot of a component that is `.`,
//! `..` or the reserved `.long`. A component over 255 bytes after escaping, or a key over 1,024,
//! goes to `.long/<sha256 of the path>`; its name stands in the catalog only.
//!
//! The order is the byte order of the encoded path, a directory counting as `name/`: the order
//! in which S3 lists the keys.

use std::borrow::Cow;

use sha2::Digest;

use crate::api::catalog::Kind;

/// The longest key in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
pub const KEY_MAX_BYTES: usize = 1024;

/// The longest component in bytes: what file systems, and stores built on them, take.
const COMPONENT_MAX_BYTES: usize = 255;

/// Where the files whose encoded names are too long go.
const LONG: &str = ".long";

/// The path as it stands in keys, before overlong names are set apart.
#[must_use]
pub fn encode(path: &[u8]) -> Cow<'_, str> {
    if is_plain(path) {
        // Plain paths are ASCII, so this never replaces anything.
        return String::from_utf8_lossy(path);
    }
    let mut encoded = String::with_capacity(path.len() + 16);
    for (index, component) in path.split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            encoded.push('/');
        }
        encode_component(component, &mut encoded);
    }
    Cow::Owned(encoded)
}

/// The path that [`encode`] made this of; `None` for what it never makes.
#[must_use]
pub fn decode(encoded: &str) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let mut decoded = [0];
            hex::decode_to_slice(digits, &mut decoded).ok()?;
            path.push(decoded[0]);
        } else {
            path.push(byte);
        }
    }
    (encode(&path) == encoded).then_some(path)
}

/// What entries are ordered by: the encoded path, followed by `/` for a directory.
#[must_use]
pub fn order_key(path: &[u8], kind: Kind) -> Cow<'_, [u8]> {
    let encoded: Cow<'_, [u8]> = match encode(path) {
        Cow::Borrowed(_) => Cow::Borrowed(path),
        Cow::Owned(encoded) => Cow::Owned(encoded.into_bytes()),
    };
    match kind {
        Kind::Directory => {
            let mut key = encoded.into_owned();
            key.push(b'/');
            Cow::Owned(key)
        }
        Kind::File
        | Kind::Symlink
        | Kind::Fifo
        | Kind::Socket
        | Kind::CharacterDevice
        | Kind::BlockDevice => encoded,
    }
}

/// Whether a path stands among rows where it stands, as a key, in a listing. The `%` that is escaped
/// in keys of ours leaves the order as it is; what else is escaped does not.
#[must_use]
pub fn keeps_order(path: &str) -> bool {
    encode(path.as_bytes()).replace("%25", "%") == path
}

/// The key of a file's object: `data/<prefix>/<encoded path>`.
#[must_use]
pub fn data_key(prefix: &str, path: &[u8]) -> String {
    let encoded = encode(path);
    let key = format!("data/{prefix}/{encoded}");
    let is_long = key.len() > KEY_MAX_BYTES
        || encoded
            .split('/')
            .any(|component| component.len() > COMPONENT_MAX_BYTES);
    if is_long {
        return format!(
            "data/{prefix}/{LONG}/{}",
            hex::encode(sha2::Sha256::digest(path))
        );
    }
    key
}

/// A path for a reader: never a control character, never ambiguous. It is the encoded form.
#[must_use]
pub fn display(path: &[u8]) -> String {
    encode(path).into_owned()
}

/// A text for a reader, as it was written but for what would mislead: control characters and
/// those that reorder or break a line are escaped. It is not reversible.
#[must_use]
pub fn legible(text: &str) -> String {
    let mut legible = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '%' || is_kept(character) {
            legible.push(character);
        } else {
            escape(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut legible);
        }
    }
    legible
}

fn is_plain(path: &[u8]) -> bool {
    let mut previous = b'/';
    for &byte in path {
        let starts_with_dot = previous == b'/' && byte == b'.';
        if !(0x20..0x7f).contains(&byte) || byte == b'%' || starts_with_dot {
            return false;
        }
        previous = byte;
    }
    true
}

fn encode_component(component: &[u8], encoded: &mut String) {
    if component == b"." || component == b".." || component == LONG.as_bytes() {
        escape(b".", encoded);
        // `..` would otherwise keep a dot that some stores read as a component of its own.
        for &byte in &component[1..] {
            if byte == b'.' {
                escape(b".", encoded);
            } else {
                encoded.push(char::from(byte));
            }
        }
        return;
    }
    for chunk in component.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_kept(character) {
                encoded.push(character);
            } else {
                escape(character.encode_utf8(&mut [0; 4]).as_bytes(), encoded);
            }
        }
        escape(chunk.invalid(), encoded);
    }
}

fn escape(bytes: &[u8], encoded: &mut String) {
    for byte in bytes {
        encoded.push('%');
        encoded.push_str(&hex::encode_upper([*byte]));
    }
}

fn is_kept(character: char) -> bool {
    !(character == '%'
        || character.is_control()
        || matches!(
            character,
            // Marks, embeddings, overrides and isolates that reorder what a reader sees.
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
                | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators, the byte order mark, and what XML cannot carry.
            | '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}'
        ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(path: &[u8], encoded: &str) {
        assert_eq!(encode(path), encoded);
        assert_eq!(decode(encoded).as_deref(), Some(path));
    }

    #[test]
    fn a_text_is_shown_as_it_was_written() {
        assert_eq!(legible("a/../100% ü"), "a/../100% ü");
        assert_eq!(legible("a\n\x1b[31m\u{202e}"), "a%0A%1B[31m%E2%80%AE");
    }

    #[test]
    fn plain_names_stay_plain() {
        check(
            b"contracts/2026/offer (final).pdf",
            "contracts/2026/offer (final).pdf",
        );
        check("Übersicht/ąść.txt".as_bytes(), "Übersicht/ąść.txt");
        check(b".hidden/.config", ".hidden/.config");
    }

    #[test]
    fn w23_what_would_mislead_or_be_refused_is_escaped() {
        check(b"100%", "100%25");
        check(b"a\nb\x1b", "a%0Ab%1B");
        check(b"\xff/x", "%FF/x");
        check("gpj.\u{202E}exe".as_bytes(), "gpj.%E2%80%AEexe");
        check(b"./..", "%2E/%2E%2E");
        check(b".long/x", "%2Elong/x");
    }

    #[test]
    fn what_encode_never_makes_is_not_decoded() {
        for encoded in ["%", "%4", "%zz", "%41", "%2f", "..", ".long"] {
            assert_eq!(decode(encoded), None, "{encoded}");
        }
    }

    #[test]
    fn w24_overlong_names_go_to_the_long_folder() {
        let long = [b'x'; 256];
        assert!(data_key("a/b", &long).starts_with("data/a/b/.long/"));
        assert_eq!(
            data_key("a/b", &long[..255]),
            format!("data/a/b/{}", "x".repeat(255))
        );
        let deep = vec![b'd'; 200].join_times(6);
        assert!(data_key("p", &deep).starts_with("data/p/.long/"));
    }

    #[test]
    fn a_directory_is_ordered_as_its_children_are() {
        let directory = order_key(b"a", Kind::Directory);
        assert!(order_key(b"a!", Kind::File) < directory);
        assert!(directory < order_key(b"a/b", Kind::File));
        assert!(order_key(b"a/z", Kind::File) < order_key(b"a0", Kind::File));
    }

    proptest! {
        #[test]
        fn a04_any_two_paths_have_different_keys(
            a in component_bytes(), b in component_bytes()
        ) {
            prop_assert_eq!(decode(&encode(&a)), Some(a.clone()));
            prop_assert_eq!(a == b, data_key("p", &a) == data_key("p", &b));
        }
    }

    fn component_bytes() -> impl Strategy<Value = Vec<u8>> {
        let awkward = prop_oneof![
            Just(b'.'),
            Just(b'%'),
            Just(b'l'),
            Just(b'o'),
            Just(b'n'),
            Just(b'g'),
            Just(b'2'),
            Just(b'E'),
            Just(0xE2),
            Just(0x80),
            Just(0xAE),
            Just(0x0A),
            1..=255_u8,
        ];
        proptest::collection::vec(awkward.prop_filter("a slash ends it", |b| *b != b'/'), 1..8)
    }

    trait JoinTimes {
        fn join_times(&self, times: usize) -> Vec<u8>;
    }

    impl JoinTimes for Vec<u8> {
        fn join_times(&self, times: usize) -> Vec<u8> {
            vec![self.clone(); times].join(&b'/')
        }
    }
}
