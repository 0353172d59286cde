//! The progress bar of a terminal.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use crate::plan::words::size;
use crate::worker::progress::Progress;
use crate::worker::restore::Tally;

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(200);

/// A bar on standard error, while it is kept; nothing where that is no terminal.
pub(super) struct Bar(Option<(ProgressBar, JoinHandle<()>)>);

impl Bar {
    pub(super) fn start(source: &str, progress: Arc<Progress>) -> Self {
        Self::moving(source, move |bar| show(bar, &progress))
    }

    /// The bar of a restore.
    pub(super) fn restoring(source: &str, tally: Arc<Tally>) -> Self {
        Self::moving(source, move |bar| show_restore(bar, &tally))
    }

    fn moving(source: &str, show: impl Fn(&ProgressBar) + Send + 'static) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::no_length().with_prefix(source.to_owned());
        let shown = bar.clone();
        let task = tokio::spawn(async move {
            loop {
                show(&shown);
                tokio::time::sleep(TICK).await;
            }
        });
        Self(Some((bar, task)))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((bar, task)) = &self.0 {
            task.abort();
            bar.finish_and_clear();
        }
    }
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let (files, bytes, expected) = progress.counts();
    let seen = files.uploaded + files.unchanged + files.metadata_only + files.not_captured;
    // Of a first run nobody knows how long it is: it gets a spinner.
    let template = if expected > 0 {
        "{prefix} {bar:30} {pos}/{len} entries, {msg}, {elapsed}"
    } else {
        "{spinner} {prefix} {pos} entries, {msg}, {elapsed}"
    };
    style(bar, template);
    if expected > 0 {
        bar.set_length(expected.max(seen));
    }
    bar.set_position(seen);
    bar.set_message(format!(
        "{} uploaded ({}), {} failed",
        files.uploaded,
        size(bytes.uploaded),
        files.not_captured
    ));
}

fn show_restore(bar: &ProgressBar, tally: &Tally) {
    let (entries, bytes) = tally.counts();
    style(bar, "{spinner} {prefix} {pos} entries, {msg}, {elapsed}");
    bar.set_position(entries.restored + entries.skipped + entries.failed);
    bar.set_message(format!(
        "{} written, {} failed",
        size(bytes),
        entries.failed
    ));
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
