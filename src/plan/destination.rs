//! Buckets that are restored into: which may be, and what becomes of an entry there.

use super::key::{KEY_MAX_BYTES, keeps_order};
use super::policy::Place;
use super::problem::{Problem, Problems};
use super::source::{self, Location};
use super::{names, storage};
use crate::api::catalog::Kind;
use crate::api::policy::BackupPolicySpec;
use crate::api::run::BucketOrder;

/// What the URL of a bucket starts with.
const SCHEME: &str = "s3://";

/// A bucket that is restored into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its name.
    pub bucket: String,
    /// What every key begins with.
    pub prefix: String,
    /// Its region.
    pub region: String,
    /// Its store; AWS where there is none.
    pub endpoint: Option<String>,
    /// What the entries were.
    pub origin: Origin,
}

/// What the entries of a restore point were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Objects of a bucket. Each directory was one, and nothing has an owner.
    Objects,
    /// Entries of a file system.
    Files,
}

/// What whoever restores says of the bucket.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `s3://BUCKET[/PREFIX]`.
    pub url: &'a str,
    /// Its region, where it is not the storage's.
    pub region: Option<&'a str>,
    /// Its store, where it is not the storage's.
    pub endpoint: Option<&'a str>,
}

/// A place that is no directory, and no bucket either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a directory, or a bucket as s3://BUCKET or s3://BUCKET/PREFIX")]
pub struct NoPlace;

/// Whether a place is a bucket; a directory else.
///
/// # Errors
/// It looks like a URL, and is not that of a bucket.
pub fn is_bucket(place: &str) -> Result<bool, NoPlace> {
    if place.starts_with(SCHEME) {
        return Ok(true);
    }
    let is_scheme = |scheme: &str| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_url = place
        .split_once("://")
        .is_some_and(|(scheme, _)| is_scheme(scheme));
    if is_url || place.starts_with("s3:") {
        return Err(NoPlace);
    }
    Ok(false)
}

/// Finds out which bucket is meant.
///
/// # Errors
/// What is wrong with it, all at once.
pub fn resolve(
    spec: &BackupPolicySpec,
    from: &Location,
    asked: Asked<'_>,
) -> Result<Destination, Vec<Problem>> {
    let mut problems = Problems::default();
    if let Some(region) = asked.region {
        storage::check_region("--to-region", region, &mut problems);
    }
    storage::check_endpoint("--to-endpoint", asked.endpoint, Place::Host, &mut problems);
    let (origin, bucket) = match from {
        Location::Bucket(bucket) => (Origin::Objects, Some(bucket)),
        Location::Claim { .. } | Location::Directory { .. } => (Origin::Files, None),
    };
    let (name, prefix) = split(asked.url, bucket, &mut problems);
    let (region, endpoint) = source::store(&spec.storage, asked.region, asked.endpoint);
    let place = BucketOrder {
        name,
        prefix,
        region,
        endpoint,
        credentials: None,
        queue: None,
    };
    if source::is_own(spec, &place) {
        let message = "is a place of this policy's own backups: give another bucket, or a prefix \
                       outside of data/, catalog/ and claims/";
        problems.add("--to", asked.url, message);
    }
    let problems = problems.into_vec();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Destination {
        bucket: place.name,
        prefix: place.prefix,
        region: place.region,
        endpoint: place.endpoint,
        origin,
    })
}

/// The bucket's name, and what keys there begin with: a folder, but for the very prefix of the
/// source, which need not be one. Restored to where they were, objects have the keys they had.
fn split(url: &str, from: Option<&BucketOrder>, problems: &mut Problems) -> (String, String) {
    let place = url.strip_prefix(SCHEME).unwrap_or(url);
    let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
    let checked = names::check_bucket(name);
    let checked = checked.map_err(|error| format!("names a bucket whose name {error}"));
    problems.check("--to", url, checked);
    if prefix.is_empty() || from.is_some_and(|own| own.name == name && own.prefix == prefix) {
        return (name.to_owned(), prefix.to_owned());
    }
    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
    if folder.split('/').any(str::is_empty) || !keeps_order(folder) {
        let message = "has a prefix with an empty, `.` or `..` part, or with control characters";
        problems.add("--to", url, message);
    }
    (name.to_owned(), format!("{folder}/"))
}

