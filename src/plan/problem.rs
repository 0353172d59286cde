//! What is wrong with a policy: every problem at once, each with its place and its remedy.

use std::fmt::{self, Display};

use super::bounds::OutOfBounds;
use super::key;

/// How much of a value a problem shows, in characters.
const SHOWN_MAX_CHARACTERS: usize = 64;

/// Which kind of problem it is: what a condition's reason is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// A field says something that cannot be.
    InvalidSpec,
    /// A directory of the host is named in a cluster.
    PathSourceInCluster,
}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which kind.
    pub kind: ProblemKind,
    /// The path of the field, such as `spec.sources[0].name`.
    pub field: String,
    /// What stands there, cut and escaped; empty where it is not a plain value.
    pub value: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

impl Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.field)?;
        if !self.value.is_empty() {
            write!(formatter, " \"{}\"", self.value)?;
        }
        write!(formatter, " {}", self.message)
    }
}

/// Problems as they are found. A field has one at most: the first is the plainest.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem.
    pub(super) fn add(&mut self, field: impl Into<String>, value: &str, message: impl Display) {
        self.add_kind(ProblemKind::InvalidSpec, field, value, message);
    }

    /// Notes a problem of a kind of its own.
    pub(super) fn add_kind(
        &mut self,
        kind: ProblemKind,
        field: impl Into<String>,
        value: &str,
        message: impl Display,
    ) {
        let field = field.into();
        if self.0.iter().any(|problem| problem.field == field) {
            return;
        }
        let shown: String = value.chars().take(SHOWN_MAX_CHARACTERS).collect();
        let value = key::legible(&shown);
        self.0.push(Problem {
            kind,
            field,
            value,
            message: message.to_string(),
        });
    }

    /// Notes the error of a result, if it is one.
    pub(super) fn check<T, E: Display>(
        &mut self,
        field: impl Into<String>,
        value: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.add(field, value, error)).ok()
    }

    /// Notes what is out of bounds.
    pub(super) fn extend(&mut self, found: Vec<OutOfBounds>) {
        for OutOfBounds {
            field,
            value,
            message,
        } in found
        {
            self.add(field, &value, message);
        }
    }

    /// What was found, in the order of the fields' paths.
    pub(super) fn into_vec(mut self) -> Vec<Problem> {
        self.0.sort_by(|a, b| a.field.cmp(&b.field));
        self.0
    }
}
