//! Extended attributes as one binary value.
//!
//! For each attribute, sorted by name: the name's length (2 bytes, big-endian), the name, the
//! value's length (4 bytes, big-endian), the value. No attributes, no value.

/// The most bytes that the attributes of one entry may take, encoded. A file system with larger
/// ones exists; whoever fills a row leaves such attributes out and says so.
/// <https://man7.org/linux/man-pages/man7/xattr.7.html>
pub const XATTRS_MAX_BYTES: usize = 256 * 1024;

/// The attributes, (name, value), as one value; empty for none.
pub(super) fn encode(attributes: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<u8>, &'static str> {
    let mut encoded = Vec::new();
    for (name, value) in attributes {
        let name_length = u16::try_from(name.len()).map_err(|_| "has a name that is too long")?;
        let value_length = u32::try_from(value.len()).map_err(|_| "is too long")?;
        encoded.extend_from_slice(&name_length.to_be_bytes());
        encoded.extend_from_slice(name);
        encoded.extend_from_slice(&value_length.to_be_bytes());
        encoded.extend_from_slice(value);
    }
    check(&encoded)?;
    Ok(encoded)
}

/// Whether [`encode`] made this.
pub(super) fn check(encoded: &[u8]) -> Result<(), &'static str> {
    if encoded.len() > XATTRS_MAX_BYTES {
        return Err("is too long");
    }
    let mut rest = encoded;
    let mut last: &[u8] = b"";
    while !rest.is_empty() {
        let (name, _, after) = split(rest).ok_or("is cut short")?;
        // An empty name never comes after the empty name that it is first compared with.
        if name <= last {
            return Err("has names that do not increase");
        }
        if name.contains(&0) {
            return Err("has a name with a NUL");
        }
        (last, rest) = (name, after);
    }
    Ok(())
}

/// The attributes of a value that has been checked.
pub(super) fn decode(encoded: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut attributes = Vec::new();
    let mut rest = encoded;
    while let Some((name, value, after)) = split(rest) {
        attributes.push((name.to_vec(), value.to_vec()));
        rest = after;
    }
    attributes
}

/// The first name, its value, and what follows.
fn split(encoded: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = encoded.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (length, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?)?;
    Some((name, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, value: &[u8]) -> (Vec<u8>, Vec<u8>) {
        (name.as_bytes().to_vec(), value.to_vec())
    }

    #[test]
    fn attributes_come_back() {
        let attributes = [attribute("user.a", b""), attribute("user.b", b"\0\xff")];
        let encoded = encode(&attributes).expect("they are sorted");
        assert_eq!(decode(&encoded), attributes);
        assert_eq!(encode(&[]).expect("there are none"), b"");
    }

    #[test]
    fn c07_what_encode_never_makes_is_refused() {
        let encoded = encode(&[attribute("user.a", b"value")]).expect("it is one");
        for length in 1..encoded.len() {
            assert_eq!(check(&encoded[..length]), Err("is cut short"), "{length}");
        }
        assert!(check(&encoded.repeat(2)).is_err());
        assert!(check(&[0, 0, 0, 0, 0, 0]).is_err());
        assert!(check(&[0xff; 64]).is_err());
        assert!(encode(&[attribute("b", b""), attribute("a", b"")]).is_err());
        assert!(encode(&[attribute("a", &vec![0; XATTRS_MAX_BYTES])]).is_err());
    }
}
