//! Listing keys.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;

use super::S3Store;
use super::error::Request;
use crate::adapters::store::{Listed, Page, StoreError};

/// How many empty pages in a row are believed. A store may send them where it passes over many
/// delete markers; each covers a thousand or so.
const EMPTY_PAGES_MAX: u32 = 1000;

impl S3Store {
    pub(super) async fn list_page(
        &self,
        bucket: &str,
        prefix: &str,
        start_after: Option<&str>,
    ) -> Result<Page, StoreError> {
        let request = Request::on_bucket("ListObjectsV2", bucket);
        let mut token = None;
        for _ in 0..EMPTY_PAGES_MAX {
            let answer = self
                .client
                .list_objects_v2()
                .bucket(bucket)
                .prefix(prefix)
                .set_start_after(start_after.map(str::to_owned))
                .set_continuation_token(token.clone())
                // XML cannot carry every character that a key may hold.
                .encoding_type(EncodingType::Url)
                .send()
                .await
                .map_err(|error| request.failed(&error))?;
            let page = page(request, &answer, prefix, start_after)?;
            if !page.keys.is_empty() || !page.more {
                return Ok(page);
            }
            if answer.next_continuation_token.is_none() || answer.next_continuation_token == token {
                return Err(disordered(request, "an empty page that leads nowhere"));
            }
            token = answer.next_continuation_token;
        }
        Err(disordered(request, "empty pages without end"))
    }
}

/// Reads a page and checks that it goes on from `start_after` in byte order: what a listing
/// skips or repeats would be read as missing or as there.
fn page(
    request: Request<'_>,
    answer: &ListObjectsV2Output,
    prefix: &str,
    start_after: Option<&str>,
) -> Result<Page, StoreError> {
    let is_encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let mut keys: Vec<Listed> = Vec::with_capacity(answer.contents().len());
    for object in answer.contents() {
        let raw = object.key().unwrap_or_default();
        let key = if is_encoded {
            decode(raw)
        } else {
            Some(raw.to_owned())
        };
        let Some(key) = key.filter(|key| key.starts_with(prefix)) else {
            return Err(disordered(request, "a key that was not asked for"));
        };
        let previous = keys.last().map(|last| last.key.as_str()).or(start_after);
        if previous.is_some_and(|previous| previous >= key.as_str()) {
            return Err(disordered(request, "keys out of order"));
        }
        let size = object.size().and_then(|size| u64::try_from(size).ok());
        let modified = object
            .last_modified()
            .and_then(|modified| jiff::Timestamp::from_second(modified.secs()).ok());
        let (Some(size), Some(etag), Some(modified)) = (size, object.e_tag(), modified) else {
            return Err(disordered(request, "a key without size, ETag or time"));
        };
        keys.push(Listed {
            key,
            size,
            etag: etag.to_owned(),
            modified,
        });
    }
    Ok(Page {
        keys,
        more: answer.is_truncated() == Some(true),
    })
}

fn disordered(request: Request<'_>, what: &str) -> StoreError {
    request.refuse("DisorderedListing", &format!("the store lists {what}"))
}

/// Undoes what `encoding-type=url` does: `%XX` for a byte, and `+` for a space.
fn decode(encoded: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let mut one = [0];
                hex::decode_to_slice([bytes.next()?, bytes.next()?], &mut one).ok()?;
                decoded.extend(one);
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::Object;

    use super::*;

    fn check(keys: &[&str], start_after: Option<&str>) -> Result<Page, StoreError> {
        let contents = keys
            .iter()
            .map(|key| {
                Object::builder()
                    .key(*key)
                    .size(1)
                    .e_tag("\"e\"")
                    .last_modified(aws_sdk_s3::primitives::DateTime::from_secs(0))
                    .build()
            })
            .collect();
        let answer = ListObjectsV2Output::builder()
            .set_contents(Some(contents))
            .encoding_type(EncodingType::Url)
            .build();
        page(
            Request::on_bucket("ListObjectsV2", "b"),
            &answer,
            "p/",
            start_after,
        )
    }

    #[test]
    fn keys_are_decoded() {
        let page = check(&["p/a+b", "p/a%2Bb", "p/%C3%BC", "p/%EF%BF%BD%25"], None);
        let keys: Vec<_> = page
            .expect("in order")
            .keys
            .into_iter()
            .map(|k| k.key)
            .collect();
        assert_eq!(keys, ["p/a b", "p/a+b", "p/ü", "p/\u{fffd}%"]);
    }

    #[test]
    fn s22_a_listing_that_repeats_reorders_or_strays_is_refused() {
        assert!(check(&["p/b", "p/c"], Some("p/a")).is_ok());
        assert!(check(&["p/b", "p/b"], None).is_err());
        assert!(check(&["p/c", "p/b"], None).is_err());
        assert!(check(&["p/b"], Some("p/b")).is_err());
        assert!(check(&["q/b"], None).is_err());
        assert!(check(&["p/%zz"], None).is_err());
    }
}
