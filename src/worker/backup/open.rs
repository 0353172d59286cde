//! Open: become the writer, which fences every older one, and see that the store keeps what is
//! promised.

use std::time::Duration;

use uuid::Uuid;

use super::Backup;
use crate::adapters::store::{Attributes, Condition, Page, Put, Store, StoreError};
use crate::adapters::tree::Tree;
use crate::adapters::{clock, process};
use crate::api::catalog::{Claim, Commit, CommitRef, FORMAT_VERSION, Head, Repository, Writer};
use crate::api::outcome::Reason;
use crate::plan::head::Access;
use crate::plan::preflight::{self, Promises};
use crate::plan::{head, left, location, outbox, place};
use crate::worker::failure::Failure;
use crate::worker::head::{crc64, create, swap, write_once};
use crate::worker::lease;
use crate::worker::repository::{Held, read_commit, read_head, read_repository};

/// How often the writer that is waited for is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(15);

impl<S: Store, T: Tree> Backup<S, T> {
    /// Opens the repository, which is made if there is none. From the answer on, whoever holds
    /// it has to release it.
    pub(super) async fn open(&self) -> Result<(Repository, Held), Failure> {
        for warning in self.preflight().await? {
            self.progress.warn(warning);
        }
        let (repository, held) = self.find_or_create().await?;
        let held = self.wait_for_writer(held).await?;
        Ok((repository, self.become_writer(held).await?))
    }

    /// The newest restore point, read.
    pub(super) async fn parent(&self, head: &Head) -> Result<Option<(CommitRef, Commit)>, Failure> {
        let Some(reference) = &head.commit else {
            return Ok(None);
        };
        let commit = read_commit(&*self.store, &self.location, reference).await?;
        Ok(Some((reference.clone(), commit)))
    }

    /// Refuses buckets whose settings would not keep what is promised.
    async fn preflight(&self) -> Result<Vec<String>, Failure> {
        let mut promises: Vec<(String, Promises)> = Vec::new();
        for bucket in self.all_buckets() {
            let seen = self
                .store
                .bucket_promises(&bucket)
                .await
                .map_err(Failure::from)?;
            promises.push((bucket, seen));
        }
        let data = self.data_buckets();
        let buckets: Vec<preflight::Bucket<'_>> = promises
            .iter()
            .map(|(name, promises)| preflight::Bucket {
                name,
                promises,
                holds_catalog: *name == self.location.bucket,
                holds_data: data.contains(name),
            })
            .collect();
        let verdict = preflight::check(&buckets);
        if verdict.refusals.is_empty() {
            return Ok(verdict.warnings);
        }
        Err(Failure::new(
            Reason::PreflightRefused,
            verdict.refusals.join("; "),
        ))
    }

    async fn find_or_create(&self) -> Result<(Repository, Held), Failure> {
        let store = &*self.store;
        let repository = match read_repository(store, &self.location).await? {
            Some(repository) => repository,
            None => self.create_repository().await?,
        };
        let held = match read_head(store, &self.location).await? {
            Some(held) => held,
            None => self.create_head(&repository).await?,
        };
        if held.head.repository != repository.uuid {
            return Err(Failure::integrity(
                "HEAD belongs to another repository than repository.json: one of them was \
                 replaced",
            ));
        }
        Ok((repository, held))
    }

