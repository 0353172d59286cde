//! Estimate: a source is walked as a backup walks it, and only its sizes are noted. The storage is
//! not asked, and no file is opened; a bucket is listed.

use crate::adapters::tree::Tree;
use crate::api::catalog::Kind;
use crate::api::outcome::Reason;
use crate::api::run::RunSpec;
use crate::plan::category::Categories;
use crate::plan::cost::Survey;
use crate::plan::filter::Filter;
use crate::worker::failure::Failure;
use crate::worker::walk::{self, Entry, WalkError, Walked};

/// Adds what a source holds to a survey.
///
/// # Errors
/// When its root cannot be read, or a pattern of the order is not usable.
pub fn walk<T: Tree>(tree: &T, spec: &RunSpec, survey: &mut Survey) -> Result<(), Failure> {
    let invalid = |text: String| Failure::new(Reason::InvalidSpec, text);
    let filter = Filter::new(&spec.include, &spec.exclude).map_err(|e| invalid(e.to_string()))?;
    let categories = Categories::new(&spec.categories).map_err(|e| invalid(e.to_string()))?;
    for walked in walk::entries(tree, &filter, None).map_err(unreadable)? {
        match walked.map_err(unreadable)? {
            Walked::Entry(entry) => note(&entry, &categories, survey),
            Walked::Unreadable(_) | Walked::Nameless { .. } => survey.add_unreadable(),
            Walked::Crossing { .. } => {}
        }
    }
    Ok(())
}

fn note(entry: &Entry, categories: &Categories, survey: &mut Survey) {
    let identity = &entry.stat.identity;
    if identity.kind == Kind::File {
        survey.add_file(categories.first_match(&entry.path), identity.size);
    } else {
        survey.add_other();
    }
}

fn unreadable(error: WalkError) -> Failure {
    if let WalkError::List(error) = error {
        return error.into();
    }
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let message = format!("{error}: {}", cause.unwrap_or_default());
    Failure::new(Reason::SourceSuspicious, message)
}
