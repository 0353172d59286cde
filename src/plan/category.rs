//! Which category takes a file: the first one that matches.

use super::extensions::Extensions;
use super::filter::Patterns;
use crate::api::policy::{Category, Preset};

/// The categories of a policy, ready to be asked.
#[derive(Clone, Debug)]
pub struct Categories(Vec<Rule>);

#[derive(Clone, Debug)]
enum Rule {
    /// Takes whatever those before it did not.
    Rest,
    Matching {
        extensions: Extensions,
        paths: Patterns,
    },
}

/// A path pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("category {category}: path pattern {index} is not usable: {text:?}: {problem}")]
pub struct CategoryError {
    /// The category's name.
    pub category: String,
    /// The pattern's position in `match.paths`, from 0.
    pub index: usize,
    /// The pattern.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Categories {
    /// Makes the categories of a policy ready.
    ///
    /// # Errors
    /// A path pattern is no glob, or matches nothing.
    pub fn new(categories: &[Category]) -> Result<Self, CategoryError> {
        categories
            .iter()
            .map(Rule::new)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The position of the first category that takes the file at this path; `None` where none
    /// does.
    #[must_use]
    pub fn first_match(&self, path: &[u8]) -> Option<usize> {
        self.0.iter().position(|rule| rule.takes(path))
    }
}

impl Rule {
    fn new(category: &Category) -> Result<Self, CategoryError> {
        let Some(matches) = &category.matches else {
            return Ok(Self::Rest);
        };
        let paths = Patterns::new(&matches.paths).map_err(|unusable| CategoryError {
            category: category.name.clone(),
            index: unusable.index,
            text: matches.paths[unusable.index].clone(),
            problem: unusable.problem,
        })?;
        let preset = matches.preset.map_or(&[][..], Preset::extensions);
        let named = matches.extensions.iter().map(String::as_str);
        Ok(Self::Matching {
            extensions: Extensions::new(named.chain(preset.iter().copied())),
            paths,
        })
    }

    fn takes(&self, path: &[u8]) -> bool {
        match self {
            Self::Rest => true,
            Self::Matching { extensions, paths } => {
                extensions.take(path) || paths.takes_with_parents(path) == Some(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::policy::CategoryMatch;

    fn category(name: &str, extensions: &[&str], paths: &[&str]) -> Category {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let matches = CategoryMatch {
            preset: None,
            extensions: owned(extensions),
            paths: owned(paths),
        };
        let is_rest = extensions.is_empty() && paths.is_empty();
        Category {
            name: name.to_owned(),
            matches: (!is_rest).then_some(matches),
            bucket: "bucket".to_owned(),
            storage_class: None,
            compression: None,
        }
    }

    #[track_caller]
    fn check(categories: &[Category], expected: &[(&[u8], Option<usize>)]) {
        let ready = Categories::new(categories).unwrap();
        for (path, position) in expected {
            let shown = String::from_utf8_lossy(path);
            assert_eq!(ready.first_match(path), *position, "{shown}");
        }
    }

    #[test]
    fn the_first_match_takes_a_file() {
        check(
            &[
                category("database", &["sql", "csv"], &["database/**"]),
                category("photos", &["jpg"], &["photos/", "!photos/raw/"]),
                category("documents", &[], &[]),
            ],
            &[
                (b"dump.sql", Some(0)),
                (b"photos/list.csv", Some(0)),
                (b"database/2026/photo.jpg", Some(0)),
                (b"database", Some(2)),
                (b"a/b/photo.JPG", Some(1)),
                (b"photos/2026/note.txt", Some(1)),
                (b"photos/raw/note.txt", Some(2)),
                (b"letter", Some(2)),
            ],
        );
    }

    #[test]
    fn without_a_category_for_the_rest_a_file_may_be_taken_by_none() {
        check(
            &[category("photos", &["jpg"], &[])],
            &[(b"a.jpg", Some(0)), (b"a.txt", None)],
        );
    }

    #[test]
    fn an_extension_stands_after_the_last_dot_and_never_is_the_whole_name() {
        let extensions = [category("x", &["gz", "Ä", "TAR"], &[])];
        check(
            &extensions,
            &[
                (b"a.tar.gz", Some(0)),
                (b"a.tar", Some(0)),
                (b".gz", None),
                (b"gz", None),
                (b"d.gz/a", None),
                (b"a.gz.", None),
                (b"..gz", Some(0)),
                ("a.ä".as_bytes(), Some(0)),
                (b"\xff.gZ", Some(0)),
                (b"a.\xff", None),
            ],
        );
    }

    #[test]
    fn an_unusable_pattern_is_named() {
        let broken = [category("photos", &[], &["a", "[b"])];
        let error = Categories::new(&broken).unwrap_err();
        assert_eq!((error.category.as_str(), error.index), ("photos", 1));
    }
}
