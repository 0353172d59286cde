//! One process's connection to the simulated store, and the faults that befall it.
//!
//! Every request passes through [`SimStore::request`]: it lets others go first for a while, takes
//! the next fault of the plan, and acts on the shared [`State`] in one step. A killed process is
//! never answered again: whoever runs it waits for [`Handle::killed`] and drops it.

mod store;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backstay::adapters::store::{CopiedPart, Facts, Object, Page, Promises, StoreError, Written};
use backstay::api::outcome::Reason;
use backstay::worker::stop::Stop;
use tokio::sync::watch;

use crate::audit::What;
use crate::world::{Late, State, World};

/// What befalls one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies before the request reached the store.
    KillBefore,
    /// The process dies when the request has taken effect.
    KillAfter,
    /// The request takes effect and its answer is lost.
    LostReply,
    /// The request is lost.
    Unavailable,
    /// The answer says that it was lost, and it takes effect so many requests later.
    Late(u64),
    /// Another write is under way: 409 for a write, lost otherwise.
    Conflict,
    /// The process stands still before this request until it is released.
    Pause,
    /// From here on the process cannot reach the store.
    Partition,
    /// The process is asked to end; the request takes effect as usual.
    Stop,
}

/// Which request a fault befalls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Nth {
    /// The n-th request of the process, from 0.
    Any(u64),
    /// The n-th request, from 0, of this operation on a key with this in it.
    Of(&'static str, &'static str, u64),
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Runs,
    Paused,
    Killed,
}

struct Process {
    name: String,
    state: Mutex<ProcessState>,
    phase: watch::Sender<Phase>,
    stop: Stop,
}

struct ProcessState {
    rng: fastrand::Rng,
    faults: Vec<(Nth, Fault)>,
    is_cut_off: bool,
    requests: BTreeMap<String, u64>,
    log: Vec<(&'static str, String)>,
    last_answer: Option<jiff::Timestamp>,
}

/// The store as one process sees it.
#[derive(Clone)]
pub(crate) struct SimStore {
    world: World,
    process: Arc<Process>,
}

/// The strings of a process.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Process>);

impl World {
    /// A connection of a new process, which meets these faults.
    pub(crate) fn process(
        &self,
        name: &str,
        seed: u64,
        faults: Vec<(Nth, Fault)>,
    ) -> (SimStore, Handle) {
        let state = ProcessState {
            rng: fastrand::Rng::with_seed(seed),
            faults,
            is_cut_off: false,
            requests: BTreeMap::new(),
            log: Vec::new(),
            last_answer: None,
        };
        let process = Arc::new(Process {
            name: name.to_owned(),
            state: Mutex::new(state),
            phase: watch::Sender::new(Phase::Runs),
            stop: Stop::default(),
        });
        let handle = Handle(Arc::clone(&process));
        (
            SimStore {
                world: self.clone(),
                process,
            },
            handle,
        )
    }
}

impl Handle {
    /// Waits until the process is killed.
    pub(crate) async fn killed(&self) {
        self.reached(Phase::Killed).await;
    }

    /// Waits until the process stands still.
    pub(crate) async fn paused(&self) {
        self.reached(Phase::Paused).await;
    }

    /// How the process is asked to end.
    pub(crate) fn stop(&self) -> Stop {
        self.0.stop.clone()
    }

    /// Lets a paused process go on.
    pub(crate) fn release(&self) {
        self.0.phase.send_replace(Phase::Runs);
    }

    /// The requests made so far: operation and key.
    pub(crate) fn log(&self) -> Vec<(&'static str, String)> {
        self.0.state().log.clone()
    }

    /// How many faults the process has not met yet.
    pub(crate) fn faults_left(&self) -> usize {
        self.0.state().faults.len()
    }

    async fn reached(&self, phase: Phase) {
        let mut changes = self.0.phase.subscribe();
        if changes.wait_for(|now| *now == phase).await.is_err() {
            // The sender is ours: it outlives this.
            pending::<()>().await;
        }
    }
}

impl Process {
    fn state(&self) -> MutexGuard<'_, ProcessState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self, operation: &'static str, key: &str) -> Option<Fault> {
        let mut state = self.state();
        let of_any = state.log.len() as u64;
        let earlier = state.log.clone();
        state.log.push((operation, key.to_owned()));
        *state.requests.entry(operation.to_owned()).or_default() += 1;
        let meets = |nth: &Nth| match nth {
            Nth::Any(number) => *number == of_any,
            Nth::Of(of_operation, part, number) => {
                let is_such = |(operation, key): &(&'static str, String)| {
                    operation == of_operation && key.contains(part)
                };
                is_such(&(operation, key.to_owned()))
                    && earlier.iter().filter(|entry| is_such(entry)).count() as u64 == *number
            }
        };
        let found = state.faults.iter().position(|(nth, _)| meets(nth));
        found.map(|index| state.faults.remove(index).1)
    }
}

