//! What benches measure alike.

use anyhow::{Context, Result};

/// The most memory that this process has had, in KiB.
pub(crate) fn resident_peak_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    figure
        .context("/proc/self/status has no VmHWM")?
        .parse()
        .context("VmHWM is no number")
}
