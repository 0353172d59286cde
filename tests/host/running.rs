//! A command that is under way.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::host::{Backup, Done, Restore};

/// A command that is under way. It is killed when dropped.
pub(crate) struct Running {
    child: Option<Child>,
    log: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .args(["--output", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self {
            child: Some(child),
            log,
            said: String::new(),
        }
    }

    /// Reads its log until it says this.
    pub(crate) fn wait_until_it_says(&mut self, word: &str) {
        loop {
            let mut line = String::new();
            let length = self.log.read_line(&mut line).unwrap();
            assert!(length > 0, "it ended without {word:?}: {}", self.said);
            self.said.push_str(&line);
            if line.contains(word) {
                return;
            }
        }
    }

    /// Waits while it goes on, until something is so.
    pub(crate) fn wait_until(&mut self, mut is_so: impl FnMut() -> bool) {
        let child = self.child.as_mut().unwrap();
        while !is_so() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    pub(crate) fn ask_to_stop(&self) {
        kill_process(self.id(), Signal::TERM).unwrap();
    }

    /// Kills it, as a machine that is switched off does.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        assert_eq!(ended.signal(), Some(Signal::KILL.as_raw()), "{ended}");
    }

    pub(crate) fn end(self) -> Backup {
        Backup::of(self.output())
    }

    pub(crate) fn output(mut self) -> std::io::Result<Output> {
        self.child.take().unwrap().wait_with_output()
    }

    /// How a restore ended.
    pub(crate) fn end_restore(mut self) -> Restore {
        let child = self.child.take().unwrap();
        let done = Done::of(child.wait_with_output());
        Restore {
            report: done.json(),
            code: done.code,
        }
    }

    fn id(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A test that failed leaves nothing running.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