/// What an entry becomes in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An object with its content, under this key.
    Object(String),
    /// An object of no bytes, under this key, which ends with a slash.
    Folder(String),
    /// Nothing of its own: the keys of what is in it tell of it.
    Implied,
    /// Nothing: a bucket has no place for it.
    LeftOut,
    /// Nothing: no key can be made of its name.
    NoKey(NoKey),
}

/// Why no key can be made of a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// Keys are text.
    #[error("its name is not UTF-8, as a key must be: restore it to a directory")]
    NotText,
    /// Keys have a length.
    #[error(
        "its key would have {size_bytes} bytes, and may have {KEY_MAX_BYTES}: restore it to a \
         directory, or with a shorter prefix"
    )]
    TooLong {
        /// How many bytes it would have.
        size_bytes: usize,
    },
}

impl Destination {
    /// Its URL, as the AWS tools write it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{SCHEME}{}/{}", self.bucket, self.prefix)
    }

    /// What an entry becomes. `is_empty` says of a directory whether nothing is in it.
    #[must_use]
    pub fn entry(&self, path: &[u8], kind: Kind, is_empty: bool) -> Entry {
        match (kind, self.origin) {
            (Kind::File, _) => self.named(path, "", Entry::Object),
            (Kind::Directory, Origin::Files) if !is_empty => Entry::Implied,
            (Kind::Directory, Origin::Files | Origin::Objects) => {
                self.named(path, "/", Entry::Folder)
            }
            (
                Kind::Symlink
                | Kind::Fifo
                | Kind::Socket
                | Kind::CharacterDevice
                | Kind::BlockDevice,
                _,
            ) => Entry::LeftOut,
        }
    }

    fn named(&self, path: &[u8], end: &str, entry: impl Fn(String) -> Entry) -> Entry {
        let Ok(path) = str::from_utf8(path) else {
            return Entry::NoKey(NoKey::NotText);
        };
        let key = format!("{}{path}{end}", self.prefix);
        let size_bytes = key.len();
        if size_bytes > KEY_MAX_BYTES {
            return Entry::NoKey(NoKey::TooLong { size_bytes });
        }
        entry(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "
schedule: '@daily'
sources: [{name: in, bucket: {name: acme-in, prefix: photo-, region: eu-west-1}}]
categories:
  - {name: photos, match: {extensions: [jpg]}, bucket: acme-photos}
  - {name: rest, bucket: acme-rest}
storage: {region: eu-south-1, endpoint: 'https://minio.example:9000', catalogBucket: acme-catalog}
";

    fn asked(
        url: &str,
        region: Option<&str>,
        endpoint: Option<&str>,
    ) -> Result<Destination, String> {
        let spec: BackupPolicySpec = serde_saphyr::from_str(SPEC).unwrap();
        let from = Location::Bucket(BucketOrder {
            name: "acme-in".to_owned(),
            prefix: "photo-".to_owned(),
            region: "eu-west-1".to_owned(),
            endpoint: None,
            credentials: None,
            queue: None,
        });
        let asked = Asked {
            url,
            region,
            endpoint,
        };
        resolve(&spec, &from, asked).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            lines.join("\n")
        })
    }

    fn refused(url: &str, words: &str) {
        let told = asked(url, None, None).unwrap_err();
        assert!(told.contains(words), "{url}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }

    #[test]
    fn a_place_is_a_directory_or_a_bucket() {
        for directory in ["/srv/x", "restored", "./s3://x", "a:b", "C:/x"] {
            assert_eq!(is_bucket(directory), Ok(false), "{directory}");
        }
        assert_eq!(is_bucket("s3://acme"), Ok(true));
        for neither in ["s3:acme", "s3:/acme", "S3://acme", "gs://acme", "file:///x"] {
            assert_eq!(is_bucket(neither), Err(NoPlace), "{neither}");
        }
    }

    #[test]
    fn a_prefix_is_a_folder_but_for_that_of_the_source() {
        let prefix = |url| asked(url, None, None).unwrap().prefix;
        assert_eq!(prefix("s3://acme-out"), "");
        assert_eq!(prefix("s3://acme-out/"), "");
        assert_eq!(prefix("s3://acme-out/a/b"), "a/b/");
        assert_eq!(prefix("s3://acme-out/a/b/"), "a/b/");
        assert_eq!(prefix("s3://acme-out/photo-"), "photo-/");
        assert_eq!(prefix("s3://acme-in/photo-"), "photo-");
    }

    #[test]
    fn a_bucket_is_at_the_storage_unless_it_is_said_where() {
        let at = |region, endpoint| {
            let found = asked("s3://acme-out", region, endpoint).unwrap();
            (found.region, found.endpoint)
        };
        let (own, other) = ("https://minio.example:9000", "https://s3.example");
        assert_eq!(at(None, None), ("eu-south-1".into(), Some(own.into())));
        assert_eq!(at(Some("eu-west-1"), None), ("eu-west-1".into(), None));
        assert_eq!(
            at(None, Some(other)),
            ("eu-south-1".into(), Some(other.into()))
        );
    }

    #[test]
    fn what_cannot_be_restored_into_is_told() {
        refused("s3://", "names a bucket whose name has 0 characters");
        refused("s3:///in", "names a bucket whose name has 0 characters");
        refused("s3://Acme_in/x", "names a bucket whose name must be made");
        for url in ["s3://acme-out//", "s3://acme-out//a", "s3://acme-out/a//b"] {
            refused(url, "has a prefix with an empty");
        }
        for url in [
            "s3://acme-out/a/../b",
            "s3://acme-out/.",
            "s3://acme-out/\n",
        ] {
            refused(url, "has a prefix with an empty");
        }
        let told = asked("s3://acme-out", Some("Milan"), Some("minio")).unwrap_err();
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains("--to-region \"Milan\" must"), "{told}");
        assert!(told.contains("--to-endpoint \"minio\" must"), "{told}");
    }

    #[test]
    fn b05_the_policys_own_repositories_are_not_restored_into() {
        for url in [
            "s3://acme-photos",
            "s3://acme-rest/data",
            "s3://acme-rest/data/acme/office",
            "s3://acme-rest/claims/",
            "s3://acme-catalog/catalog",
        ] {
            refused(url, "is a place of this policy's own backups");
        }
        let own = asked("s3://acme-rest", None, Some("https://Minio.example:9000/"));
        assert!(own.unwrap_err().contains("own backups"));
        assert!(asked("s3://acme-rest/database", None, None).is_ok());
        assert!(asked("s3://acme-rest", Some("eu-west-1"), None).is_ok());
    }

    fn to(prefix: &str, origin: Origin) -> Destination {
        Destination {
            bucket: "acme-out".to_owned(),
            prefix: prefix.to_owned(),
            region: "eu-south-1".to_owned(),
            endpoint: None,
            origin,
        }
    }

    #[test]
    fn a_file_is_an_object_of_its_name() {
        let to = to("in/", Origin::Files);
        let entry = |path: &[u8]| to.entry(path, Kind::File, false);
        assert_eq!(
            entry(b"a/100% \n.txt"),
            Entry::Object("in/a/100% \n.txt".to_owned())
        );
        assert_eq!(entry(b"caf\xe9"), Entry::NoKey(NoKey::NotText));
        assert!(matches!(entry(&[b'x'; 1021]), Entry::Object(_)));
        let size_bytes = 1025;
        assert_eq!(
            entry(&[b'x'; 1022]),
            Entry::NoKey(NoKey::TooLong { size_bytes })
        );
    }

    #[test]
    fn a_directory_is_an_object_where_nothing_else_tells_of_it() {
        let folder = Entry::Folder("in/a/".to_owned());
        for (origin, is_empty, expected) in [
            (Origin::Files, true, folder.clone()),
            (Origin::Files, false, Entry::Implied),
            (Origin::Objects, true, folder.clone()),
            (Origin::Objects, false, folder),
        ] {
            let entry = to("in/", origin).entry(b"a", Kind::Directory, is_empty);
            assert_eq!(entry, expected, "{origin:?} {is_empty}");
        }
    }

    #[test]
    fn what_has_no_content_has_no_place() {
        for kind in [Kind::Symlink, Kind::Fifo, Kind::Socket, Kind::BlockDevice] {
            assert_eq!(
                to("", Origin::Files).entry(b"a", kind, false),
                Entry::LeftOut
            );
        }
    }
}