impl SimStore {
    async fn request<T, F>(
        &self,
        operation: &'static str,
        bucket: &str,
        key: &str,
        act: F,
    ) -> Result<T, StoreError>
    where
        T: Tells + Send,
        F: FnOnce(&mut State, &str) -> Result<T, StoreError> + Send + 'static,
    {
        self.let_others_go_first().await;
        self.stop_if_killed().await;
        let lost = || StoreError::Unavailable {
            operation,
            resource: format!("{bucket}/{key}"),
            detail: "simulated".to_owned(),
        };
        let fault = self.process.next_fault(operation, key);
        if self.process.state().is_cut_off {
            return Err(lost());
        }
        if let Some(fault) = fault {
            self.note(&format!("{operation} {key}: {fault:?}"));
        }
        match fault {
            None => self.answer((operation, bucket, key), act),
            Some(Fault::KillBefore) => self.die().await,
            Some(Fault::KillAfter) => {
                // The answer comes too late for anybody to read it.
                let _ = self.act(act);
                self.die().await
            }
            Some(Fault::LostReply) => {
                let _ = self.act(act);
                Err(lost())
            }
            Some(Fault::Late(requests)) => {
                self.act_later(requests, act);
                Err(lost())
            }
            Some(Fault::Conflict) if is_write(operation) => Err(StoreError::Conflict {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            }),
            Some(Fault::Unavailable | Fault::Conflict) => Err(lost()),
            Some(Fault::Pause) => {
                self.stand_still().await;
                self.answer((operation, bucket, key), act)
            }
            Some(Fault::Stop) => {
                self.process.stop.request(Reason::Interrupted);
                self.answer((operation, bucket, key), act)
            }
            Some(Fault::Partition) => {
                self.process.state().is_cut_off = true;
                Err(lost())
            }
        }
    }

    fn answer<T, F>(
        &self,
        (operation, bucket, key): (&str, &str, &str),
        act: F,
    ) -> Result<T, StoreError>
    where
        T: Tells,
        F: FnOnce(&mut State, &str) -> Result<T, StoreError>,
    {
        let (answer, date) = self.act(act);
        self.note(&format!("{operation} {bucket}/{key}: {}", outcome(&answer)));
        self.process.state().last_answer = Some(date);
        if let Some(version) = answer.as_ref().ok().and_then(Tells::version) {
            let (bucket, key, version) = (bucket.to_owned(), key.to_owned(), version.to_owned());
            self.world.state().note(
                &self.process.name,
                What::Seen {
                    bucket,
                    key,
                    version,
                },
            );
        }
        answer
    }

    fn note(&self, said: &str) {
        let log = self.world.state().log.clone();
        log.note(format!("  {}: {said}", self.process.name));
    }

    fn act<T, F>(&self, act: F) -> (Result<T, StoreError>, jiff::Timestamp)
    where
        F: FnOnce(&mut State, &str) -> Result<T, StoreError>,
    {
        let mut state = self.world.state();
        state.tick();
        let answer = act(&mut state, &self.process.name);
        (answer, state.date())
    }

    fn act_later<T, F>(&self, requests: u64, act: F)
    where
        T: Tells,
        F: FnOnce(&mut State, &str) -> Result<T, StoreError> + Send + 'static,
    {
        let name = self.process.name.clone();
        let mut state = self.world.state();
        let due = state.serial + requests;
        let act = Box::new(move |state: &mut State| {
            let answer = act(state, &name);
            state
                .log
                .note(format!("  {name}: late: {}", outcome(&answer)));
        });
        state.late.push(Late { due, act });
    }

    async fn let_others_go_first(&self) {
        let turns = self.process.state().rng.u8(0..4);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    async fn stop_if_killed(&self) {
        let phase = *self.process.phase.borrow();
        match phase {
            Phase::Runs => {}
            Phase::Paused => {
                // The whole process stands still, not only the task that met the fault.
                let mut changes = self.process.phase.subscribe();
                let _ = changes.wait_for(|phase| *phase != Phase::Paused).await;
            }
            Phase::Killed => pending().await,
        }
    }

    async fn stand_still(&self) {
        self.process.phase.send_replace(Phase::Paused);
        self.stop_if_killed().await;
    }

    async fn die<T>(&self) -> T {
        self.process.phase.send_replace(Phase::Killed);
        pending().await
    }
}

/// An answer that may tell of a version.
trait Tells {
    fn version(&self) -> Option<&str>;
}

impl Tells for Written {
    fn version(&self) -> Option<&str> {
        Some(&self.version)
    }
}

impl Tells for Object {
    fn version(&self) -> Option<&str> {
        Some(&self.facts.version)
    }
}

impl Tells for Facts {
    fn version(&self) -> Option<&str> {
        Some(&self.version)
    }
}

macro_rules! tells_nothing {
    ($($answer:ty),*) => {
        $(impl Tells for $answer {
            fn version(&self) -> Option<&str> {
                None
            }
        })*
    };
}

tells_nothing!((), String, Vec<String>, CopiedPart, Page, Promises);

fn outcome<T: Tells>(answer: &Result<T, StoreError>) -> String {
    match answer {
        Ok(told) => told.version().unwrap_or("done").to_owned(),
        Err(error) => error.to_string(),
    }
}

fn is_write(operation: &str) -> bool {
    matches!(operation, "PutObject" | "CompleteMultipartUpload")
}
