//! Extensions of file names, in any case.

use std::collections::HashSet;

/// A set of extensions, folded to lower case.
#[derive(Clone, Debug, Default)]
pub struct Extensions(HashSet<Vec<u8>>);

impl Extensions {
    /// The set of these extensions, which have no dot.
    pub fn new<'a>(extensions: impl IntoIterator<Item = &'a str>) -> Self {
        let folded = extensions
            .into_iter()
            .map(|extension| folded(extension.as_bytes()));
        Self(folded.collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the file at this path has one of them.
    #[must_use]
    pub fn take(&self, path: &[u8]) -> bool {
        extension(path).is_some_and(|extension| self.0.contains(&folded(extension)))
    }
}

/// What stands after the last dot of the name, unless that dot is the first byte.
fn extension(path: &[u8]) -> Option<&[u8]> {
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    match name.iter().rposition(|byte| *byte == b'.')? {
        0 => None,
        dot => Some(&name[dot + 1..]),
    }
}

fn folded(text: &[u8]) -> Vec<u8> {
    str::from_utf8(text).map_or_else(
        |_| text.to_ascii_lowercase(),
        |text| text.to_lowercase().into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_taken_in_any_case() {
        let set = Extensions::new(["jpg", "Ä"]);
        for taken in ["a.jpg", "A.JPG", "x/y.b.Jpg", "a.ä"] {
            assert!(set.take(taken.as_bytes()), "{taken}");
        }
        for left in [".jpg", "jpg", "x.jpg/y", "a.jpg.", "a.jpgx"] {
            assert!(!set.take(left.as_bytes()), "{left}");
        }
        assert!(!set.take(b"a.\xff"));
    }
}
