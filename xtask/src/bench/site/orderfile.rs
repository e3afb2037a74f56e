//! `service/orderfile.txt`: the functions that a start and common answers run, so that the linker lays them together.
//!
//! Linux maps 64 KiB of code around what is touched. Where what runs lies scattered, that is all there is: 6.5 MiB for
//! functions of 2.3. QEMU's user emulation logs what it translates, which is what runs. Invariant: every pattern holds for
//! functions that ran, and for none that did not, and those that always run stand before those that some visits need; it
//! holds for the next compiler too, as it leaves out crates' hashes.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use ::image::{Layout, Optimisation, layout, progress};
use anyhow::{Context, Result, ensure};
use glob::Pattern;
use object::{Object as _, ObjectSymbol as _, SymbolKind};

use super::{COMMON, FILE, Ground, build};
use crate::bench::h2load::{self, Load, Protocol};
use crate::hosted::{Hosted, Profile};

/// Beside the service's sources.
const LIST: &str = "service/orderfile.txt";
const HEADER: &str = "# The functions that run when the service starts and answers, as patterns of their symbols' names without crates' hashes.\n\
                      # Those come first that a start, files and the front page need; then those of other pages and clients.\n\
                      # Written by `cargo xtask bench site --write-orderfile`, read by build.rs.\n";
/// Of each protocol: together more than a minute, so that what is done every minute runs, too.
const SECONDS: u32 = 35;
/// The same for what some visits need: each path is asked for hundreds of times.
const SELDOM_SECONDS: u32 = 5;
/// The cipher suites of TLS 1.3: which one is agreed on depends on the processors (RFC 8446, B.4).
const SUITES: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
/// In names of what real processors run and the emulated one has no instructions for: AVX-512 and SHA-NI.
const BEYOND: [&str; 6] = ["avx512", "Avx512", "join512", "sha2563x86", "sha2566sha256", "sha2567x86_sha"];
/// In names of what a start does or does not, by how fast MySQL is.
const CHANCE: [&str; 1] = ["wait_until_ready"];

/// What names begin with that Rust mangles (RFC 2603).
const RUST: &str = "_R";
/// A crate's disambiguator has so many digits of base 62 at most: 64 bits.
const DISAMBIGUATOR: usize = 11;
/// A reference back in a name has so many.
const REFERENCE: usize = 3;

/// When a function runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Runs {
    /// At a start, for files, for the front page, every minute.
    Always,
    /// For other pages and clients.
    Sometimes,
    #[default]
    Never,
}

/// All functions of the programs by their names without hashes.
type Names = BTreeMap<String, Runs>;

/// What ran of one program.
#[derive(Default)]
struct Ran {
    always: BTreeSet<String>,
    /// These and more.
    sometimes: BTreeSet<String>,
}

impl Ran {
    fn when(&self, name: &str) -> Runs {
        if self.always.contains(name) || BEYOND.iter().chain(&CHANCE).any(|part| name.contains(part)) {
            Runs::Always
        } else if self.sometimes.contains(name) {
            Runs::Sometimes
        } else {
            Runs::Never
        }
    }
}

/// Runs the service as `quick` and as `whole`, and writes what ran in either.
pub(super) fn write(layout: &Layout, ground: &Ground) -> Result<()> {
    let mut names = Names::new();
    for optimisation in [Optimisation::Quick, Optimisation::Whole] {
        build(layout, optimisation)?;
        let step = progress::start(format!("functions that run ({})", optimisation.profile()));
        let (ran, program) = watched(layout, ground, optimisation)?;
        note(&mut names, &ran, &symbols(&program)?);
        step.done(format!("{} of {}", ran.sometimes.len(), program.display()));
    }
    let patterns = patterns(&names)?;
    ensure!(!patterns.is_empty(), "no function of the service ran");
    let text: String = patterns.iter().map(|(_, pattern)| format!("{pattern}\n")).collect();
    let path = layout.root().join(LIST);
    layout::replace_with(&path, format!("{HEADER}{text}").as_bytes())?;
    println!("{}", path.display());
    Ok(())
}

