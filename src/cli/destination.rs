//! Where a restore goes: a directory, or a bucket.

use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;

use super::order::invalid;
use super::source::connection;
use super::{chain, identity};
use crate::adapters::credentials::Credentials;
use crate::adapters::s3::{S3Store, Timeouts};
use crate::adapters::target::{Found, SetIds, Target};
use crate::api::outcome::Reason;
use crate::api::policy::BackupPolicySpec;
use crate::plan::destination::{self, Asked, is_bucket};
use crate::plan::source::Location;
use crate::worker::failure::Failure;
use crate::worker::restore::Bucket;

/// Where a restore goes.
#[derive(Debug, Args)]
pub(super) struct ToArgs {
    /// The directory to restore into, which is made if it is not there; or a bucket, as in
    /// `s3://BUCKET/PREFIX`.
    #[arg(long, value_name = "DIRECTORY|s3://BUCKET/PREFIX")]
    pub(super) to: PathBuf,

    /// The region of the bucket to restore into. Default: storage.region.
    #[arg(long, value_name = "REGION")]
    to_region: Option<String>,

    /// The URL of that bucket's store. Default: storage.endpoint; with --to-region, AWS.
    #[arg(long, value_name = "URL")]
    to_endpoint: Option<String>,

    /// The profile of the AWS tools that may write to that bucket. Default: whoever reads the
    /// backups.
    #[arg(long, value_name = "NAME")]
    to_profile: Option<String>,

    /// Give files their set-uid and set-gid bits back.
    #[arg(long)]
    restore_set_ids: bool,
}

/// A place that is ready to be restored into.
pub(super) enum To {
    Directory(Target, Found),
    Bucket(Bucket<S3Store>),
}

impl ToArgs {
    /// Opens the place, which must not be one of the policy's own.
    pub(super) fn open(&self, spec: &BackupPolicySpec, from: &Location) -> Result<To, Failure> {
        let wrong =
            |error: &dyn Display| invalid(format!("--to \"{}\" {error}", self.to.display()));
        if !is_bucket(&self.to.to_string_lossy()).map_err(|error| wrong(&error))? {
            return self.open_directory();
        }
        let url = self.to.to_str();
        let url = url.ok_or_else(|| wrong(&"is not UTF-8, as keys must be"))?;
        self.open_bucket(spec, from, url).map(To::Bucket)
    }

    fn open_directory(&self) -> Result<To, Failure> {
        let of_buckets = [
            ("--to-region", self.to_region.is_some()),
            ("--to-endpoint", self.to_endpoint.is_some()),
            ("--to-profile", self.to_profile.is_some()),
        ];
        if let Some((option, _)) = of_buckets.into_iter().find(|(_, is_given)| *is_given) {
            return Err(invalid(format!(
                "{option} is for a bucket, and --to {} is a directory: leave it out, or restore to \
                 s3://BUCKET/PREFIX",
                self.to.display()
            )));
        }
        let set_ids = if self.restore_set_ids {
            SetIds::Restored
        } else {
            SetIds::Withheld
        };
        let (target, found) = Target::open(&self.to, set_ids)
            .map_err(|error| Failure::new(Reason::TargetConflict, chain(&error)))?;
        Ok(To::Directory(target, found))
    }

    fn open_bucket(
        &self,
        spec: &BackupPolicySpec,
        from: &Location,
        url: &str,
    ) -> Result<Bucket<S3Store>, Failure> {
        if self.restore_set_ids {
            return Err(invalid(format!(
                "--restore-set-ids is for a directory, and --to {url} is a bucket: leave it out"
            )));
        }
        let asked = Asked {
            url,
            region: self.to_region.as_deref(),
            endpoint: self.to_endpoint.as_deref(),
        };
        let destination = destination::resolve(spec, from, asked).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            invalid(lines.join("\n"))
        })?;
        let credentials = match &self.to_profile {
            Some(name) => Credentials::Profile { name: name.clone() },
            None => identity::of_host(),
        };
        let storage = connection(&destination.region, destination.endpoint.clone());
        let store = S3Store::new(&storage, &credentials, Timeouts::default())
            .map_err(|error| invalid(chain(&error)))?;
        Ok(Bucket { store, destination })
    }
}
