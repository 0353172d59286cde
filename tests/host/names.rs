//! Names of any bytes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::host::Host;
use crate::image::{bytes, image};
use crate::tree::file;

/// Names that some tool somewhere gets wrong; each is a file's and, with `d` after it, a
/// directory's.
const AWKWARD: &[&[u8]] = &[
    b" ",
    b" leading",
    b"trailing ",
    b"trailing.",
    b"...",
    b"..a",
    b"-rf",
    b"--output",
    b"*",
    b"?[a-z]",
    b"~",
    b"$HOME",
    b"`id`",
    b"a\"b'c",
    b"back\\slash",
    b"a&b<c>d",
    b"a+b",
    b"a%b",
    b"a%2Fb",
    b"%",
    b"%00",
    b"100%",
    b"#comment",
    b"a?versionId=null",
    b"new\nline",
    b"carriage\rreturn",
    b"tab\there",
    b"bell\x07",
    b"\x1b[31mred",
    b"\x01\x7f",
    b"\xff\xfe",
    b"caf\xe9",
    b"half a \xe2\x82",
    b"\xc0\xaf",
    "café".as_bytes(),
    "cafe\u{301}".as_bytes(),
    "CAFÉ".as_bytes(),
    "right\u{202e}left".as_bytes(),
    "zero\u{200b}width".as_bytes(),
    "line\u{2028}separator".as_bytes(),
    "\u{fffe}\u{ffff}".as_bytes(),
    "\u{feff}bom".as_bytes(),
    "𝕏🦀".as_bytes(),
    "日本語.txt".as_bytes(),
    b"case",
    b"CASE",
    b".long",
    b".LONG",
    b"HEAD",
    b"CON",
    b"aux.txt",
    b"a!",
    b"a",
    b"a0",
    b"con:stream",
    b"a;b",
    b"a,b",
    b"a=b",
    b"a|b",
    b"{source}",
];

/// Names that some tool somewhere gets wrong, and the longest ones.
pub(crate) fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = AWKWARD.iter().map(|name| name.to_vec()).collect();
    names.push(vec![b'x'; 255]);
    names.push(vec![b'%'; 255]);
    names.push(vec![0xff; 255]);
    names.push("ü".repeat(127).into_bytes());
    names
}

#[test]
fn w23_names_of_any_bytes_come_back() {
    let host = Host::new();
    let root = host.root();
    for name in names() {
        let name = OsStr::from_bytes(&name);
        fs::write(root.join(name), name.as_bytes()).unwrap();
        let mut directory = name.as_bytes().to_vec();
        directory.truncate(254);
        directory.push(b'd');
        let directory = root.join(OsStr::from_bytes(&directory));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join(name), b"beneath").unwrap();
        std::os::unix::fs::symlink(name, directory.join("link")).unwrap();
    }
    let expected = image(&root).len() - 1;
    let report = host.backup().expect(0);
    assert_eq!(report.files.total, expected as u64);
    host.check_restore();
    // The order of names decides what is new: a second run sees each where it was.
    let again = host.backup().expect(0);
    assert_eq!((again.files.uploaded, again.files.deleted), (0, 0));
}

#[test]
fn w24_paths_longer_than_a_key_come_back() {
    let host = Host::new();
    let mut path = PathBuf::new();
    for level in 0..12 {
        path.push(format!("{level:02}{}", "ä".repeat(100)));
        file(
            &host.root(),
            path.join("letter.txt").to_str().unwrap(),
            format!("{level}"),
        );
    }
    assert!(bytes(&path).len() > 2048);
    host.backup().expect(0);
    host.check_restore();
}

#[test]
fn names_that_are_no_text_are_escaped_wherever_they_are_told() {
    let host = Host::new();
    fs::write(
        host.root().join(OsStr::from_bytes(b"\x1b[31m\xff\nred")),
        "",
    )
    .unwrap();
    host.backup().expect(0);
    let ls = crate::host::Done::of(host.command("ls").output());
    assert_eq!(ls.out.lines().count(), 1, "{ls:?}");
    assert!(!ls.out.contains('\x1b'), "{ls:?}");
}
