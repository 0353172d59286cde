//! What the README lists is what the code has. `UPDATE=1` rewrites it.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests stand outside of test functions"
)]

use std::path::Path;

#[test]
fn the_readme_lists_the_metrics_that_there_are() {
    let table = backstay::plan::metrics::markdown_table();
    check("README.md", "metrics", &table);
}

#[test]
fn the_page_on_hosts_lists_the_exit_codes_that_there_are() {
    let table = backstay::cli::exit_codes::markdown_table();
    check("docs/hosts.md", "exit codes", &table);
}

#[test]
fn the_smallest_policy_of_the_readme_is_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let example = std::fs::read_to_string(root.join("deploy/examples/smallest.yaml")).unwrap();
    assert!(
        readme.contains(&example),
        "README.md shows another policy than smallest.yaml"
    );
}

#[test]
fn the_presets_are_those_that_the_page_lists() {
    use backstay::api::policy::Preset;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/categories.md")).unwrap();
    for preset in [Preset::Documents, Preset::Photos, Preset::Database] {
        let row = format!("| `{preset:?}` | {} |\n", preset.extensions().join(" "));
        assert!(
            page.contains(&row),
            "docs/categories.md lacks this row:\n{row}"
        );
    }
}

/// That what stands between two marks of a page is this.
#[track_caller]
fn check(page: &str, mark: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = text.split_once(&start).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    let current = format!("{before}{start}{table}{end}{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &current).unwrap();
    } else {
        assert!(
            text == current,
            "{page} says otherwise: UPDATE=1 cargo test --test readme"
        );
    }
}
