//! Keeps the map true: the arrows between the crates, what the documents name, and the house rules that a
//! compiler does not know. Reads the checkout, builds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may depend on whom inside the workspace (ARCHITECTURE.md, "The rooms").
const ARROWS: [(&str, &[&str]); 10] = [
    ("config", &[]),
    ("db", &["config"]),
    ("edge", &["config", "tls"]),
    ("image", &["seal"]),
    ("inside", &[]),
    ("seal", &[]),
    ("service", &["config", "db", "edge", "tls"]),
    ("tests", &["image", "tls"]),
    ("tls", &[]),
    ("xtask", &["image", "tls"]),
];
/// The only folders in which `unsafe` may stand.
const UNSAFE_ROOMS: [&str; 3] = ["image/boot/", "image/kernel/", "image/ports/"];
/// The only file that may put a thread to sleep: the polling loop that everything waits with.
const WAIT: &str = "image/src/wait.rs";
/// A file longer than this holds two rooms.
const FILE_LINES_MAX: usize = 500;
/// A README is one page.
const README_LINES_MAX: usize = 84;
const DOCUMENTS: [&str; 3] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

#[test]
fn the_crates_depend_on_each_other_as_the_map_says() {
    let allowed: BTreeMap<String, BTreeSet<String>> = ARROWS
        .iter()
        .map(|(from, to)| (from.to_string(), to.iter().map(ToString::to_string).collect()))
        .collect();
    assert_eq!(arrows(), allowed, "mend the dependency, or ARROWS and ARCHITECTURE.md together");
}

fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let text = |value: &serde_json::Value| value.as_str().expect("a name").to_owned();
    let members: BTreeSet<String> = packages.iter().map(|package| text(&package["name"])).collect();
    let inside = |package: &serde_json::Value| {
        // A crate may name itself, to have its own tests built with more features.
        let own = text(&package["name"]);
        let dependencies = package["dependencies"].as_array().expect("a list of dependencies");
        dependencies
            .iter()
            .map(|dependency| text(&dependency["name"]))
            .filter(|name| members.contains(name) && *name != own)
            .collect()
    };
    packages.iter().map(|package| (text(&package["name"]), inside(package))).collect()
}

#[test]
fn what_the_documents_name_exists() {
    let missing: Vec<String> = DOCUMENTS
        .iter()
        .flat_map(|document| named_paths(&read(document)).into_iter().map(move |path| (document, path)))
        .filter(|(_, path)| !root().join(path).exists())
        .map(|(document, path)| format!("{document}: {path}"))
        .collect();
    assert!(missing.is_empty(), "no such path:\n{}", missing.join("\n"));
}

/// Words in backticks that begin with a folder or a file of the checkout's root, placeholders left out.
fn named_paths(text: &str) -> BTreeSet<String> {
    let rooms = ["xtask/", "service/", "image/", "tls/", "tests/", ".ci/", ".cargo/"];
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| rooms.iter().any(|room| word.starts_with(room)))
        .filter(|word| !word.contains(['<', '*', ' ', '{']))
        .map(|word| word.trim_end_matches('/').to_owned())
        .collect()
}

/// `service/README.md` leads through the service: its paths begin there, or at the checkout's root.
#[test]
fn what_the_guide_to_a_site_of_ones_own_names_exists() {
    // Of the resource that the guide adds as an example.
    const EXAMPLE: &str = "meetings";
    let text = read("service/README.md");
    let parts = text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let named: Vec<&str> = parts.filter(|word| word.contains('/') && !word.starts_with('/')).collect();
    let missing: Vec<&&str> = named
        .iter()
        .filter(|word| !word.contains(['<', '*', ' ', '{', ':']) && !word.contains(EXAMPLE))
        .filter(|word| !root().join("service").join(word).exists() && !root().join(word).exists())
        .collect();
    assert!(named.len() >= 30, "only {} paths", named.len());
    assert!(missing.is_empty(), "service/README.md: no such path: {missing:?}");
    let taken = ["db/src/meetings.rs", "src/http/meetings.rs", "templates/meetings.html"];
    assert!(taken.iter().all(|path| !root().join("service").join(path).exists()), "the example is taken");
}

#[test]
fn every_verb_in_the_documents_is_a_file() {
    for document in DOCUMENTS {
        for verb in read(document).split("cargo xtask ").skip(1).filter_map(first_word) {
            let file = root().join("xtask/src").join(verb.replace('-', "_"));
            assert!(
                file.with_extension("rs").exists() || file.join("mod.rs").exists(),
                "{document} names `cargo xtask {verb}`, which is not a verb"
            );
        }
    }
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
    Some(word).filter(|word| !word.is_empty() && !word.starts_with('-'))
}