/// The names that the emulator gave, and the program.
fn watched(layout: &Layout, ground: &Ground, optimisation: Optimisation) -> Result<(Ran, PathBuf)> {
    let log = ground.folder.join("translated.log");
    let path = log.to_str().context("the checkout's path is no UTF-8")?;
    let emulator = ["qemu-x86_64", "-cpu", "max", "-d", "in_asm", "-D", path];
    let mut service =
        Hosted::start_within(&emulator, layout, Profile::Machine(optimisation), &ground.config)?;
    service.await_ready(&ground.visitor)?;
    let program = program(&service)?;
    load(ground, &["/", FILE], SECONDS)?;
    let always = translated(&log)?;
    for suite in SUITES {
        h2load::page_by(&ground.endpoint, "/", &["--tls13-ciphers", suite])?;
    }
    load(ground, &COMMON, SELDOM_SECONDS)?;
    drop(service);
    let sometimes = translated(&log)?;
    fs::remove_file(&log).with_context(|| format!("cannot remove {}", log.display()))?;
    Ok((Ran { always, sometimes }, program))
}

fn load(ground: &Ground, paths: &[&str], seconds: u32) -> Result<()> {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        Load::new(&ground.endpoint, paths, seconds).run(protocol)?;
    }
    Ok(())
}

/// What the emulator runs: one of its own arguments.
fn program(emulator: &Hosted) -> Result<PathBuf> {
    let path = format!("/proc/{}/cmdline", emulator.id());
    let line = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let program = line.split('\0').find(|argument| argument.ends_with("/service"));
    Ok(program.with_context(|| format!("no service in {line:?}"))?.into())
}

/// What QEMU's log names so far.
fn translated(log: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(names_in(&String::from_utf8_lossy(&text)))
}

/// In QEMU's log: `IN: name` before each block that was translated; nothing behind it where there is no name.
fn names_in(log: &str) -> BTreeSet<String> {
    let names = log.lines().filter_map(|line| line.strip_prefix("IN: ")).map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The functions of a program and where they are.
fn symbols(program: &Path) -> Result<Vec<(String, u64)>> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let file = object::File::parse(&*bytes)?;
    let functions =
        file.symbols().filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text);
    functions
        .map(|symbol| {
            let name = symbol.name()?;
            ensure!(name.is_ascii(), "a function is called {name:?}");
            Ok((name.to_owned(), symbol.address()))
        })
        .collect()
}

/// Adds the functions of one program.
fn note(names: &mut Names, ran: &Ran, symbols: &[(String, u64)]) {
    // Of functions that are the same, the linker keeps one, under all their names; the emulator knows one of these.
    let mut places: HashMap<u64, Runs> = HashMap::new();
    for (name, place) in symbols {
        let runs = places.entry(*place).or_default();
        *runs = ran.when(name).min(*runs);
    }
    for (name, place) in symbols {
        let runs = names.entry(without_hashes(name)).or_default();
        *runs = places[place].min(*runs);
    }
}

/// Patterns that hold for all that ran and for nothing else: each name up to where no other fits.
fn patterns(names: &Names) -> Result<BTreeSet<(Runs, String)>> {
    let (others, ran): (Vec<_>, Vec<_>) = names.iter().partition(|(_, runs)| **runs == Runs::Never);
    let others: Vec<&String> = others.into_iter().map(|(name, _)| name).collect();
    ran.into_iter().map(|(name, runs)| Ok((*runs, pattern(name, &others)?))).collect()
}

/// Names that are not Rust's are whole: their beginnings could be those of other sections (`.text.unlikely.`).
fn pattern(name: &str, others: &[&String]) -> Result<String> {
    if !name.starts_with(RUST) {
        return Ok(name.to_owned());
    }
    let at = others.partition_point(|other| other.as_str() < name);
    let neighbours = others[at.saturating_sub(1)..].iter().take(2);
    let shared = neighbours.map(|other| common(name, other)).max().unwrap_or_default();
    let mut alike = others.to_vec();
    // Names are ASCII: the characters of identifiers that are not are written as some that are (Rust's RFC 2603).
    for end in shared + 1..name.len() {
        let begun = format!("{}*", name[..end].trim_end_matches('*'));
        let pattern = Pattern::new(&begun)?;
        alike.retain(|other| pattern.matches(other));
        if alike.is_empty() {
            return Ok(begun);
        }
    }
    Ok(name.to_owned())
}

