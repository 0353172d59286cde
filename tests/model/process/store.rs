//! The store's requests, each through [`SimStore::request`].

use std::collections::BTreeMap;

use backstay::adapters::store::{
    Attributes, Body, Complete, CopiedPart, CopyPart, Facts, Get, Marked, Object, Page, Part,
    Promises, Put, Store, StoreError, Written,
};
use futures::StreamExt;

use super::SimStore;

impl Store for SimStore {
    async fn get(&self, request: Get) -> Result<Object, StoreError> {
        let (bucket, key) = (request.bucket.clone(), request.key.clone());
        self.request("GetObject", &bucket, &key, move |state, _| {
            state.get(&request)
        })
        .await
    }

    async fn read(&self, request: Get) -> Result<Body, StoreError> {
        let (bucket, key) = (request.bucket.clone(), request.key.clone());
        let object = self
            .request("GetObject", &bucket, &key, move |state, _| {
                state.get(&request)
            })
            .await?;
        let piece = self.process.state().rng.usize(1..=4096);
        let pieces: Vec<_> = object
            .body
            .chunks(piece)
            .map(|piece| Ok(object.body.slice_ref(piece)))
            .collect();
        Ok(futures::stream::iter(pieces).boxed())
    }

    async fn head(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Facts, StoreError> {
        let (in_bucket, of, version) = (
            bucket.to_owned(),
            key.to_owned(),
            version.map(ToOwned::to_owned),
        );
        self.request("HeadObject", bucket, key, move |state, _| {
            Ok(state
                .find(&in_bucket, &of, version.as_deref())?
                .facts
                .clone())
        })
        .await
    }

    async fn put(&self, request: Put) -> Result<Written, StoreError> {
        let (bucket, key) = (request.bucket.clone(), request.key.clone());
        self.request("PutObject", &bucket, &key, move |state, process| {
            state.put(process, request)
        })
        .await
    }

    async fn create_upload(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
    ) -> Result<String, StoreError> {
        let (in_bucket, of) = (bucket.to_owned(), key.to_owned());
        self.request("CreateMultipartUpload", bucket, key, move |state, _| {
            state.create_upload(&in_bucket, &of, attributes)
        })
        .await
    }

    async fn upload_part(&self, part: Part) -> Result<String, StoreError> {
        let (bucket, key) = (part.bucket.clone(), part.key.clone());
        self.request("UploadPart", &bucket, &key, move |state, _| {
            state.upload_part(part)
        })
        .await
    }

    async fn copy_part(&self, part: CopyPart) -> Result<CopiedPart, StoreError> {
        let (bucket, key) = (part.bucket.clone(), part.key.clone());
        self.request("UploadPartCopy", &bucket, &key, move |state, _| {
            state.copy_part(part)
        })
        .await
    }

    async fn complete_upload(&self, request: Complete) -> Result<Written, StoreError> {
        let (bucket, key) = (request.bucket.clone(), request.key.clone());
        self.request(
            "CompleteMultipartUpload",
            &bucket,
            &key,
            move |state, process| state.complete(process, &request),
        )
        .await
    }

    async fn abort_upload(&self, bucket: &str, key: &str, upload: &str) -> Result<(), StoreError> {
        let (in_bucket, upload) = (bucket.to_owned(), upload.to_owned());
        self.request("AbortMultipartUpload", bucket, key, move |state, _| {
            state.abort(&in_bucket, &upload)
        })
        .await
    }

    async fn delete(&self, bucket: &str, keys: Vec<Marked>) -> Result<Vec<String>, StoreError> {
        let in_bucket = bucket.to_owned();
        let first = keys
            .first()
            .map_or_else(String::new, |marked| marked.key.clone());
        self.request("DeleteObjects", bucket, &first, move |state, process| {
            state.delete(process, &in_bucket, &keys)
        })
        .await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        start_after: Option<&str>,
    ) -> Result<Page, StoreError> {
        let (in_bucket, under, after) = (
            bucket.to_owned(),
            prefix.to_owned(),
            start_after.map(ToOwned::to_owned),
        );
        self.request("ListObjectsV2", bucket, prefix, move |state, _| {
            state.list(&in_bucket, &under, after.as_deref())
        })
        .await
    }

    async fn bucket_promises(&self, bucket: &str) -> Result<Promises, StoreError> {
        let of = bucket.to_owned();
        self.request("GetBucketVersioning", bucket, "", move |state, _| {
            Ok(state.bucket(&of)?.promises.clone())
        })
        .await
    }

    fn last_answer(&self) -> Option<jiff::Timestamp> {
        self.process.state().last_answer
    }

    fn requests(&self) -> BTreeMap<String, u64> {
        self.process.state().requests.clone()
    }
}
