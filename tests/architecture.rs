//! The arrows between the rooms, and what each room must never name.
//!
//! Every path in the sources is looked at: what `use` brings in, also under another name or
//! through a re-export, and what is written out in full. Test modules are left out.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests stand outside of test functions"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A room may use the rooms after it.
const ROOMS: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("plan", &["api"]),
    ("adapters", &["plan", "api"]),
    ("worker", &["adapters", "plan", "api"]),
    ("controller", &["adapters", "plan", "api"]),
];

/// What a room must not name: crates (a trailing `_` means any that begin so) and modules.
const BANNED: &[(&str, &[&str])] = &[
    (
        "api",
        &[
            "tokio", "aws_", "parquet", "tracing", "std::env", "std::fs", "rustix",
        ],
    ),
    (
        "plan",
        &[
            "kube",
            "k8s_openapi",
            "tokio",
            "aws_",
            "parquet",
            "tracing",
            "rustix",
            "fastrand",
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "std::thread",
        ],
    ),
    (
        "adapters",
        &["std::env", "std::process", "clap", "indicatif"],
    ),
    (
        "worker",
        &[
            "kube",
            "k8s_openapi",
            "aws_",
            "parquet",
            "std::env",
            "std::process",
            "clap",
        ],
    ),
    (
        "controller",
        &["aws_", "parquet", "std::env", "std::process", "clap"],
    ),
];

/// The one file that asks the host for the time: everyone else is told it.
const CLOCK: &str = "adapters/clock.rs";
const TIME: &[&str] = &[
    "Timestamp::now",
    "Zoned::now",
    "Instant::now",
    "SystemTime::now",
];

/// Who may read the environment.
const ENVIRONMENT: &[&str] = &["main.rs", "cli/", "telemetry.rs"];

/// What one file names.
#[derive(Default)]
struct Paths {
    /// Every path, segments joined by `::`.
    found: Vec<String>,
    /// What `use` brings in, by the name that it has here.
    aliases: BTreeMap<String, String>,
    /// The derived traits.
    derives: Vec<String>,
    /// The modules that are compiled for tests only, and stand in files of their own.
    tests: Vec<String>,
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        } else if item.content.is_none() {
            self.tests.push(item.ident.to_string());
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.flatten(&item.tree, "");
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.found.push(segments.join("::"));
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("derive") {
            let syn::Meta::List(list) = &attribute.meta else {
                return;
            };
            let names = list.tokens.to_string();
            self.derives
                .extend(names.split(',').map(|name| name.trim().replace(' ', "")));
        }
    }

    /// A macro's input is tokens: what looks like a path in them is taken for one.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let text = item.tokens.to_string().replace(" :: ", "::");
        let ends_path = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
        self.found.extend(
            text.split(ends_path)
                .filter(|w| w.contains("::"))
                .map(str::to_owned),
        );
        visit::visit_macro(self, item);
    }
}

impl Paths {
    fn of(text: &str) -> Self {
        let mut paths = Self::default();
        paths.visit_file(&syn::parse_file(text).unwrap());
        paths
    }

    fn flatten(&mut self, tree: &syn::UseTree, before: &str) {
        let join = |name: &dyn ToString| {
            let name = name.to_string();
            if before.is_empty() {
                name
            } else {
                format!("{before}::{name}")
            }
        };
        match tree {
            syn::UseTree::Path(path) => self.flatten(&path.tree, &join(&path.ident)),
            syn::UseTree::Name(name) => self.bring_in(name.ident.to_string(), join(&name.ident)),
            syn::UseTree::Rename(name) => self.bring_in(name.rename.to_string(), join(&name.ident)),
            syn::UseTree::Glob(_) => self.found.push(join(&"*")),
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.flatten(item, before);
                }
            }
        }
    }

    fn bring_in(&mut self, name: String, full: String) {
        self.found.push(full.clone());
        self.aliases.insert(name, full);
    }

    /// The paths, with what `use` brought in written out.
    fn resolved(&self) -> Vec<String> {
        let resolve = |path: &String| {
            let (first, rest) = path.split_once("::").unwrap_or((path, ""));
            match self.aliases.get(first) {
                Some(full) if rest.is_empty() => full.clone(),
                Some(full) => format!("{full}::{rest}"),
                None => path.clone(),
            }
        };
        self.found.iter().map(resolve).collect()
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::Path(_) | syn::Meta::NameValue(_) => false,
    })
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file by its path beneath `src`, and what it names; without test modules.
fn files() -> Vec<(String, Paths)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 50, "the sources are not where they should be");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy();
        (
            name.into_owned(),
            Paths::of(&std::fs::read_to_string(&path).unwrap()),
        )
    };
    let mut files: Vec<(String, Paths)> = found.into_iter().map(read).collect();
    let tests: Vec<String> = files
        .iter()
        .flat_map(|(file, paths)| {
            let directory = file.trim_end_matches(".rs").trim_end_matches("mod");
            let directory = directory.trim_end_matches('/').to_owned();
            let beneath = move |name: &String| format!("{directory}/{name}.rs");
            paths.tests.iter().map(beneath).collect::<Vec<_>>()
        })
        .collect();
    files.retain(|(file, _)| !tests.contains(file));
    files
}