#[test]
fn the_readme_is_one_page() {
    assert!(
        read("README.md").lines().count() <= README_LINES_MAX,
        "README.md is longer than {README_LINES_MAX} lines"
    );
}

#[test]
fn every_source_file_says_what_it_is_for() {
    offenders("does not open with `//!`", |_, text| !text.trim_start().starts_with("//!"));
}

#[test]
fn no_source_file_holds_two_rooms() {
    offenders("is too long: split it", |_, text| text.lines().count() > FILE_LINES_MAX);
}

#[test]
fn unsafe_code_stays_in_its_rooms_and_says_why_it_is_sound() {
    offenders("has unsafe code outside its rooms or without a `// Safety:` line", |path, text| {
        let allowed = UNSAFE_ROOMS.iter().any(|room| path.starts_with(room));
        unsafe_lines(text).any(|explained| !(allowed && explained))
    });
}

/// For each line that opens unsafe code: whether a `// Safety:` comment stands in the lines just above.
fn unsafe_lines(text: &str) -> impl Iterator<Item = bool> {
    /// A comment and the attributes or the rest of a statement between it and its block.
    const REACH_LINES: usize = 12;
    /// A method whose contract is its trait's explains itself in its first line.
    const BODY_LINES: usize = 1;
    let lines: Vec<&str> = text.lines().collect();
    let opens = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        ["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern"].iter().any(|form| code.contains(form))
            && !code.contains('"')
    };
    let explained = |at: usize| {
        let last = (at + BODY_LINES).min(lines.len() - 1);
        lines[at.saturating_sub(REACH_LINES)..=last].iter().any(|line| {
            let line = line.trim_start();
            line.contains("// Safety:") || line.starts_with("/// # Safety")
        })
    };
    (0..lines.len()).filter(|at| opens(lines[*at])).map(explained).collect::<Vec<_>>().into_iter()
}

#[test]
fn nothing_sleeps_is_ignored_or_is_left_for_later() {
    let banned = [
        concat!("thread::", "sleep("),
        concat!("time::", "sleep_ms("),
        concat!("#[", "ignore"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
    ];
    offenders("sleeps, ignores a test or leaves something for later", |path, text| {
        path != WAIT && banned.iter().any(|word| text.contains(word))
    });
}

#[test]
fn every_query_of_the_site_is_checked_when_it_is_compiled() {
    // The migrations are what the tables are made by, and the seed has no request's limits.
    const OTHERS: [&str; 2] = ["service/db/src/migrations.rs", "service/src/seed.rs"];
    let plain = ["query(", "query_as(", "query_scalar(", "raw_sql(", "QueryBuilder"];
    offenders("has a query that nothing checks: use `sqlx::query!` and its like", |path, text| {
        ["service/db/src/", "service/src/"].iter().any(|room| path.starts_with(room))
            && !OTHERS.contains(&path)
            && plain.iter().any(|word| text.contains(&format!("sqlx::{word}")))
    });
}

/// A look's name in `tests/browser` begins with the name of the template that is seen, and axe judges every look.
#[test]
fn every_page_of_the_site_is_looked_at_by_a_browser() {
    let stories: String = sources()
        .into_iter()
        .filter(|path| path.starts_with("tests/browser/"))
        .map(|path| read(&path))
        .collect();
    let looks: Vec<&str> =
        stories.split(".look(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let folder = root().join("service/templates");
    let mut pages = 0;
    for entry in fs::read_dir(folder).expect("the templates") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let text = fs::read_to_string(&path).expect("a readable template");
        if !text.starts_with("{% extends") || name == "page" {
            continue;
        }
        pages += 1;
        let seen = looks.iter().any(|look| {
            look.strip_prefix(&*name).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
        });
        assert!(seen, "no browser looks at {}: `visitor.look(\"{name}-…\")`", path.display());
    }
    assert!(pages >= 12, "only {pages} pages");
}

fn offenders(fault: &str, is_bad: impl Fn(&str, &str) -> bool) {
    let bad: Vec<String> = sources()
        .into_iter()
        .filter(|path| is_bad(path, &read(path)))
        .map(|path| format!("{path} {fault}"))
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Every Rust file of the checkout, as a path from its root.
fn sources() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable checkout") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).expect("below the root").display().to_string());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no source file found");
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_owned()
}
