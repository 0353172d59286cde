//! Which entries of a source are taken: include and exclude patterns, as in a `.gitignore`.
//!
//! A pattern without a slash matches a name at any depth, one with a slash matches from the
//! root; a slash at the end matches directories only; `!` takes back what an earlier pattern of
//! the same list said; the last match decides. Matching takes time linear in the path's length,
//! whatever the patterns. Names need not be UTF-8; `?` stands for one byte, as in git.
//!
//! A directory that is left out is not entered, so nothing below it can be taken back. With
//! include patterns, a matched directory takes everything below, and those directories that do
//! not match are entered and taken as rows of their own: only what is in them can tell whether
//! they lead anywhere. Where every include pattern starts at the root, as `/exports/` does, those that
//! lead nowhere are not entered.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob};

/// Which entries of a source are taken.
#[derive(Clone, Debug)]
pub struct Filter {
    include: Patterns,
    exclude: Patterns,
    /// Where the include patterns lead, if each of them starts at the root: the directories before the
    /// first wildcard.
    leads: Option<Vec<Vec<u8>>>,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken; of a directory, everything below that is not left out.
    Take,
    /// It is not taken; a directory is not entered.
    Leave,
    /// A directory that matches nothing, on the way to what may match: taken, and entered.
    Enter,
}

/// Why a filter cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{list} pattern {index} is not usable: {text:?}: {problem}")]
pub struct FilterError {
    /// Which list the pattern stands in: `include` or `exclude`.
    pub list: &'static str,
    /// Its position in the list, from 0.
    pub index: usize,
    /// The pattern.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Filter {
    /// A filter from patterns. Without include patterns everything is taken that is not excluded.
    ///
    /// # Errors
    /// A pattern is no glob, or matches nothing: an empty line, or a comment.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, FilterError> {
        let compile = |list, patterns: &[String]| {
            Patterns::new(patterns).map_err(|unusable| FilterError {
                list,
                index: unusable.index,
                text: patterns[unusable.index].clone(),
                problem: unusable.problem,
            })
        };
        Ok(Self {
            include: compile("include", include)?,
            exclude: compile("exclude", exclude)?,
            leads: include.iter().map(|pattern| lead(pattern)).collect(),
        })
    }

    /// What holds for the root.
    #[must_use]
    pub fn root(&self) -> Verdict {
        if self.include.0.is_empty() {
            Verdict::Take
        } else {
            Verdict::Enter
        }
    }

    /// What becomes of an entry, judged with every directory above it.
    #[must_use]
    pub fn verdict(&self, path: &[u8], is_directory: bool) -> Verdict {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let above = slashes.fold(self.root(), |verdict, (index, _)| {
            self.beneath(verdict, &path[..index], true)
        });
        self.beneath(above, path, is_directory)
    }

    /// What becomes of an entry whose directory is judged already.
    #[must_use]
    pub fn beneath(&self, parent: Verdict, path: &[u8], is_directory: bool) -> Verdict {
        if parent == Verdict::Leave || self.exclude.takes(path, is_directory) == Some(true) {
            return Verdict::Leave;
        }
        match self.include.takes(path, is_directory) {
            Some(true) => Verdict::Take,
            None if parent == Verdict::Take => Verdict::Take,
            None if is_directory && self.may_lead(path) => Verdict::Enter,
            Some(false) | None => Verdict::Leave,
        }
    }
}

impl Filter {
    /// The include pattern that takes an entry, or a directory above it.
    #[must_use]
    pub fn included_by(&self, path: &[u8], is_directory: bool) -> Option<&str> {
        self.include.found_with_parents(path, is_directory)
    }

    fn may_lead(&self, directory: &[u8]) -> bool {
        let Some(leads) = &self.leads else {
            return true;
        };
        leads
            .iter()
            .any(|lead| is_on_the_way(directory, lead) || is_on_the_way(lead, directory))
    }
}