/// The room that a file is in.
fn room_of(file: &str) -> Option<&str> {
    let (room, _) = file.split_once('/')?;
    ROOMS.iter().any(|(name, _)| *name == room).then_some(room)
}

/// The room that a path leads to, with `super` followed out of the file's own place.
fn room_of_path(file: &str, path: &str) -> Option<String> {
    let mut segments = path.split("::").peekable();
    match segments.peek().copied()? {
        "crate" | "backstay" => segments.nth(1).map(str::to_owned),
        "super" => {
            let mut place: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
            if place.last() == Some(&"mod") {
                place.pop();
            }
            while segments.next_if_eq(&"super").is_some() {
                place.pop();
            }
            place
                .first()
                .copied()
                .or_else(|| segments.next())
                .map(str::to_owned)
        }
        _ => None,
    }
}

/// Whether a path begins with a banned name.
fn names(path: &str, banned: &str) -> bool {
    path.strip_prefix(banned)
        .is_some_and(|rest| banned.ends_with('_') || rest.is_empty() || rest.starts_with("::"))
}

fn check_room(file: &str, room: &str, paths: &[String], found: &mut Vec<String>) {
    let (_, allowed) = ROOMS.iter().find(|(name, _)| *name == room).unwrap();
    let (_, banned) = BANNED.iter().find(|(name, _)| *name == room).unwrap();
    for path in paths {
        let other = room_of_path(file, path);
        let other = ROOMS
            .iter()
            .map(|(name, _)| *name)
            .find(|name| other.as_deref() == Some(name));
        if let Some(other) = other.filter(|other| *other != room && !allowed.contains(other)) {
            found.push(format!("{file}: {room} must not use {other}: {path}"));
        }
        if let Some(word) = banned.iter().find(|word| names(path, word)) {
            found.push(format!("{file}: {room} must not name {word}: {path}"));
        }
    }
}

fn check_everywhere(file: &str, paths: &Paths, resolved: &[String], found: &mut Vec<String>) {
    for path in resolved {
        if file != CLOCK && TIME.iter().any(|now| path.ends_with(now)) {
            found.push(format!("{file}: only {CLOCK} asks the time: {path}"));
        }
        if names(path, "std::env") && !ENVIRONMENT.iter().any(|may| file.starts_with(may)) {
            found.push(format!("{file}: must not read the environment: {path}"));
        }
        if path.ends_with("process::exit") || path.ends_with("process::abort") {
            found.push(format!("{file}: must not end the process: {path}"));
        }
    }
    let serialises = |name: &&String| name.ends_with("Serialize") || name.ends_with("Deserialize");
    if !file.starts_with("api/")
        && let Some(name) = paths.derives.iter().find(serialises)
    {
        found.push(format!(
            "{file}: what is serialised is a promise, and stands in api: {name}"
        ));
    }
}

#[test]
fn arrows_point_down_only() {
    let mut found = Vec::new();
    for (file, paths) in files() {
        let resolved = paths.resolved();
        if let Some(room) = room_of(&file) {
            check_room(&file, room, &resolved, &mut found);
        }
        check_everywhere(&file, &paths, &resolved, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_wrong_arrow_is_seen_however_it_is_written() {
    let violations = |file: &str, text: &str| {
        let mut found = Vec::new();
        check_room(
            file,
            room_of(file).unwrap(),
            &Paths::of(text).resolved(),
            &mut found,
        );
        found.len()
    };
    for (file, text) in [
        ("plan/a.rs", "use crate::worker::backup;"),
        ("plan/a.rs", "use super::super::worker::backup;"),
        ("plan/a/mod.rs", "pub use super::super::worker;"),
        ("plan/a.rs", "fn f() { crate::adapters::clock::now(); }"),
        ("plan/a.rs", "fn f(_: aws_sdk_s3::Client) {}"),
        ("plan/a.rs", "use tokio as t; fn f() { t::spawn(g()); }"),
        (
            "plan/a.rs",
            "use std::{fs as disk}; fn f() { disk::read(p); }",
        ),
        ("worker/a.rs", "fn f() { m!(kube::Client::x()); }"),
        ("controller/a.rs", "use crate::{api::run, worker::walk};"),
    ] {
        assert!(violations(file, text) > 0, "{file}: {text}");
    }
    for (file, text) in [
        ("plan/a.rs", "use super::key; use crate::api::run::RunSpec;"),
        ("plan/a.rs", "#[cfg(test)] mod tests { use tokio::time; }"),
        (
            "worker/a.rs",
            "use crate::adapters::store::Store; fn kubeish() {}",
        ),
    ] {
        assert_eq!(violations(file, text), 0, "{file}: {text}");
    }
}
