//! The descriptions of the site's queries (`service/db/.sqlx`), which the compiler checks every query by: proven to be what
//! the real MySQL says once all migrations have run, or written anew.
//!
//! It takes half a minute, so that what was proven once is remembered by the sum of everything it depends on. Invariant:
//! the committed folder changes only when that is asked for, and then to exactly what MySQL says.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ::image::debian::Policy;
use ::image::machine::free_port;
use ::image::port::sum;
use ::image::{Layout, Stack, layout as files, progress};
use anyhow::{Context, Result, bail, ensure};
use xshell::Shell;

use crate::mysql::Mysql;
use crate::nested::cargo;
use crate::preflight::{self, Purpose};
use crate::site::{Site, write_secret};

/// The crate with the queries.
const CRATE: &str = "service/db";
/// Beside its sources: the descriptions.
const DESCRIPTIONS: &str = ".sqlx";
/// Beside its sources: what makes the tables.
const MIGRATIONS: &str = "migrations";
/// The driver that asks MySQL is one of its packages.
const LOCK: &str = "Cargo.lock";
/// Where the tables are made.
const SCHEMA: &str = "site";

/// What is to become of descriptions that are not what MySQL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// They are named.
    Refuse,
    /// They are replaced.
    Write,
}

/// Compares, and writes when that is asked for.
pub(super) fn prove(layout: &Layout, found: Found, policy: Policy, flags: preflight::Flags) -> Result<()> {
    let stamp = layout.build("queries-proven");
    let current = sums(layout)?;
    if found == Found::Refuse && fs::read_to_string(&stamp).is_ok_and(|proven| proven == current) {
        return Ok(());
    }
    preflight::check(layout, &[Purpose::Build], flags)?;
    let folder = layout.run().join("queries");
    clear(&folder)?;
    let told = described(layout, policy, &folder)?;
    clear(&folder)?;
    let committed = layout.root().join(CRATE).join(DESCRIPTIONS);
    match found {
        Found::Refuse => compare(&read(&committed)?, &told)?,
        Found::Write => replace(&committed, &told)?,
    }
    files::replace_with(&stamp, sums(layout)?.as_bytes())
}

/// What the real MySQL says, by the descriptions' names.
fn described(layout: &Layout, policy: Policy, folder: &Path) -> Result<BTreeMap<String, String>> {
    let site = Site::open(&Layout::below(&folder.join("site")), &Stack::load(layout)?)?;
    let port = free_port()?;
    let tables = format!("USE {SCHEMA};\n{}", migrations(&layout.root().join(CRATE).join(MIGRATIONS))?);
    let _mysql = Mysql::start_with(layout, policy, &site, folder, port, &tables)?;
    let told = folder.join("told");
    fs::create_dir_all(&told).with_context(|| format!("cannot create {}", told.display()))?;
    let step = progress::start("what MySQL says of the queries");
    let shell = Shell::new()?;
    shell.change_dir(layout.root());
    // A name that no other run has: cargo shall not take what it has compiled before.
    let again = format!("queries_{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos());
    cargo(&shell, &["rustc", "--quiet", "--package", "db", "--lib", "--", "--cfg", &again])
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &told)
        .env("DATABASE_URL", url(&site, folder, port)?)
        .run()
        .context("a query does not fit the tables that the migrations make")?;
    let told = read(&told)?;
    ensure!(!told.is_empty(), "no query was described");
    step.done(format!("{} queries", told.len()));
    Ok(told)
}

/// How the compiler's macros log in. The secrets are this run's own, and end with it.
fn url(site: &Site, folder: &Path, port: u16) -> Result<String> {
    let shown = site.client_identity()?;
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        write_secret(&path, text.as_bytes())?;
        Ok(path)
    };
    let ca = write("queries-ca.pem", site.root())?;
    let certificate = write("queries-certificate.pem", &shown.certificate_chain)?;
    let key = write("queries-key.pem", &shown.private_key)?;
    Ok(format!(
        "mysql://{SCHEMA}:{}@127.0.0.1:{port}/{SCHEMA}?ssl-mode=VERIFY_IDENTITY&ssl-ca={}&ssl-cert={}&ssl-key={}",
        site.passwords().site,
        ca.display(),
        certificate.display(),
        key.display(),
    ))
}

