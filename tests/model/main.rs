//! The model test: the engine against a simulated tree and a simulated store.
//!
//! A history is decided by its seed: files change, runs meet faults at any request, die, stand
//! still and are overtaken, go on. At every step the invariants P1 to P6 must hold, and every
//! restore point that HEAD leads to must be what the tree was; in the end one run without faults
//! must succeed without help. Besides random histories there are a small one with every fault at
//! every request, one for each of some faults of the list, and restores into a real directory.
//!
//! ```text
//! world, process    the store; one process's connection to it, and its faults
//! files, tree       the file system; how the engine reads it while it changes (mutations)
//! audit, invariants what happened in the store; what must hold of it
//! reader, reference a restore point read back; what it must be
//! engine, scene     the engine's plug; one source, its repository, and the runs between them
//! history, crash_points, scenarios, restores   what is played
//! ```
//!
//! `BACKSTAY_MODEL_SEED` and `BACKSTAY_MODEL_HISTORIES` say which random histories are played; a
//! failure names the seed, and tells what led to it. Runs read files on threads of their own, so
//! that a seed gives nearly the same history each time, and not always the very same.
//!
//! # Caveats
//! A version that HEAD pins can be superseded unseen: by a request that was under way when its
//! sender was fenced or was told that it was lost, where the store finds its condition to hold.
//! The pin still restores, for as long as noncurrent versions stay. Such versions are counted and
//! left out of the check that every pin is current.

// `cfg(test)` on each: clippy then takes all of it for test code.
#[cfg(test)]
mod audit;
#[cfg(test)]
mod crash_points;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod files;
#[cfg(test)]
mod history;
#[cfg(test)]
mod invariant_tests;
#[cfg(test)]
mod invariants;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod process;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod restores;
#[cfg(test)]
mod restores_into_buckets;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod tree_tests;
#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::crash_points::{self, Stage};
    use crate::engine::on_a_runtime;
    use crate::history::{self, Failure, Statistics};

    /// How many histories are played: `BACKSTAY_MODEL_HISTORIES`.
    const HISTORIES: u64 = 1000;

    /// How many histories go on at once. More than there are cores: a run waits a little before
    /// it reads a file again that has just changed.
    const THREADS: u64 = 8;

    #[test]
    fn random_histories_hold_the_invariants_and_restore() {
        let first = from_environment("BACKSTAY_MODEL_SEED").unwrap_or(1);
        let count = from_environment("BACKSTAY_MODEL_HISTORIES").unwrap_or(HISTORIES);
        let next = AtomicU64::new(first);
        let total = Mutex::new(Statistics::default());
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + count {
                            return;
                        }
                        match on_a_runtime(history::play(seed)) {
                            Ok(statistics) => *total.lock().unwrap() += statistics,
                            Err(failure) => failures.lock().unwrap().push((seed, failure)),
                        }
                    }
                });
            }
        });
        println!("{:?}", total.lock().unwrap());
        let mut failures = failures.into_inner().unwrap();
        failures.sort_by_key(|(seed, _)| *seed);
        for (seed, failure) in &failures {
            println!(
                "BACKSTAY_MODEL_SEED={seed} BACKSTAY_MODEL_HISTORIES=1: {}",
                failure.problem
            );
        }
        if let Some((seed, failure)) = failures.first() {
            println!("{}", failure.log);
            panic!(
                "{} histories failed, the first one is {seed}: {}",
                failures.len(),
                failure.problem
            );
        }
    }

    #[test]
    fn p02_every_request_meets_every_fault() {
        let stages = [
            Stage::First,
            Stage::Second,
            Stage::AfterCrash,
            Stage::AfterCommit,
        ];
        let points = std::thread::scope(|scope| {
            let all = stages
                .map(|stage| scope.spawn(move || on_a_runtime(crash_points::enumerate(stage))));
            all.map(|thread| expect_played(thread.join().unwrap()))
                .into_iter()
                .sum::<u64>()
        });
        println!("{points} crash points");
    }

    #[test]
    fn p04_a_run_is_overtaken_at_every_request() {
        let stages = [
            Stage::First,
            Stage::Second,
            Stage::AfterCrash,
            Stage::AfterCommit,
        ];
        for stage in stages {
            let points = expect_played(on_a_runtime(crash_points::overtake_everywhere(stage)));
            println!("{stage:?}: {points} points");
        }
    }

    #[test]
    fn p02_two_runs_in_a_row_die_anywhere() {
        println!(
            "{} pairs",
            expect_played(on_a_runtime(crash_points::die_twice(3)))
        );
    }

    fn expect_played<T>(played: Result<T, Failure>) -> T {
        match played {
            Ok(played) => played,
            Err(failure) => {
                println!("{}", failure.log);
                panic!("{}", failure.problem);
            }
        }
    }

    fn from_environment(name: &str) -> Option<u64> {
        std::env::var(name).ok()?.parse().ok()
    }
}
