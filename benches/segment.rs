//! What a catalog costs: time to encode and to decode, bytes of a row, peak memory.
//!
//! `cargo bench --bench segment`. Rows look like those of a file server on a store with 32
//! characters of version id; one segment of 25,000 rows is in memory at a time.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use backstay::adapters::clock;
use backstay::adapters::segment::{Batch, decode, decode_deciding, encode};
use backstay::api::catalog::{Flags, Identity, Kind, Nanoseconds, Ownership, Pin, Row, Sha256};
use backstay::plan::key;

/// The one that the command runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the engine cuts at.
const SEGMENT_ROWS: usize = 25_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for rows in [200_000, 1_000_000] {
        let figures = measure(rows)?;
        writeln!(out, "{rows} rows in {} segments", rows / SEGMENT_ROWS)?;
        writeln!(out, "  encode           {:>8.1?}", figures.encode)?;
        writeln!(out, "  decode deciding  {:>8.1?}", figures.deciding)?;
        writeln!(out, "  decode           {:>8.1?}", figures.decode)?;
        let per_row = |bytes: usize| bytes * 10 / rows;
        let (row, deciding) = (per_row(figures.bytes), per_row(figures.deciding_bytes));
        writeln!(out, "  bytes a row      {:>6}.{}", row / 10, row % 10)?;
        writeln!(
            out,
            "  deciding         {:>6}.{}",
            deciding / 10,
            deciding % 10
        )?;
        writeln!(out, "  footer           {:>8}", figures.footer_bytes)?;
        writeln!(out, "  heap: batch      {:>8}", figures.batch_heap)?;
        writeln!(out, "  heap: deciding   {:>8}", figures.deciding_heap)?;
        writeln!(out, "  peak memory      {:>8}", peak_memory()?)?;
    }
    Ok(())
}

#[derive(Default)]
struct Figures {
    encode: Duration,
    deciding: Duration,
    decode: Duration,
    bytes: usize,
    deciding_bytes: usize,
    footer_bytes: usize,
    batch_heap: usize,
    deciding_heap: usize,
}

fn measure(rows: usize) -> Result<Figures, Box<dyn Error>> {
    let mut figures = Figures::default();
    let mut random = fastrand::Rng::with_seed(1);
    let mut batch = Batch::with_capacity(SEGMENT_ROWS);
    for start in (0..rows).step_by(SEGMENT_ROWS) {
        batch.clear();
        for number in start..start + SEGMENT_ROWS {
            batch.push(&row(number, &mut random))?;
        }
        let start = clock::monotonic();
        let encoded = encode(&batch)?;
        figures.encode += start.elapsed();
        let reference = encoded.reference(String::new(), String::new());
        let deciding_bytes = usize::try_from(reference.deciding.length)?;
        let footer_bytes = usize::try_from(reference.footer.length)?;
        let deciding = encoded.bytes.slice(..deciding_bytes);
        let footer = encoded.bytes.slice(encoded.bytes.len() - footer_bytes..);

        let start = clock::monotonic();
        let rows = decode_deciding(&reference, deciding, footer)?;
        figures.deciding += start.elapsed();
        figures.deciding_heap = rows.heap_bytes();
        drop(rows);

        let start = clock::monotonic();
        let rows = decode(&reference, encoded.bytes.clone())?;
        figures.decode += start.elapsed();
        figures.batch_heap = rows.heap_bytes();
        figures.bytes += encoded.bytes.len();
        figures.deciding_bytes += deciding_bytes;
        figures.footer_bytes = footer_bytes;
    }
    Ok(figures)
}

fn row(number: usize, random: &mut fastrand::Rng) -> Row {
    const KINDS: [&str; 5] = ["pdf", "jpg", "docx", "txt", "tar.gz"];
    let kind = KINDS[random.usize(..KINDS.len())];
    let (team, year, folder) = (number / 100_000, number / 10_000 % 10, number / 100 % 100);
    let path = format!("teams/team-{team:02}/201{year}/folder {folder:02}/scan-{number:07}.{kind}");
    let size_bits = random.u32(6..24);
    let mtime = 1_600_000_000_000_000_000 + random.i64(..150_000_000_000_000_000);
    let version = std::iter::repeat_with(|| random.alphanumeric())
        .take(32)
        .collect();
    Row {
        pin: Some(Pin {
            compressed: None,
            bucket: if kind == "jpg" { "media" } else { "documents" }.to_owned(),
            key: key::data_key("production/files/share", path.as_bytes()),
            version,
            etag: format!("\"{:032x}\"", random.u128(..)),
            crc64: random.u64(..),
            sha256: Some(Sha256(std::array::from_fn(|_| random.u8(..)))),
        }),
        path: path.into_bytes(),
        identity: Identity {
            kind: Kind::File,
            size: random.u64(..1 << size_bits),
            inode: 1_000_000 + number as u64 * 2 + random.u64(..2),
            mtime: Nanoseconds(mtime),
            ctime: Nanoseconds(mtime + random.i64(..1_000_000_000)),
        },
        layout: 0x0123_4567_89ab_cdef,
        flags: Flags::default(),
        ownership: Ownership {
            mode: 0o100_644,
            uid: 1000 + random.u32(..5),
            gid: 1000,
        },
        category: if kind == "jpg" { "media" } else { "documents" }.to_owned(),
        link_target: Vec::new(),
        link_group: 0,
        device: 0,
        xattrs: Vec::new(),
    }
}

/// The most memory that the process has had, as the kernel tells it.
fn peak_memory() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .ok_or("no VmHWM")?;
    Ok(line.trim_start_matches("VmHWM:").trim().to_owned())
}
