//! What the engine rests on, asked of every S3 server in the tests: one clause, one test, each
//! run against each server. Where a server is known to do otherwise than S3, the clause expects
//! just that (`contract::server::Deviation`), so that a change is noticed.

#[cfg(test)]
mod contract;

use contract::server::Server;

/// Makes a test of each clause for each server.
macro_rules! contract {
    ($($clauses:ident: $($clause:ident),+;)+) => {
        mod minio {
            $($(
                #[tokio::test]
                async fn $clause() {
                    super::contract::$clauses::$clause(&super::Server::minio()).await;
                }
            )+)+
        }
        mod moto {
            $($(
                #[tokio::test]
                async fn $clause() {
                    super::contract::$clauses::$clause(&super::Server::moto()).await;
                }
            )+)+
        }
    };
}

contract! {
    objects:
        a_write_is_read_back_with_its_facts,
        a_version_is_read_after_it_was_overwritten,
        nothing_is_an_object_too,
        a_range_is_read,
        a_body_is_read_in_pieces,
        an_etag_is_the_same_wherever_it_is_told,
        encryption_is_asked_for_as_configured,
        a_storage_class_is_asked_for,
        s07_other_bytes_than_announced_are_refused;
    conditions:
        a_key_that_is_there_is_not_absent,
        an_overwrite_needs_the_etag_of_the_current_version,
        a_match_on_a_missing_key_does_not_hold,
        a_marked_key_counts_as_absent,
        only_one_of_many_writers_creates_a_key,
        s12_a_bucket_without_versions_is_noticed;
    uploads:
        parts_become_one_object,
        an_upload_that_is_not_absent_any_more_is_refused,
        an_upload_over_a_version_needs_its_etag,
        s07_an_upload_of_other_bytes_is_refused,
        an_upload_is_given_up_once_or_twice,
        a_part_is_copied_by_version,
        an_original_that_is_another_one_is_not_copied;
    keys:
        w23_awkward_names_survive,
        s22_many_keys_are_listed_in_order,
        a_listing_starts_after_any_key,
        keys_beneath_a_key_are_listed,
        markers_hide_keys_and_nothing_else,
        more_keys_are_marked_than_fit_one_request,
        a_marker_for_another_etag,
        s13_a_deletion_in_a_bucket_without_versions_is_noticed;
    buckets:
        versioning_is_read,
        lifecycle_rules_are_read;
    settings:
        a_missing_bucket_is_made,
        versions_are_enabled,
        public_access_is_blocked,
        a_default_encryption_is_set,
        statements_of_others_stay,
        lifecycle_rules_of_others_stay,
        uploads_are_given_up,
        files_move_to_other_classes,
        a_default_lock_is_set,
        acceleration_is_enabled_and_suspended,
        a_copy_is_kept,
        a_queue_is_told,
        a_source_tells_a_queue_beside_others;
    errors:
        what_is_missing_is_told,
        s14_wrong_keys_are_told,
        requests_are_counted_and_answers_dated,
        s05_a_body_that_breaks_off_is_asked_for_again,
        a11_a_lost_answer_is_not_taken_for_a_refusal;
}

mod no_server {
    macro_rules! clauses {
        ($($clauses:ident: $($clause:ident),+;)+) => {
            $($(
                #[tokio::test]
                async fn $clause() {
                    super::contract::$clauses::$clause().await;
                }
            )+)+
        };
    }

    clauses! {
        answers:
            nobody_there_is_told_after_all_attempts,
            s18_a_redirect_is_not_followed,
            s25_an_archived_object_is_no_missing_right,
            t08_an_answer_that_is_not_s3s_is_not_repeated,
            s09_an_error_that_says_200_is_an_error,
            s01_a_store_that_is_not_well_is_asked_again,
            s16_a_clock_that_is_off_is_told_at_once,
            s22_an_empty_page_without_end_is_refused;
        settings:
            notices_of_others_stay;
        wire:
            a_write_says_all_that_it_must_and_no_other_checksum,
            b04_a_deletion_names_no_version,
            a_copy_says_what_it_is_of,
            credentials_that_are_gone_are_told;
        patience:
            s03_silence_ends_in_an_error,
            a_body_that_stalls_ends_in_an_error,
            an_upload_that_stalls_ends_in_an_error,
            an_answer_that_takes_its_time_is_awaited;
    }
}