    async fn create_repository(&self) -> Result<Repository, Failure> {
        let repository = Repository {
            format: FORMAT_VERSION,
            uuid: Uuid::new_v4(),
            identity: self.spec.identity.clone(),
            created: self.store.last_answer().unwrap_or_else(clock::now),
        };
        let body = serde_json::to_vec_pretty(&repository)
            .map_err(|error| Failure::integrity(error.to_string()))?;
        let put = Put {
            bucket: self.location.bucket.clone(),
            key: self.location.repository(),
            crc64: crc64(&body),
            body: body.into(),
            condition: Condition::Absent,
            attributes: Attributes::default(),
        };
        match self.store.put(put).await {
            Ok(_) => Ok(repository),
            // Another run made it at the same moment, or the reply was lost: what stands, stands.
            Err(
                error @ (StoreError::ConditionFailed { .. }
                | StoreError::Conflict { .. }
                | StoreError::Unavailable { .. }),
            ) => {
                let standing = read_repository(&*self.store, &self.location).await?;
                standing.ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// HEAD is made only where no commit record exists: a HEAD that is lost is not made anew.
    async fn create_head(&self, repository: &Repository) -> Result<Held, Failure> {
        let commits = self.location.commits();
        let page = self
            .store
            .list(&self.location.bucket, &commits, None)
            .await?;
        if !page.keys.is_empty() {
            return Err(Failure::integrity(format!(
                "HEAD is missing while commit records exist under {commits}: restore an older \
                 version of HEAD"
            )));
        }
        let first = head::initial(repository, Uuid::new_v4());
        match create(&*self.store, &self.location, first).await {
            Err(failure) if failure.reason == Reason::Fenced => {
                read_head(&*self.store, &self.location)
                    .await?
                    .ok_or(failure)
            }
            other => other,
        }
    }

    /// Waits for a living writer to end or to fall silent, as long as the run has patience and
    /// within its own deadline.
    async fn wait_for_writer(&self, mut held: Held) -> Result<Held, Failure> {
        let began = clock::monotonic();
        let mut told = None;
        loop {
            let Some(writer) = held.head.writer.clone() else {
                return Ok(held);
            };
            if writer.process.as_ref().is_some_and(process::is_gone) {
                return Ok(held);
            }
            let sign = lease::last_sign(&*self.store, &self.location, &writer.run).await?;
            let last_sign = sign.map_or(held.modified, |sign| sign.max(held.modified));
            let now = self.store.last_answer().unwrap_or_else(clock::now);
            let Access::WaitUntil(stale_at) = head::access(&held.head, &self.run, last_sign, now)
            else {
                return Ok(held);
            };
            let waited = clock::monotonic().duration_since(began);
            let pause = match self.patience {
                Some(patience) => LOOK_INTERVAL.min(patience.saturating_sub(waited)),
                None => LOOK_INTERVAL,
            };
            if pause.is_zero() {
                return Err(self.locked(&writer));
            }
            if told.replace(stale_at) != Some(stale_at) {
                tracing::info!(writer = %writer.run, until = %stale_at, "waiting for another run");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                stopped = self.stop.requested() => {
                    return Err(match stopped.reason {
                        Reason::DeadlineExceeded => self.locked(&writer),
                        _ => stopped,
                    });
                }
            }
            held = read_head(&*self.store, &self.location)
                .await?
                .ok_or_else(Failure::fenced)?;
        }
    }

    fn locked(&self, writer: &Writer) -> Failure {
        Failure::new(
            Reason::Locked,
            format!(
                "run {} has been writing to {} since {}, and did not end in time: wait for it, or see \
                 why it does not end; one that is dead is taken over after five minutes",
                writer.run,
                self.location.prefix(),
                writer.since
            ),
        )
    }

    async fn become_writer(&self, held: Held) -> Result<Held, Failure> {
        let writer = Writer {
            run: self.run.clone(),
            epoch: held.head.epoch + 1,
            since: self.store.last_answer().unwrap_or_else(clock::now),
            process: process::this(),
        };
        let before = left::taken(held.head.clone(), self.left.as_ref());
        let mut next = head::opened(&before, writer, Uuid::new_v4());
        if let Some(dead) = held.head.writer.as_ref()
            && dead.run != self.run
            && !left::is_at_rest(self.left.as_ref(), dead)
        {
            next = head::bereaved(&next, dead, Uuid::new_v4());
            if self.tells {
                next.outbox = outbox::died(next.outbox, dead, held.head.commit.as_ref());
            }
        }
        swap(&*self.store, &self.location, &held, next).await
    }

    /// Claims every key prefix that this run may write under, and tries the store out once.
    pub(super) async fn claim_and_probe(
        &self,
        repository: &Repository,
        held: Held,
    ) -> Result<Held, Failure> {
        let mut next = held.head.clone();
        for bucket in self.data_buckets() {
            let name = format!("{bucket}/{}", self.claimed_prefix());
            if !next.claimed.contains(&name) {
                self.claim(&bucket, repository).await?;
                next.claimed.push(name);
            }
        }
        let endpoint = self.endpoint_name();
        if !next.probed.contains(&endpoint) {
            self.probe(&held).await?;
            next.probed.push(endpoint);
        }
        if next.adopted.as_ref().unwrap_or(&repository.identity) != &self.spec.identity {
            next.adopted = Some(self.spec.identity.clone());
        }
        if next == held.head {
            return Ok(held);
        }
        next.nonce = Uuid::new_v4();
        swap(&*self.store, &self.location, &held, next).await
    }

    /// Looks at the neighbours before, so that a repository which is refused leaves no claim
    /// behind, and after, because two may claim at the same moment.
    async fn claim(&self, bucket: &str, repository: &Repository) -> Result<(), Failure> {
        let prefix = self.claimed_prefix();
        self.check_neighbours(bucket, &prefix, repository).await?;
        let claim = Claim {
            repository: repository.uuid,
            catalog: format!("{}/{}", self.location.bucket, self.location.prefix()),
        };
        let body = serde_json::to_vec_pretty(&claim)
            .map_err(|error| Failure::integrity(error.to_string()))?;
        let put = Put {
            bucket: bucket.to_owned(),
            key: location::claim(&prefix),
            crc64: crc64(&body),
            body: body.into(),
            condition: Condition::Absent,
            attributes: Attributes::default(),
        };
        match self.store.put(put).await {
            Ok(_) => {}
            Err(
                error @ (StoreError::ConditionFailed { .. }
                | StoreError::Conflict { .. }
                | StoreError::Unavailable { .. }),
            ) => match self.read_claim(bucket, &prefix).await? {
                Some(standing) if standing.repository == repository.uuid => {}
                Some(standing) => return Err(self.belongs(bucket, &prefix, &standing)),
                None => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
        self.check_neighbours(bucket, &prefix, repository).await
    }

    /// Refuses a prefix above or below another repository's: a file of one could bear the key of
    /// a file of the other.
    async fn check_neighbours(
        &self,
        bucket: &str,
        prefix: &str,
        repository: &Repository,
    ) -> Result<(), Failure> {
        let below = format!("claims/{prefix}/");
        let page: Page = self.store.list(bucket, &below, None).await?;
        let below = page
            .keys
            .iter()
            .filter_map(|listed| location::claimed_prefix(&listed.key));
        for neighbour in location::ancestors(prefix).chain(below) {
            if let Some(standing) = self.read_claim(bucket, neighbour).await?
                && standing.repository != repository.uuid
            {
                return Err(self.belongs(bucket, neighbour, &standing));
            }
        }
        Ok(())
    }

    fn belongs(&self, bucket: &str, prefix: &str, standing: &Claim) -> Failure {
        let catalog = &standing.catalog;
        let own = format!("{}/{}", self.location.bucket, self.location.prefix());
        let message = if *catalog == own {
            format!(
                "the files under {prefix} of bucket {bucket} are those of a catalog at {catalog} that is \
                 gone: bring back the catalog's bucket, from older versions or a replica; or choose \
                 another storage.keyPrefix, and begin anew"
            )
        } else {
            format!(
                "the key prefix {prefix} of bucket {bucket} belongs to the repository at {catalog}: give \
                 its name with --cluster-name if that is this policy's from before (a host's name is part \
                 of it), or choose another storage.keyPrefix"
            )
        };
        Failure::new(Reason::PreflightRefused, message)
    }

    async fn read_claim(&self, bucket: &str, prefix: &str) -> Result<Option<Claim>, Failure> {
        let request = crate::adapters::store::Get {
            bucket: bucket.to_owned(),
            key: location::claim(prefix),
            ..Default::default()
        };
        match self.store.get(request).await {
            Ok(object) => serde_json::from_slice(&object.body)
                .map(Some)
                .map_err(|error| Failure::integrity(format!("claim on {prefix}: {error}"))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What this run's key prefix claims.
    fn claimed_prefix(&self) -> String {
        place::claimed(self.spec.storage.key_prefix.as_deref().unwrap_or_default())
    }

    /// The name under which it is noted that the store's endpoint has passed the probe.
    fn endpoint_name(&self) -> String {
        let storage = &self.spec.storage;
        storage
            .endpoint
            .clone()
            .unwrap_or_else(|| format!("aws:{}", storage.region))
    }

    /// Tries out that conditions are honoured: everything rests on them.
    async fn probe(&self, held: &Held) -> Result<(), Failure> {
        let writer = held
            .head
            .writer
            .as_ref()
            .map_or_else(|| self.run.clone(), Writer::id);
        let key = self.location.probe(&writer);
        let body = bytes::Bytes::from_static(b"backstay");
        write_once(
            &*self.store,
            &self.location,
            key.clone(),
            body.clone(),
            Attributes {
                sha256: Some(super::hash(&body)),
                ..Attributes::default()
            },
        )
        .await?;
        for condition in [
            Condition::Absent,
            Condition::Matches("\"0123456789abcdef0123456789abcdef\"".into()),
        ] {
            let put = Put {
                bucket: self.location.bucket.clone(),
                key: key.clone(),
                crc64: crc64(&body),
                body: body.clone(),
                condition,
                attributes: Attributes::default(),
            };
            match self.store.put(put).await {
                Err(StoreError::ConditionFailed { .. }) => {}
                Ok(_) => return Err(conditions_ignored()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn conditions_ignored() -> Failure {
    Failure::new(
        Reason::PreflightRefused,
        "the store ignores If-Match or If-None-Match on writes, so that two runs could overwrite \
         each other: use a store that honours them (AWS S3, MinIO)",
    )
}