/// All migrations' statements in the order of their numbers.
fn migrations(folder: &Path) -> Result<String> {
    let texts = read(folder)?;
    let migrations = texts.iter().filter(|(name, _)| name.ends_with(".sql"));
    Ok(migrations.map(|(_, text)| format!("{text}\n")).collect())
}

/// The files of a folder and their texts, in the order of their names.
fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut texts = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            texts.insert(name, text);
        }
    }
    Ok(texts)
}

/// Both ways: what is missing or differs, and what no query has any more.
fn compare(committed: &BTreeMap<String, String>, told: &BTreeMap<String, String>) -> Result<()> {
    let mut faults = String::new();
    for (name, text) in told {
        let fault = match committed.get(name) {
            None => "is missing",
            Some(known) if known.trim_end() != text.trim_end() => "is not what MySQL says",
            Some(_) => continue,
        };
        // Writing to a string cannot fail.
        let _ = write!(faults, "\n  {name} {fault}: {}", query(text));
    }
    for (name, text) in committed.iter().filter(|(name, _)| !told.contains_key(*name)) {
        let _ = write!(faults, "\n  {name} is of no query: {}", query(text));
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!(
        "{CRATE}/{DESCRIPTIONS} is not current: `cargo xtask check --write-queries` writes it anew, to be committed{faults}"
    )
}

/// The line of a description that has the query.
fn query(description: &str) -> &str {
    description.lines().map(str::trim).find(|line| line.starts_with("\"query\"")).unwrap_or_default()
}

/// Writes what differs, and removes what is of no query.
fn replace(folder: &Path, told: &BTreeMap<String, String>) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let committed = read(folder)?;
    for name in committed.keys().filter(|name| !told.contains_key(*name)) {
        let path = folder.join(name);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    for (name, text) in told.iter().filter(|(name, text)| committed.get(*name) != Some(text)) {
        files::replace_with(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

fn clear(folder: &Path) -> Result<()> {
    match folder.exists() {
        true => fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display())),
        false => Ok(()),
    }
}

/// Of everything that the descriptions follow from, and of themselves.
fn sums(layout: &Layout) -> Result<String> {
    let root = layout.root();
    let mut sums = String::new();
    let mut folders = vec![root.join(CRATE)];
    let mut paths = vec![root.join(LOCK)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort_unstable();
    for path in paths {
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(&path);
        let _ = writeln!(sums, "{} {}", sum(&content), name.display());
    }
    Ok(sum(sums.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn what_is_missing_stale_or_left_over_is_named_with_its_query() {
        let told = folder(&[("a", "{\n  \"query\": \"SELECT 1\"\n}"), ("b", "{}\n")]);
        compare(&folder(&[("a", "{\n  \"query\": \"SELECT 1\"\n}\n"), ("b", "{}")]), &told).unwrap();
        for (committed, fault) in [
            (folder(&[("b", "{}")]), "a is missing: \"query\": \"SELECT 1\""),
            (folder(&[("a", "{\n  \"query\": \"SELECT 1\"\n}"), ("b", "{1}")]), "b is not what MySQL says"),
            (
                folder(&[("a", &told["a"]), ("b", "{}"), ("c", "{\n\"query\": \"x\"")]),
                "c is of no query: \"query\": \"x\"",
            ),
        ] {
            let words = compare(&committed, &told).unwrap_err().to_string();
            assert!(words.contains(fault) && words.contains("--write-queries"), "{words}");
            assert_eq!(words.lines().count(), 2, "{words}");
        }
    }

    #[test]
    fn descriptions_are_written_as_mysql_says_and_no_more_are_left() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("old"), "x").unwrap();
        let told = folder(&[("a", "{}"), ("b", "{1}")]);
        replace(place.path(), &told).unwrap();
        assert_eq!(read(place.path()).unwrap(), told);
    }

    #[test]
    fn migrations_run_in_the_order_of_their_numbers() {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in [("0010_b.sql", "B;"), ("0002_a.sql", "A;"), ("README.md", "no")] {
            fs::write(place.path().join(name), text).unwrap();
        }
        assert_eq!(migrations(place.path()).unwrap(), "A;\nB;\n");
    }
}