/// Whether a directory is another one, or lies above it.
fn is_on_the_way(above: &[u8], below: &[u8]) -> bool {
    below
        .strip_prefix(above)
        .is_some_and(|rest| above.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
}

/// The directories that a pattern names before its first wildcard; nothing of one that matches at any
/// depth, or takes something back.
fn lead(pattern: &str) -> Option<Vec<u8>> {
    let body = pattern.strip_suffix('/').unwrap_or(pattern);
    if pattern.starts_with('!') || !body.contains('/') {
        return None;
    }
    let parts = body.strip_prefix('/').unwrap_or(body).split('/');
    let plain = parts.take_while(|part| !part.contains(['*', '?', '[', '\\', ' ']));
    Some(plain.collect::<Vec<_>>().join("/").into_bytes())
}

/// A list of gitignore-style patterns.
#[derive(Clone, Debug)]
pub(crate) struct Patterns(Gitignore);

/// A pattern that cannot be used.
#[derive(Debug)]
pub(crate) struct Unusable {
    pub(crate) index: usize,
    pub(crate) problem: String,
}

impl Patterns {
    pub(crate) fn new(patterns: &[String]) -> Result<Self, Unusable> {
        // Paths are relative to the source's root, so the patterns' own root is empty.
        let mut all = GitignoreBuilder::new("");
        all.allow_unclosed_class(false);
        for (index, pattern) in patterns.iter().enumerate() {
            let unusable = |problem: String| Unusable { index, problem };
            let mut alone = GitignoreBuilder::new("");
            alone.allow_unclosed_class(false);
            let compiled = alone
                .add_line(None, pattern)
                .and_then(|builder| builder.build())
                .map_err(|error| unusable(error.to_string()))?;
            if compiled.is_empty() {
                return Err(unusable("it matches nothing".to_owned()));
            }
            all.add_line(None, pattern)
                .map_err(|error| unusable(error.to_string()))?;
        }
        let last = patterns.len().saturating_sub(1);
        let all = all.build().map_err(|error| Unusable {
            index: last,
            problem: error.to_string(),
        })?;
        Ok(Self(all))
    }

    /// What the last matching pattern says of this very path; `None` where none matches.
    pub(crate) fn takes(&self, path: &[u8], is_directory: bool) -> Option<bool> {
        answer(&self.0.matched(as_path(path), is_directory))
    }

    /// The pattern that takes a path, or a directory above it.
    pub(crate) fn found_with_parents(&self, path: &[u8], is_directory: bool) -> Option<&str> {
        let found = self
            .0
            .matched_path_or_any_parents(as_path(path), is_directory);
        match found {
            Match::Ignore(glob) => Some(glob.original()),
            Match::None | Match::Whitelist(_) => None,
        }
    }

    /// As [`Patterns::takes`], where a directory that is taken takes everything below.
    pub(crate) fn takes_with_parents(&self, path: &[u8]) -> Option<bool> {
        answer(&self.0.matched_path_or_any_parents(as_path(path), false))
    }
}

fn answer(found: &Match<&Glob>) -> Option<bool> {
    match found {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(patterns: &[&str]) -> Vec<String> {
        patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect()
    }

    /// Checks `path -> verdict` lines; a path that ends in a slash is a directory's.
    #[track_caller]
    fn check(include: &[&str], exclude: &[&str], expected: &[(&[u8], Verdict)]) {
        let filter = Filter::new(&strings(include), &strings(exclude)).unwrap();
        for (path, verdict) in expected {
            let is_directory = path.ends_with(b"/");
            let bare = path.strip_suffix(b"/").unwrap_or(path);
            assert_eq!(
                filter.verdict(bare, is_directory),
                *verdict,
                "{}",
                String::from_utf8_lossy(path)
            );
        }
    }

    use Verdict::{Enter, Leave, Take};

    /// What buckets may hold, and no file system can.
    #[test]
    fn what_is_no_path_is_judged_by_its_parts() {
        let odd: [&[u8]; 7] = [b"a//b", b"/a", b"//", b"a/../b", b".", b"a/./", b"a\n"];
        let filter = |include: &[&str], exclude: &[&str]| {
            Filter::new(&strings(include), &strings(exclude)).unwrap()
        };
        for path in odd {
            assert_eq!(filter(&[], &["x/"]).verdict(path, false), Take);
            assert_eq!(filter(&["x/"], &[]).verdict(path, false), Leave);
        }
        assert_eq!(filter(&[], &["a/"]).verdict(b"a//b", false), Leave);
        assert_eq!(filter(&[], &["b"]).verdict(b"a//b", false), Leave);
    }

    #[test]
    fn a_directory_that_leads_nowhere_is_not_entered() {
        check(
            &["/exports/", "srv/pictures/**/*.jpg"],
            &[],
            &[
                (b"exports/", Take),
                (b"exports/a/", Take),
                (b"srv/", Enter),
                (b"srv/pictures/", Enter),
                (b"srv/pictures/2026/", Enter),
                (b"srv/other/", Leave),
                (b"private/", Leave),
                (b"exports2/", Leave),
            ],
        );
        // One that matches at any depth may be anywhere.
        check(&["/exports/", "pictures/"], &[], &[(b"private/", Enter)]);
    }

    #[test]
    fn the_pattern_that_takes_an_entry_is_known() {
        let include = strings(&["exports/", "*.jpg"]);
        let filter = Filter::new(&include, &[]).unwrap();
        assert_eq!(
            filter.included_by(b"exports/a.txt", false),
            Some("exports/")
        );
        assert_eq!(filter.included_by(b"a/b.jpg", false), Some("*.jpg"));
        assert_eq!(filter.included_by(b"other.txt", false), None);
    }

    #[test]
    fn without_patterns_everything_is_taken() {
        check(
            &[],
            &[],
            &[(b"a", Take), (b"a/", Take), (b"a/\xff\n/c", Take)],
        );
    }

    #[test]
    fn a_name_is_excluded_at_any_depth_and_a_path_only_from_the_root() {
        check(
            &[],
            &["*.tmp", "/cache", "a/b"],
            &[
                (b"x.tmp", Leave),
                (b"d/x.tmp", Leave),
                (b"x.tmp/", Leave),
                (b"x.tmp/kept", Leave),
                (b"cache", Leave),
                (b"d/cache", Take),
                (b"a/b", Leave),
                (b"d/a/b", Take),
                (b"x.tmpx", Take),
            ],
        );
    }

    #[test]
    fn a_slash_at_the_end_excludes_directories_only() {
        check(
            &[],
            &["lost+found/"],
            &[
                (b"lost+found/", Leave),
                (b"lost+found", Take),
                (b"d/lost+found/x", Leave),
            ],
        );
    }

    #[test]
    fn an_excluded_directory_is_not_entered_even_if_something_below_is_taken_back() {
        check(
            &[],
            &["d/", "!d/kept"],
            &[(b"d/", Leave), (b"d/kept", Leave)],
        );
        check(
            &[],
            &["*.log", "!kept.log"],
            &[(b"a.log", Leave), (b"kept.log", Take)],
        );
        check(
            &[],
            &["d/*", "!d/kept"],
            &[(b"d/", Take), (b"d/a", Leave), (b"d/kept", Take)],
        );
    }

    #[test]
    fn included_names_are_found_in_directories_that_match_nothing() {
        check(
            &["*.pdf"],
            &[],
            &[
                (b"a.pdf", Take),
                (b"a.txt", Leave),
                (b"d/", Enter),
                (b"d/e/", Enter),
                (b"d/e/a.pdf", Take),
                (b"d/e/a.txt", Leave),
            ],
        );
    }

    #[test]
    fn an_included_directory_takes_everything_below() {
        check(
            &["contracts/", "!contracts/drafts/"],
            &["*.tmp"],
            &[
                (b"contracts/", Take),
                (b"contracts/2026/a.txt", Take),
                (b"contracts/2026/a.tmp", Leave),
                (b"contracts/drafts/", Leave),
                (b"contracts/drafts/a.txt", Leave),
                (b"contracts", Leave),
                (b"d/contracts/a", Take),
                (b"d/a", Leave),
            ],
        );
    }

    #[test]
    fn two_stars_reach_any_depth() {
        check(
            &["photos/**", "a/**/z"],
            &[],
            &[
                (b"photos/", Enter),
                (b"photos/x", Take),
                (b"photos/2026/x", Take),
                (b"d/photos/x", Leave),
                (b"a/z", Take),
                (b"a/b/c/z", Take),
            ],
        );
        check(
            &["**"],
            &["**/node_modules"],
            &[(b"a/b", Take), (b"a/node_modules/b", Leave)],
        );
    }

    #[test]
    fn w23_names_of_any_bytes_are_matched() {
        check(
            &[],
            &["*.tmp", "Übung", "[a-c]?z", "\\#x", "\\!y", "dir name/"],
            &[
                (b"\xff\xfe.tmp", Leave),
                (b"new\nline.tmp", Leave),
                ("Übung".as_bytes(), Leave),
                ("U\u{308}bung".as_bytes(), Take),
                (b"b\xffz", Leave),
                (b"d\xffz", Take),
                (b"#x", Leave),
                (b"!y", Leave),
                (b"dir name/", Leave),
                (b".tmp", Leave),
                (b"..a", Take),
                (b"-rf", Take),
            ],
        );
    }

    #[test]
    fn w37_a_pattern_made_to_be_slow_is_not() {
        let pattern = format!("{}b", "*a".repeat(120));
        let filter = Filter::new(&[], &[pattern]).unwrap();
        assert_eq!(filter.verdict(&[b'a'; 4000], false), Take);
    }

    #[test]
    fn unusable_patterns_are_named() {
        for (include, exclude, list, index) in [
            (vec!["a", "[z"], vec![], "include", 1),
            (vec![], vec!["{a"], "exclude", 0),
            (vec![], vec!["a", "b", "# comment"], "exclude", 2),
            (vec![" "], vec![], "include", 0),
            (vec!["!"], vec![], "include", 0),
        ] {
            let error = Filter::new(&strings(&include), &strings(&exclude)).unwrap_err();
            assert_eq!((error.list, error.index), (list, index), "{error}");
        }
    }
}
