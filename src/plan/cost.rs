//! What a backup will cost, from the sizes of its files, a policy and a table of prices.
//!
//! A [`Survey`] is filled by a walk, or by a run. For the walk it says what the backup will cost, by
//! month where lifecycle rules move what is stored; for the run what its requests cost, and what is
//! stored.
//!
//! # Caveats
//! Discounts are not reckoned with, nor what other people do in the buckets. A run knows no
//! lifecycle rules: what it says of a month is as if everything stayed where it was sent.

mod found;
mod lifecycle;
mod money;
mod months;
mod reckoning;
mod requests;
mod run;
mod sample;
mod survey;

use crate::api::cost::Prices;

pub use self::sample::SampleFile;
pub use self::survey::Survey;

/// The prices that come with this release.
#[must_use]
#[expect(
    clippy::missing_panics_doc,
    reason = "the table is compiled in, and a test reads it"
)]
pub fn prices() -> Prices {
    serde_saphyr::from_str(include_str!("prices.yaml")).expect("a test reads the same table")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::cost::{Estimate, Months, Tier};
    use crate::api::policy::{Category, StorageClass};
    use crate::plan::parts;

    const MEBIBYTE: u64 = 1 << 20;

    fn surveyed(class: Option<StorageClass>, files: &[(u64, u64)]) -> Survey {
        let category: Category = serde_json::from_value(serde_json::json!({
            "name": "all", "bucket": "acme", "storageClass": class,
        }))
        .unwrap();
        let mut survey = Survey::new(&[category], &prices());
        for (count, size_bytes) in files {
            for _ in 0..*count {
                survey.add_file(Some(0), *size_bytes);
            }
        }
        survey
    }

    fn survey(class: Option<StorageClass>, files: &[(u64, u64)]) -> Estimate {
        surveyed(class, files).estimate("files", "acme", None, &prices())
    }

    /// The same under lifecycle rules.
    fn under(rules: &str, class: Option<StorageClass>, files: &[(u64, u64)]) -> Estimate {
        let lifecycle = serde_saphyr::from_str(rules).expect("a lifecycle");
        surveyed(class, files).estimate("files", "acme", Some(&lifecycle), &prices())
    }

    #[track_caller]
    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }

    /// What is stored costs this, besides the catalog.
    #[track_caller]
    fn stored_near(months: &Months, estimate: &Estimate, expected: f64) {
        let catalog = estimate.categories.last().unwrap().month_dollars;
        let stored: f64 = months.stored.iter().map(|stored| stored.dollars).sum();
        near(stored - catalog, expected);
    }

    fn labels(months: &[Months]) -> Vec<(u32, Option<u32>)> {
        months
            .iter()
            .map(|months| (months.first, months.last))
            .collect()
    }

    #[test]
    fn a_gibibyte_in_standard_is_billed_as_it_is() {
        let estimate = survey(None, &[(1024, MEBIBYTE)]);
        let all = &estimate.categories[0];
        near(all.month_dollars, 0.023);
        near(all.first_run_dollars, 1.024 * 0.005);
        near(all.restore_dollars, 1.024 * 0.0004);
        near(estimate.restore_out_dollars, 0.09);
        assert_eq!((estimate.files, estimate.bytes), (1024, 1 << 30));
        assert_eq!(estimate.first_run.requests, 1024 + 1 + 13 + 9);
        assert_eq!(labels(&estimate.months_unchanged), [(1, None)]);
        stored_near(&estimate.months_unchanged[0], &estimate, 0.023);
        assert_eq!(estimate.restore_moved, None);
    }

    #[test]
    fn small_files_in_an_infrequent_class_are_billed_as_128_kib_each() {
        let estimate = survey(Some(StorageClass::StandardIa), &[(8192, 1024)]);
        let all = &estimate.categories[0];
        assert_eq!((all.bytes, all.billed_bytes), (8 << 20, 1 << 30));
        assert_eq!(all.small_objects, 8192);
        near(all.month_dollars, 0.0125);
        assert!(all.month_in_standard_dollars < all.month_dollars);
    }

    #[test]
    fn what_changes_is_billed_for_the_least_time_of_its_class() {
        let glacier = survey(Some(StorageClass::GlacierIr), &[(1024, MEBIBYTE)]);
        let [months] = glacier.months_changed.as_slice() else {
            panic!("{:?}", glacier.months_changed);
        };
        // Each day one per cent is superseded, after a day; it is kept for thirty more.
        stored_near(months, &glacier, 0.004 * 1.3);
        near(months.early_dollars, 0.004 * 0.59);
        near(months.runs_dollars, 30.0 * glacier.changed_run.dollars);
    }

    #[test]
    fn rules_move_what_is_large_enough_from_class_to_class() {
        let files = [(1024, MEBIBYTE), (1024, 1024)];
        let estimate = under("{preset: LongTerm}", None, &files);
        let months = &estimate.months_unchanged;
        let expected = [
            (1, Some(1)),
            (2, Some(2)),
            (3, Some(6)),
            (7, Some(7)),
            (8, None),
        ];
        assert_eq!(labels(months), expected);
        let small = 0.023 / 1024.0;
        stored_near(&months[0], &estimate, 0.023 + small);
        stored_near(&months[1], &estimate, 0.0125 + small);
        // 32 KiB are added to each object, and 8 KiB as STANDARD.
        let archived = 0.0036 * (1.0 + 1.0 / 32.0) + 0.023 / 128.0;
        stored_near(&months[4], &estimate, archived + small);
        let moves: Vec<u64> = months.iter().map(|months| months.moves).collect();
        assert_eq!(moves, [0, 1024, 0, 1024, 0]);
        near(months[1].moves_dollars, 1.024 * 0.01);
        near(months[3].moves_dollars, 1.024 * 0.03);
        near(months[3].early_dollars, 0.0);
        // Read from STANDARD each file takes a request, from an archive another.
        let restore = estimate.restore_moved.unwrap();
        assert_eq!(restore.requests, estimate.restore.requests + 1024);
        near(
            restore.dollars - estimate.restore.dollars,
            1.024 * 0.05 + 0.01,
        );
    }

    #[test]
    fn superseded_versions_are_kept_moved_and_removed() {
        let rules = "{preset: NoncurrentArchive, noncurrentExpirationDays: 60}";
        let estimate = under(rules, None, &[(102_400, MEBIBYTE)]);
        let [months] = estimate.months_changed.as_slice() else {
            panic!("{:?}", estimate.months_changed);
        };
        assert_eq!(labels(&estimate.months_changed), [(4, None)]);
        // A gibibyte a day, for thirty days in each class.
        let archived = 30.0 * (0.0036 * (1.0 + 1.0 / 32.0) + 0.023 / 128.0);
        stored_near(months, &estimate, 100.0 * 0.023 + 30.0 * 0.023 + archived);
        // It leaves GLACIER after thirty days of ninety.
        near(months.early_dollars, archived * 2.0);
        assert_eq!(months.moves, 30 * 1024);
        assert_eq!(months.stored[1].tier, Tier::Glacier);
        assert_eq!(months.stored[1].bytes, 30 << 30);
        assert_eq!(estimate.restore_moved, None);
    }

    #[test]
    fn versions_that_nothing_removes_are_told_of_for_two_years() {
        let estimate = under("{preset: LongTerm}", None, &[(100, MEBIBYTE)]);
        assert_eq!(estimate.superseded_kept_days, None);
        let months = &estimate.months_changed;
        assert_eq!(labels(months), [(12, Some(12)), (24, Some(24))]);
        assert!(months[1].dollars > months[0].dollars);
        let kept = under("{noncurrentExpirationDays: 3650}", None, &[(100, MEBIBYTE)]);
        assert_eq!(labels(&kept.months_changed), [(12, Some(12)), (123, None)]);
    }

    #[test]
    fn what_leaves_a_class_too_early_is_billed_for_the_rest() {
        let rules = "{transitions: [{days: 1, storageClass: GLACIER_IR}, \
                     {days: 31, storageClass: DEEP_ARCHIVE}]}";
        let estimate = under(rules, None, &[(1024, MEBIBYTE)]);
        let early: f64 = estimate
            .months_unchanged
            .iter()
            .map(|months| months.early_dollars)
            .sum();
        near(early, 0.004 * 2.0);
    }

    #[test]
    fn only_large_enough_objects_are_watched() {
        let files = [(1000, 1024), (1000, MEBIBYTE)];
        let estimate = survey(Some(StorageClass::IntelligentTiering), &files);
        let all = &estimate.categories[0];
        let storage = money::gibibytes(all.bytes) * 0.023;
        near(all.month_dollars - storage, 0.0025);
        let rules = "{transitions: [{days: 30, storageClass: INTELLIGENT_TIERING}]}";
        let moved = under(rules, None, &files);
        let last = moved.months_unchanged.last().unwrap();
        stored_near(last, &moved, storage + 0.0025);
    }

    #[test]
    fn a_large_file_is_sent_in_parts_and_one_beyond_all_limits_is_not() {
        let estimate = survey(None, &[(1, 40 * MEBIBYTE), (1, parts::FILE_MAX_BYTES + 1)]);
        near(estimate.categories[0].first_run_dollars, 0.007 * 0.005);
        assert_eq!((estimate.files, estimate.not_captured), (1, 1));
    }

    #[test]
    fn what_a_sample_shrinks_to_the_whole_category_does() {
        let mut survey = surveyed(None, &[(1, MEBIBYTE)]);
        for index in 0..1000 {
            survey.add_compressible(0, format!("{index}.csv").as_bytes(), MEBIBYTE);
        }
        survey.add_compressible(0, b"large.csv", 1000 * MEBIBYTE);
        let unread = survey.estimate("files", "acme", None, &prices());
        assert_eq!(unread.categories[0].stored_bytes, 2001 * MEBIBYTE);
        let sample = survey.sample();
        assert!((16..=32).contains(&sample.len()), "{}", sample.len());
        for file in &sample {
            let stored = if file.path == b"large.csv" { 0.1 } else { 0.5 };
            survey.add_sampled(file, stored);
        }
        let estimate = survey.estimate("files", "acme", None, &prices());
        let all = &estimate.categories[0];
        assert_eq!((all.bytes, all.objects), (2001 * MEBIBYTE, 1002));
        // The large file is half of all that is compressed.
        let stored = all.stored_bytes / MEBIBYTE;
        assert!((560..=640).contains(&stored), "{stored}");
        assert!(estimate.first_run.requests < unread.first_run.requests);
        assert_eq!(all.sampled_files, sample.len() as u64);
    }
}
