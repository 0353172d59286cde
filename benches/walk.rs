//! How long a walk takes, and how much memory: `cargo bench --bench walk [-- FILES | DIRECTORY]`.
//!
//! Walks a tree of that many small files (204,000 unless told), or a directory that is there,
//! several times on one thread, and prints the fastest time of each way. Figures are of a warm
//! cache: what is measured is the walk, not the disk.

#![expect(clippy::print_stdout, reason = "a bench is there to print figures")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use backstay::adapters::mounted::MountedTree;
use backstay::plan::filter::Filter;
use backstay::worker::walk::{self, Walk};
use common::resident_peak_kib;

const FILES: usize = 204_000;
const FILES_PER_DIRECTORY: usize = 100;
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    // Cargo hands `--bench` to every bench.
    let argument = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let scratch = tempfile::tempdir()?;
    let root = match argument.as_deref().map(str::parse::<usize>) {
        Some(Err(_)) => PathBuf::from(argument.unwrap_or_default()),
        Some(Ok(files)) => generate(scratch.path(), files)?,
        None => generate(scratch.path(), FILES)?,
    };
    let patterns = ["*.tmp", "lost+found/", "cache/**"].map(str::to_owned);
    let (all, some) = (Filter::new(&[], &[])?, Filter::new(&[], &patterns)?);
    let tree = MountedTree::open(&root)?;
    let componentwise = MountedTree::open_without_openat2(&root)?;
    let before = resident_peak_kib()?;
    println!(
        "{:<34}{:>9}{:>11}{:>13}",
        "", "entries", "seconds", "entries/s"
    );
    measure("walk", || Ok(Walk::new(&tree, &all)?.count()))?;
    println!("memory of one walk: {} KiB", resident_peak_kib()? - before);
    measure("walk, three exclude patterns", || {
        Ok(Walk::new(&tree, &some)?.count())
    })?;
    measure("walk without openat2", || {
        Ok(Walk::new(&componentwise, &all)?.count())
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (tree, all) = (Arc::new(tree), Arc::new(all));
    measure("walk on a thread, in batches", || {
        runtime.block_on(async {
            let mut walking = walk::spawn(Arc::clone(&tree), Arc::clone(&all), None);
            let mut entries = 0;
            while let Some(batch) = walking.next().await? {
                entries += batch.len();
            }
            Ok(entries)
        })
    })?;
    println!("memory of all: {} KiB", resident_peak_kib()? - before);
    Ok(())
}

fn measure(what: &str, walk: impl Fn() -> Result<usize>) -> Result<()> {
    let mut fastest = Duration::MAX;
    let mut entries = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        entries = walk()?;
        fastest = fastest.min(start.elapsed());
    }
    let per_second = entries as u128 * 1_000_000 / fastest.as_micros().max(1);
    println!(
        "{what:<34}{entries:>9}{:>11.3}{per_second:>13}",
        fastest.as_secs_f64()
    );
    Ok(())
}

fn generate(root: &Path, files: usize) -> Result<PathBuf> {
    for number in 0..files {
        let directory = root.join(format!("{:04}", number / FILES_PER_DIRECTORY));
        if number % FILES_PER_DIRECTORY == 0 {
            std::fs::create_dir(&directory)?;
        }
        std::fs::write(
            directory.join(format!("document-{number:06}.txt")),
            b"small",
        )?;
    }
    Ok(root.to_owned())
}
