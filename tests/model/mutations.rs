//! What people and programs do to a tree, by chance.

use std::sync::Arc;

use backstay::api::catalog::{Kind, Ownership};
use backstay::plan::key::display;

use crate::files::{Body, Broken, EACCES, EIO, Files, NodeId, join, split};

/// How deep directories are nested.
const DEPTH_MAX: usize = 4;

/// Names that are ordinary, that sort around `/`, and that somebody will trip over.
const NAMES: &[&[u8]] = &[
    b"a",
    b"b",
    b"c.csv",
    b"d.txt",
    b"a!",
    b"a-b",
    b"a0",
    b"A",
    b"docs",
    b"docs.csv",
    b".hidden",
    b".long",
    b"%41",
    b"100%",
    b"new\nline",
    b"\xff\xfe",
    "\u{105}\u{15b}\u{107}".as_bytes(),
    "gpj.\u{202e}exe".as_bytes(),
    b"trailing ",
    b"...",
    b"-rf",
    b"escape\x1b[0m",
];

/// Sizes of files. Few, so that another content often has the same size.
const SIZES: &[usize] = &[0, 1, 8, 8, 8, 40, 40, 700, 20_000];

/// A tree to start with.
pub(crate) fn populate(files: &mut Files, rng: &mut fastrand::Rng) {
    for _ in 0..rng.usize(2..14) {
        create(files, rng);
        files.advance(rng.i64(0..3_000_000_000));
    }
    ensure_file(files, rng);
}

/// One change by chance; answers with what it was. A tree is never left without a file.
pub(crate) fn change(files: &mut Files, rng: &mut fastrand::Rng) -> String {
    let said = match rng.u8(0..32) {
        0..6 => create(files, rng),
        6..12 => write(files, rng),
        12..14 => write_and_restore_mtime(files, rng),
        14..16 => touch(files, rng),
        16..18 => chmod(files, rng),
        18..21 => remove(files, rng),
        21..24 => rename(files, rng),
        24..26 => link(files, rng),
        26..28 => swap_type(files, rng),
        28..30 => set_broken(files, rng),
        30 => set_xattr(files, rng),
        _ => some_time(files, rng),
    };
    let said = said.unwrap_or_else(|| "nothing".to_owned());
    if rng.u8(0..3) > 0 {
        let tick = files.tick();
        files.advance(rng.i64(0..=tick.saturating_mul(2)));
    }
    ensure_file(files, rng);
    said
}

/// One change to a file that somebody reads; answers with what it was.
pub(crate) fn meddle(files: &mut Files, rng: &mut fastrand::Rng, id: NodeId) -> String {
    let tick = files.tick();
    files.advance(rng.i64(0..=tick.saturating_mul(2)));
    let size = files.stat(id).identity.size;
    let bytes = if rng.bool() {
        same_size(files, rng, id)
    } else {
        any_content(rng)
    };
    let said = format!("meddle: {size} bytes become {}", bytes.len());
    let mtime = files.node(id).mtime;
    files.write(id, bytes);
    if rng.u8(0..4) == 0 {
        files.set_mtime(id, mtime);
    }
    said
}

/// Mends everything that could not be read.
pub(crate) fn mend(files: &mut Files) {
    for (_, id) in files.paths() {
        files.node_mut(id).broken = Broken::default();
    }
}

fn ensure_file(files: &mut Files, rng: &mut fastrand::Rng) {
    let has_file = files.paths().iter().any(|(_, id)| is_file(files, *id));
    if !has_file {
        let root = files.root();
        let name = format!("kept-{}", rng.u16(..));
        let bytes = content(rng, 8);
        files.create(root, name.as_bytes(), Body::File(Arc::new(bytes)));
    }
}

fn create(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (path, directory, name) = free_place(files, rng)?;
    let body = match rng.u8(0..12) {
        0..7 => Body::File(Arc::new(any_content(rng))),
        7..10 => Body::Directory(std::collections::BTreeMap::new()),
        10 => Body::Symlink(
            rng.choice([&b"a"[..], b"../..", b"/etc/passwd", b"\xff"])?
                .to_vec(),
        ),
        _ => Body::Special(rng.choice([Kind::Fifo, Kind::Socket, Kind::CharacterDevice])?),
    };
    let said = format!("create {} {}", body.kind().as_str(), display(&path));
    files.create(directory, &name, body);
    Some(said)
}

fn write(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (path, id) = any_file(files, rng)?;
    let bytes = if rng.bool() {
        same_size(files, rng, id)
    } else {
        any_content(rng)
    };
    let said = format!("write {} bytes to {}", bytes.len(), display(&path));
    files.write(id, bytes);
    Some(said)
}

fn write_and_restore_mtime(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (path, id) = any_file(files, rng)?;
    let mtime = files.node(id).mtime;
    let bytes = same_size(files, rng, id);
    files.write(id, bytes);
    files.set_mtime(id, mtime);
    Some(format!("write {} and restore its mtime", display(&path)))
}

fn touch(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (path, id) = any_path(files, rng)?;
    let mtime = rng.choice([
        0,
        -1_000_000_000,
        1_800_000_000_000_000_000,
        1_600_000_000_000_000_000,
    ])?;
    files.set_mtime(id, mtime);
    Some(format!("touch {}", display(&path)))
}

fn chmod(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (path, id) = any_path(files, rng)?;
    let mode = rng.choice([0o600, 0o644, 0o755, 0o4755])?;
    let uid = rng.choice([0, 1000])?;
    files.set_ownership(
        id,
        Ownership {
            mode,
            uid,
            gid: 1000,
        },
    );
    Some(format!("chmod {mode:o} {}", display(&path)))
}