/// How many bytes two names begin with alike.
fn common(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}

/// A symbol's name with `*` for what another version of a package or of the compiler changes: a crate's disambiguator
/// (`Cs…_`) and how far back a reference points (`B…_`; Rust's RFC 2603), and what LLVM puts behind names that it exports.
fn without_hashes(name: &str) -> String {
    if let Some((name, _)) = name.split_once(".llvm.") {
        return without_hashes(name) + ".llvm.*";
    }
    match name.rsplit_once('_') {
        Some((parts, last)) => {
            parts.split('_').map(|part| without_reference(part) + "_").collect::<String>() + last
        }
        None => name.to_owned(),
    }
}

/// The same between two underscores.
fn without_reference(part: &str) -> String {
    let digits = |mark: &str, most: usize| {
        let ends = part.match_indices(mark).map(|(at, _)| at + mark.len());
        ends.into_iter().find(|end| (1..=most).contains(&(part.len() - end)))
    };
    match digits("Cs", DISAMBIGUATOR).or_else(|| digits("B", REFERENCE)) {
        Some(end) => format!("{}*", &part[..end]),
        None => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_names_what_was_translated() {
        let log = "IN: main\n0x01: push\n\n----------------\nIN: \n0x02: ret\n\nIN: _RNvC1a1b\n0x03: ret\nIN: main\n";
        assert_eq!(names_in(log).iter().collect::<Vec<_>>(), ["_RNvC1a1b", "main"]);
    }

    #[test]
    fn a_name_is_the_same_with_another_version_and_no_other_name() {
        for (name, pattern) in [
            ("main", "main"),
            ("_RNvNtCsjrHSEGnQ3l9_3std2rt10lang_start", "_RNvNtCs*_3std2rt10lang_start"),
            ("_RNvMs_NtCs1234567890a_2h25protoNtB4_4Recv3newB6_", "_RNvMs_NtCs*_2h25protoNtB*_4Recv3newB*_"),
            ("_RINvNtC4core3fooNtB1a_3BarE", "_RINvNtC4core3fooNtB*_3BarE"),
            ("_RNvC1a1b.llvm.8812", "_RNvC1a1b.llvm.*"),
        ] {
            assert_eq!(without_hashes(name), pattern);
        }
    }

    #[test]
    fn a_pattern_goes_on_until_its_gaps_fit_nothing_else() {
        let others = ["_RNvCs*_4core6cell_3new".to_owned()];
        assert_eq!(
            pattern("_RNvCs*_3new4lazy", &others.iter().collect::<Vec<_>>()).unwrap(),
            "_RNvCs*_3new4*"
        );
    }

    #[test]
    fn patterns_hold_for_what_ran_and_what_is_the_same_and_for_nothing_else() {
        let symbols = |symbols: &[(&str, u64)]| -> Vec<(String, u64)> {
            symbols.iter().map(|(name, place)| ((*name).to_owned(), *place)).collect()
        };
        let mut names = Names::new();
        let program = [
            ("_Ralpha", 1),
            ("_Ralpine", 2),
            ("beta", 3),
            ("beta_too", 4),
            ("_Rtwin", 2),
            ("_Rfast_avx512", 5),
        ];
        let ran = |always: &[&str], sometimes: &[&str]| {
            let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Ran { always: set(always), sometimes: set(&[always, sometimes].concat()) }
        };
        note(&mut names, &ran(&["_Ralpine"], &["beta"]), &symbols(&program));
        // Another program, in which one more ran, and one is that did not.
        let program = [("_Ralpha", 1), ("_Rfat", 2)];
        note(&mut names, &ran(&["_Ralpha"], &[]), &symbols(&program));
        let patterns: Vec<_> = patterns(&names).unwrap().into_iter().map(|(_, pattern)| pattern).collect();
        assert_eq!(patterns, ["_Ra*", "_Rfas*", "_Rt*", "beta"]);
    }
}
