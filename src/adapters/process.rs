//! This process, and whether another one of this host is still there.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};

use crate::api::catalog::Process;

/// This process; `None` where the kernel does not tell enough to know it again.
#[must_use]
pub fn this() -> Option<Process> {
    let number = u32::try_from(getpid().as_raw_nonzero().get()).ok()?;
    let (boot, namespace) = here()?;
    Some(Process {
        boot,
        namespace,
        number,
        started: started(number)?,
    })
}

/// Whether a process was of this host, in this boot, and has ended. Of a process of another
/// host or container nothing is known, and it does not count as gone. Neither does one whose facts
/// this process may not see: /proc may be mounted so that it shows one's own processes only.
#[must_use]
pub fn is_gone(process: &Process) -> bool {
    let is_here = here()
        .is_some_and(|(boot, namespace)| boot == process.boot && namespace == process.namespace);
    is_here
        && match started(process.number) {
            Some(started) => started != process.started,
            None => has_ended(process.number),
        }
}

/// Whether there is no process of this number. Who may not signal it is told that it is there.
fn has_ended(number: u32) -> bool {
    let number = i32::try_from(number).ok().and_then(Pid::from_raw);
    number.is_none_or(|number| test_kill_process(number) == Err(Errno::SRCH))
}

/// The boot, and the namespace that process numbers are of.
fn here() -> Option<(String, String)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some((
        boot.trim().to_owned(),
        namespace.to_string_lossy().into_owned(),
    ))
}

/// When a process started: numbers are used again, and this tells them apart.
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
fn started(number: u32) -> Option<u64> {
    const FIELDS_BETWEEN_NAME_AND_START: usize = 19;
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name may hold spaces and parentheses; what follows its end may not.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name
        .split_whitespace()
        .nth(FIELDS_BETWEEN_NAME_AND_START)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_one_before_it_is_gone() {
        let this = this().unwrap();
        assert!(!is_gone(&this));
        assert!(is_gone(&Process {
            started: this.started + 1,
            ..this.clone()
        }));
    }

    #[test]
    fn of_another_boot_nothing_is_known() {
        let this = this().unwrap();
        assert!(!is_gone(&Process {
            boot: "another".into(),
            started: 0,
            ..this
        }));
    }
}
