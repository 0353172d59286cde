//! Estimate: a source is walked as a backup walks it, and its sizes are noted. The storage is not
//! asked; a bucket is listed. Where compression is wanted and reading costs nothing, a few files are
//! read to learn what it saves.

use std::io::{self, Read};

use crate::adapters::codec;
use crate::adapters::tree::Tree;
use crate::api::catalog::Kind;
use crate::api::outcome::Reason;
use crate::api::policy::{Category, CompressionAlgorithm};
use crate::api::run::RunSpec;
use crate::plan::category::Categories;
use crate::plan::compression::{Rule, SAMPLE_BYTES, is_worthwhile};
use crate::plan::cost::{SampleFile, Survey};
use crate::plan::filter::Filter;
use crate::plan::key;
use crate::plan::notice::NO_CATEGORY;
use crate::worker::failure::Failure;
use crate::worker::walk::{self, Entry, WalkError, Walked};

/// What decides about a file.
struct Deciding {
    filter: Filter,
    categories: Categories,
    /// By category, whether its files are compressed.
    compression: Vec<Option<Rule>>,
}

/// Adds what a source holds to a survey, without opening a file: as if nothing were compressed.
///
/// # Errors
/// When its root cannot be read, or a pattern of the order is not usable.
pub fn walk<T: Tree>(tree: &T, spec: &RunSpec, survey: &mut Survey) -> Result<(), Failure> {
    let deciding = Deciding {
        compression: Vec::new(),
        ..deciding(spec)?
    };
    note_all(tree, &deciding, survey)
}

/// Adds what a source holds to a survey, and reads a sample of what would be compressed.
///
/// # Errors
/// As [`walk`]. A file that cannot be read is left out of the sample.
pub fn walk_and_sample<T: Tree>(
    tree: &T,
    spec: &RunSpec,
    survey: &mut Survey,
) -> Result<(), Failure> {
    let deciding = deciding(spec)?;
    note_all(tree, &deciding, survey)?;
    for file in survey.sample() {
        let rule = deciding.compression.get(file.category);
        let Some(rule) = rule.and_then(Option::as_ref) else {
            continue;
        };
        if let Ok(stored) = stored_share(tree, &file, rule.uses()) {
            survey.add_sampled(&file, stored);
        }
    }
    Ok(())
}

fn deciding(spec: &RunSpec) -> Result<Deciding, Failure> {
    let invalid = |text: String| Failure::new(Reason::InvalidSpec, text);
    let rule = |category: &Category| {
        let rule = category.compression.as_ref().map(Rule::new);
        rule.transpose().map_err(|problem| {
            let name = &category.name;
            invalid(format!(
                "category {name}: compression.minimumSize {problem}"
            ))
        })
    };
    Ok(Deciding {
        filter: Filter::new(&spec.include, &spec.exclude).map_err(|e| invalid(e.to_string()))?,
        categories: Categories::new(&spec.categories).map_err(|e| invalid(e.to_string()))?,
        compression: spec.categories.iter().map(rule).collect::<Result<_, _>>()?,
    })
}

fn note_all<T: Tree>(tree: &T, deciding: &Deciding, survey: &mut Survey) -> Result<(), Failure> {
    for walked in walk::entries(tree, &deciding.filter, None).map_err(unreadable)? {
        match walked.map_err(unreadable)? {
            Walked::Entry(entry) => note(&entry, deciding, survey),
            Walked::Unreadable(entry) => {
                survey.add_not_captured(key::display(&entry.path), entry.cause.to_string());
            }
            Walked::Nameless { name, reason } => {
                survey.add_not_captured(key::legible(&name), reason.to_owned());
            }
            Walked::Crossing { .. } => {}
        }
    }
    Ok(())
}

fn note(entry: &Entry, deciding: &Deciding, survey: &mut Survey) {
    let identity = &entry.stat.identity;
    if identity.kind != Kind::File {
        survey.add_other();
        return;
    }
    let Some(category) = deciding.categories.first_match(&entry.path) else {
        survey.add_not_captured(key::display(&entry.path), NO_CATEGORY.to_owned());
        return;
    };
    let is_compressed = |category: usize| {
        let rule = deciding.compression.get(category);
        let rule = rule.and_then(Option::as_ref);
        rule.is_some_and(|rule| rule.algorithm(&entry.path, identity.size).is_some())
    };
    if is_compressed(category) {
        survey.add_compressible(category, &entry.path, identity.size);
    } else {
        survey.add_file(Some(category), identity.size);
    }
}

/// In what share of its size a file would be stored, by the start of it.
fn stored_share<T: Tree>(
    tree: &T,
    file: &SampleFile,
    algorithm: CompressionAlgorithm,
) -> io::Result<f64> {
    let mut start = Vec::new();
    let opened = tree.open_file(&file.path)?;
    opened.take(SAMPLE_BYTES).read_to_end(&mut start)?;
    let compressed = codec::compress(algorithm, &start)?;
    if !is_worthwhile(start.len() as u64, compressed.len() as u64) {
        return Ok(1.0);
    }
    // Neither is more than a mebibyte and a little.
    Ok(small(compressed.len()) / small(start.len()))
}

fn small(length: usize) -> f64 {
    f64::from(u32::try_from(length).unwrap_or(u32::MAX))
}

fn unreadable(error: WalkError) -> Failure {
    if let WalkError::List(error) = error {
        return Failure::not_listed(error);
    }
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let message = format!("{error}: {}", cause.unwrap_or_default());
    Failure::new(Reason::SourceSuspicious, message)
}
