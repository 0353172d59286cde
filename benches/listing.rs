//! How much memory the listing of a large bucket takes, and how long: `cargo bench --bench listing
//! [-- KEYS…]`.
//!
//! A server in this process answers as S3 does, with pages made up as they are asked for; the
//! listing goes through the adapter and the walk of a backup. Time and memory are both ends'
//! together. Prints them for 10,000, 100,000 and 1,000,000 keys unless told.

#![expect(clippy::print_stdout, reason = "a bench is there to print figures")]

mod common;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use backstay::adapters::bucket::BucketTree;
use backstay::adapters::credentials::Credentials;
use backstay::adapters::s3::{S3Store, Timeouts};
use backstay::api::policy::Storage;
use backstay::api::run::BucketOrder;
use backstay::plan::filter::Filter;
use backstay::worker::walk;
use common::resident_peak_kib;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const KEYS: [u64; 3] = [10_000, 100_000, 1_000_000];
const KEYS_PER_PAGE: u64 = 1000;
const KEYS_PER_FOLDER: u64 = 250;

#[tokio::main]
async fn main() -> Result<()> {
    // Cargo hands `--bench` to every bench.
    let mut counts: Vec<u64> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .map(|argument| argument.parse().context("KEYS is a number"))
        .collect::<Result<_>>()?;
    if counts.is_empty() {
        counts.extend(KEYS);
    }
    let keys = tempfile::tempdir()?;
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        std::fs::write(keys.path().join(name), "bench")?;
    }
    let credentials = Credentials::Files {
        directory: keys.path().to_owned(),
    };
    println!(
        "{:>9}{:>10}{:>10}{:>16}",
        "keys", "seconds", "requests", "peak RSS KiB"
    );
    for count in counts {
        let storage = serve(count).await?;
        let store = S3Store::new(&storage, &credentials, Timeouts::default())?;
        let order = BucketOrder {
            name: "incoming".to_owned(),
            prefix: String::new(),
            region: storage.region.clone(),
            endpoint: storage.endpoint.clone(),
            credentials: None,
            queue: None,
        };
        let tree = Arc::new(BucketTree::new(store, &order, &storage));
        let start = Instant::now();
        let filter = Arc::new(Filter::new(&[], &[])?);
        let mut walking = walk::spawn(tree.clone(), filter, None);
        let mut entries = 0;
        while let Some(batch) = walking.next().await? {
            entries += batch.len();
        }
        anyhow::ensure!(
            entries as u64 == count,
            "{entries} of {count} keys were listed"
        );
        let seconds = start.elapsed().as_secs_f64();
        let requests = requests(&*tree);
        println!(
            "{count:>9}{seconds:>10.2}{requests:>10}{:>16}",
            resident_peak_kib()?
        );
    }
    Ok(())
}

fn requests(tree: &impl backstay::adapters::tree::Tree) -> u64 {
    tree.requests().values().sum()
}

/// Starts a server that has a bucket of so many keys.
async fn serve(count: u64) -> Result<Storage> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer_all(client, count));
        }
    });
    Ok(Storage {
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint),
        key_prefix: None,
        catalog_bucket: None,
        credentials: None,
        encryption: None,
        transfer_acceleration: false,
    })
}

/// Answers the requests on a line, one after the other.
async fn answer_all(mut client: TcpStream, count: u64) -> Result<()> {
    let (from_client, mut to_client) = client.split();
    let mut lines = BufReader::new(from_client).lines();
    while let Some(request) = lines.next_line().await? {
        while lines
            .next_line()
            .await?
            .is_some_and(|line| !line.is_empty())
        {}
        let page = page(first_after(&request)?, count)?;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", page.len());
        to_client.write_all(head.as_bytes()).await?;
        to_client.write_all(page.as_bytes()).await?;
    }
    Ok(())
}

/// The number of the first key that is asked for: keys end in theirs.
fn first_after(request: &str) -> Result<u64> {
    let Some((_, after)) = request.split_once("start-after=") else {
        return Ok(0);
    };
    let name = after.split(['&', ' ']).next().unwrap_or_default();
    let digits = name
        .rsplit(['-', '%'])
        .find_map(|part| part.strip_suffix(".pdf"));
    let number: u64 = digits.context("a key of ours")?.parse()?;
    Ok(number + 1)
}

fn page(first: u64, count: u64) -> Result<String> {
    let end = count.min(first + KEYS_PER_PAGE);
    let mut page = String::from("<ListBucketResult><EncodingType>url</EncodingType>");
    write!(page, "<IsTruncated>{}</IsTruncated>", end < count)?;
    for number in first..end {
        let folder = number / KEYS_PER_FOLDER;
        write!(
            page,
            "<Contents><Key>uploads/{folder:06}/scanned-document-{number:09}.pdf</Key>\
             <LastModified>2026-11-25T20:00:00.000Z</LastModified><Size>{}</Size>\
             <ETag>&quot;{number:032x}&quot;</ETag><StorageClass>STANDARD</StorageClass></Contents>",
            1000 + number
        )?;
    }
    page.push_str("</ListBucketResult>");
    Ok(page)
}
