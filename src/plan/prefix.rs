//! Where a source's keys start: a template with `{namespace}`, `{policy}`, `{source}`, `{date}`.

use super::key;

/// The template where a policy names none.
pub const DEFAULT: &str = "{namespace}/{policy}/{source}";

/// The placeholder that is left to each run: the day on which it was due.
pub const DATE: &str = "{date}";

/// As long as a date becomes.
const DATE_EXAMPLE: &str = "2026-11-01";

/// The longest prefix in bytes: half of a key, so that paths have the other half.
const RESOLVED_MAX_BYTES: usize = 512;

/// The longest component in bytes: what file systems, and stores built on them, take.
const COMPONENT_MAX_BYTES: usize = 255;

/// What is wrong with a prefix.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
pub enum PrefixError {
    /// A placeholder that is not known, or a brace that stands alone.
    #[error("has \"{0}\"; known are {{namespace}}, {{policy}}, {{source}} and {{date}}")]
    Placeholder(String),
    /// It starts or ends with a slash, or has two in a row.
    #[error("has an empty component: write a/b, without a slash at either end or two in a row")]
    EmptyComponent,
    /// It has a character that keys must not have.
    #[error(
        "has a character or a component that keys may not have: no control characters, no %, and \
         neither ., .. nor .long between slashes"
    )]
    NotPlain,
    /// It is too long.
    #[error("is {actual} bytes long with its placeholders replaced; {max} are allowed")]
    TooLong {
        /// How long it is.
        actual: usize,
        /// How long it may be.
        max: usize,
    },
}

/// The prefix of a source: everything replaced but `{date}`.
pub fn resolve(
    template: &str,
    namespace: &str,
    policy: &str,
    source: &str,
) -> Result<String, PrefixError> {
    let mut resolved = String::new();
    let mut rest = template;
    while let Some(start) = rest.find(['{', '}']) {
        resolved.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find('}').map_or(rest.len(), |end| end + 1);
        resolved.push_str(match &rest[..end] {
            "{namespace}" => namespace,
            "{policy}" => policy,
            "{source}" => source,
            DATE => DATE,
            other => return Err(PrefixError::Placeholder(other.to_owned())),
        });
        rest = &rest[end..];
    }
    resolved.push_str(rest);
    check(&resolved.replace(DATE, DATE_EXAMPLE))?;
    Ok(resolved)
}

fn check(prefix: &str) -> Result<(), PrefixError> {
    let longest = prefix.split('/').map(str::len).max().unwrap_or(0);
    if prefix.split('/').any(str::is_empty) {
        Err(PrefixError::EmptyComponent)
    } else if key::encode(prefix.as_bytes()) != prefix {
        Err(PrefixError::NotPlain)
    } else if prefix.len() > RESOLVED_MAX_BYTES {
        Err(PrefixError::TooLong {
            actual: prefix.len(),
            max: RESOLVED_MAX_BYTES,
        })
    } else if longest > COMPONENT_MAX_BYTES {
        Err(PrefixError::TooLong {
            actual: longest,
            max: COMPONENT_MAX_BYTES,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(template: &str) -> Result<String, PrefixError> {
        resolve(template, "acme", "office", "files")
    }

    #[test]
    fn placeholders_are_replaced_and_the_date_is_left() {
        assert_eq!(resolved(DEFAULT).as_deref(), Ok("acme/office/files"));
        assert_eq!(
            resolved("x-{source}/{date}").as_deref(),
            Ok("x-files/{date}")
        );
    }

    #[test]
    fn t05_what_would_lead_elsewhere_is_refused() {
        for template in ["", "/a", "a/", "a//b", "/"] {
            assert_eq!(
                resolved(template),
                Err(PrefixError::EmptyComponent),
                "{template}"
            );
        }
        for template in [
            "..",
            "a/../b",
            ".",
            "a/./b",
            ".long",
            "a%2Fb",
            "a\nb",
            "\u{202E}a",
        ] {
            assert_eq!(resolved(template), Err(PrefixError::NotPlain), "{template}");
        }
        for template in [
            "{cluster}",
            "{",
            "}",
            "{source",
            "a}b",
            "{{source}}",
            "{Date}",
        ] {
            let error = resolved(template).expect_err(template);
            assert!(
                matches!(error, PrefixError::Placeholder(_)),
                "{template}: {error}"
            );
        }
        assert!(matches!(
            resolved(&"x".repeat(256)),
            Err(PrefixError::TooLong { .. })
        ));
        assert!(matches!(
            resolved(&"x/".repeat(256)),
            Err(PrefixError::EmptyComponent)
        ));
        assert!(matches!(
            resolved(&["x"; 300].join("/")),
            Err(PrefixError::TooLong { .. })
        ));
    }
}
