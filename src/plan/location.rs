//! Where a repository's objects are: the names of everything under `catalog/` and `claims/`.

use super::key;

/// The place of one repository: one source of one policy of one cluster or host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The catalog bucket.
    pub bucket: String,
    prefix: String,
}

impl Location {
    /// The place that these names lead to. Names are encoded like paths, so that none of them can
    /// reach into another's place.
    #[must_use]
    pub fn new(bucket: &str, cluster: &str, namespace: &str, policy: &str, source: &str) -> Self {
        let names = [cluster, namespace, policy, source];
        let encoded = names.map(|name| key::encode(name.as_bytes()).replace('/', "%2F"));
        Self {
            bucket: bucket.to_owned(),
            prefix: format!("catalog/{}/", encoded.join("/")),
        }
    }

    /// The prefix of everything here, with a slash at its end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `repository.json`.
    #[must_use]
    pub fn repository(&self) -> String {
        self.at("repository.json")
    }

    /// `HEAD`.
    #[must_use]
    pub fn head(&self) -> String {
        self.at("HEAD")
    }

    /// `lease`.
    #[must_use]
    pub fn lease(&self) -> String {
        self.at("lease")
    }

    /// The prefix of the commit records.
    #[must_use]
    pub fn commits(&self) -> String {
        self.at("commits/")
    }

    /// The commit record of a sequence, by a writer. Records sort by their sequence.
    #[must_use]
    pub fn commit(&self, sequence: u64, writer: &str) -> String {
        self.at(&format!("commits/{sequence:012}-{writer}.json"))
    }

    /// The prefix of a writer's segments.
    #[must_use]
    pub fn segments(&self, writer: &str) -> String {
        self.at(&format!("segments/{writer}/"))
    }

    /// A writer's segment, by number from 0. Segments sort by their number, and before
    /// [`Location::gone`].
    #[must_use]
    pub fn segment(&self, writer: &str, number: u32) -> String {
        self.at(&format!("segments/{writer}/{number:06}.parquet"))
    }

    /// What a writer's commit drops.
    #[must_use]
    pub fn gone(&self, writer: &str) -> String {
        self.at(&format!("segments/{writer}/gone.parquet"))
    }

    /// A writer's report.
    #[must_use]
    pub fn report(&self, writer: &str) -> String {
        self.at(&format!("runs/{writer}/report.json"))
    }

    /// The object on which a writer tries out what the store can do.
    #[must_use]
    pub fn probe(&self, writer: &str) -> String {
        self.at(&format!("probe/{writer}"))
    }

    fn at(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// The claim on a key prefix, in the data bucket.
#[must_use]
pub fn claim(key_prefix: &str) -> String {
    format!("claims/{key_prefix}.json")
}

/// The key prefix that a claim is on; `None` for what is no claim.
#[must_use]
pub fn claimed_prefix(key: &str) -> Option<&str> {
    key.strip_prefix("claims/")?.strip_suffix(".json")
}

/// The prefixes that lie above a key prefix: a file of theirs could bear a name beneath it.
pub fn ancestors(key_prefix: &str) -> impl Iterator<Item = &str> {
    key_prefix
        .match_indices('/')
        .map(|(at, _)| &key_prefix[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_reach_into_another_place() {
        let location = Location::new("b", "c", "n", "p/../q", "..");
        assert_eq!(location.prefix(), "catalog/c/n/p%2F%2E%2E%2Fq/%2E%2E/");
    }

    #[test]
    fn commits_sort_by_sequence_and_gone_after_segments() {
        let location = Location::new("b", "c", "n", "p", "s");
        assert!(location.commit(9, "z") < location.commit(10, "a"));
        assert!(location.segment("r", 999_999) < location.gone("r"));
    }

    #[test]
    fn every_prefix_above_is_an_ancestor() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(claimed_prefix(&claim("a/b")), Some("a/b"));
    }
}