fn set_xattr(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (path, id) = any_path(files, rng)?;
    if !matches!(files.node(id).body, Body::File(_) | Body::Directory(_)) {
        return None;
    }
    files.set_xattr(id, b"user.colour", &[rng.u8(..)]);
    Some(format!("setfattr {}", display(&path)))
}

fn remove(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (path, _) = any_path(files, rng)?;
    let (directory, name) = place(files, &path)?;
    files.remove(directory, name);
    Some(format!("remove {}", display(&path)))
}

/// Renames a file over another one or to a free place. Directories stay where they are: what is
/// read through a directory that moves never was at the path that is written down, and no
/// reference could say what is right.
fn rename(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (from, id) = any_path(files, rng)?;
    if matches!(files.node(id).body, Body::Directory(_)) {
        return None;
    }
    let to = if rng.bool() {
        any_file(files, rng)?.0
    } else {
        free_place(files, rng)?.0
    };
    let (from_directory, from_name) = place(files, &from)?;
    let (to_directory, to_name) = place(files, &to)?;
    // rename(2) does nothing where both names are one file's.
    if files
        .child(to_directory, to_name)
        .is_ok_and(|other| other == id)
    {
        return None;
    }
    files.rename((from_directory, from_name), (to_directory, to_name));
    Some(format!("rename {} to {}", display(&from), display(&to)))
}

fn link(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (from, id) = any_file(files, rng)?;
    let (to, directory, name) = free_place(files, rng)?;
    files.link(id, directory, &name);
    Some(format!("link {} as {}", display(&from), display(&to)))
}

fn swap_type(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (path, id) = any_path(files, rng)?;
    let (directory, name) = place(files, &path)?;
    let body = if is_file(files, id) {
        rng.choice([
            Body::Directory(std::collections::BTreeMap::new()),
            Body::Symlink(b"a".to_vec()),
            Body::Special(Kind::Fifo),
        ])?
    } else {
        Body::File(Arc::new(any_content(rng)))
    };
    let said = format!("make {} a {}", display(&path), body.kind().as_str());
    files.remove(directory, name);
    files.create(directory, name, body);
    Some(said)
}

fn set_broken(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let (path, id) = any_path(files, rng)?;
    let whole = Broken::default();
    let broken = match &files.node(id).body {
        _ if rng.u8(0..4) == 0 => Broken {
            stat: Some(EIO),
            ..whole
        },
        Body::File(bytes) if rng.bool() && !bytes.is_empty() => Broken {
            read: Some(rng.usize(0..bytes.len())),
            ..whole
        },
        Body::Directory(_) if rng.bool() => Broken {
            read: Some(0),
            ..whole
        },
        Body::File(_) | Body::Directory(_) => Broken {
            open: rng.choice([EACCES, EIO]),
            ..whole
        },
        Body::Symlink(_) | Body::Special(_) => return None,
    };
    let is_mended = files.node(id).broken != Broken::default();
    files.node_mut(id).broken = if is_mended { Broken::default() } else { broken };
    let verb = if is_mended { "mend" } else { "break" };
    Some(format!("{verb} {}", display(&path)))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands in a list of changes that may not apply"
)]
fn some_time(files: &mut Files, rng: &mut fastrand::Rng) -> Option<String> {
    let seconds = rng.i64(1..10);
    files.advance(seconds * 1_000_000_000);
    Some(format!("{seconds} s pass"))
}

fn any_path(files: &Files, rng: &mut fastrand::Rng) -> Option<(Vec<u8>, NodeId)> {
    rng.choice(files.paths())
}

fn any_file(files: &Files, rng: &mut fastrand::Rng) -> Option<(Vec<u8>, NodeId)> {
    rng.choice(
        files
            .paths()
            .into_iter()
            .filter(|(_, id)| is_file(files, *id))
            .collect::<Vec<_>>(),
    )
}

fn free_place(files: &Files, rng: &mut fastrand::Rng) -> Option<(Vec<u8>, NodeId, Vec<u8>)> {
    let mut directories: Vec<_> = files
        .paths()
        .into_iter()
        .filter(|(_, id)| matches!(files.node(*id).body, Body::Directory(_)))
        .filter(|(path, _)| path.split(|byte| *byte == b'/').count() < DEPTH_MAX)
        .collect();
    directories.push((Vec::new(), files.root()));
    let (path, directory) = rng.choice(directories)?;
    let name = match rng.u8(0..24) {
        0 => vec![b'n'; 255],
        1 => "\u{202e}".repeat(60).into_bytes(), // three bytes become nine: overlong once escaped
        _ => rng.choice(NAMES)?.to_vec(),
    };
    files
        .child(directory, &name)
        .is_err()
        .then(|| (join(&path, &name), directory, name))
}

fn place<'path>(files: &Files, path: &'path [u8]) -> Option<(NodeId, &'path [u8])> {
    let (directory, name) = split(path);
    let directory = if directory.is_empty() {
        files.root()
    } else {
        files.find(directory).ok()?
    };
    Some((directory, name))
}

fn is_file(files: &Files, id: NodeId) -> bool {
    matches!(files.node(id).body, Body::File(_))
}

fn same_size(files: &Files, rng: &mut fastrand::Rng, id: NodeId) -> Vec<u8> {
    let size = files.stat(id).identity.size;
    content(
        rng,
        usize::try_from(size).expect("simulated files fit the memory"),
    )
}

fn any_content(rng: &mut fastrand::Rng) -> Vec<u8> {
    let size = rng.choice(SIZES).copied().unwrap_or_default();
    content(rng, size)
}

/// Bytes by chance, of a few kinds only, so that what once was often comes back.
fn content(rng: &mut fastrand::Rng, size: usize) -> Vec<u8> {
    let letter = rng.u8(b'p'..b't');
    vec![letter; size]
}
