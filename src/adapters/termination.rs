//! A pod's last words: the file that Kubernetes reads when a container has ended.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Rewrites the message in place: one write, and then the file is cut to its length. A reader
/// that comes between the two finds the new message first; a worker that is killed between them
/// leaves a message that begins with whole JSON.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, message: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.write_all(message.as_bytes())?;
    file.set_len(message.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_message_replaces_a_longer_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("termination-log");
        write(&path, "a long message").unwrap();
        write(&path, "short").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "short");
    }
}
