//! `service/orderfile.txt`: the functions that a start and common answers run, so that the linker lays them together.
//!
//! Linux maps 64 KiB of code around what is touched. Where what runs lies scattered, that is all there is: 6.5 MiB for
//! functions of 2.3. QEMU's user emulation logs what it translates, which is what runs. Invariant: every pattern holds for
//! functions that ran, and for none that did not; it holds for the next compiler too, as it leaves out crates' hashes.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use ::image::{Layout, Optimisation, layout, progress};
use anyhow::{Context, Result, ensure};
use glob::Pattern;
use object::{Object as _, ObjectSymbol as _, SymbolKind};

use super::{COMMON, Ground, build};
use crate::bench::h2load::{self, Load, Protocol};
use crate::hosted::{Hosted, Profile};

/// Beside the service's sources.
const FILE: &str = "service/orderfile.txt";
const HEADER: &str = "# The functions that run when the service starts and answers, as patterns of their symbols' names without crates' hashes.\n\
                      # Written by `cargo xtask bench site --write-orderfile`, read by build.rs.\n";
/// Of each protocol: together more than a minute, so that what is done every minute runs, too.
const SECONDS: u32 = 35;
/// The cipher suites of TLS 1.3: which one is agreed on depends on the processors (RFC 8446, B.4).
const SUITES: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
/// In names of what real processors run and the emulated one has no instructions for: AVX-512 and SHA-NI.
const BEYOND: [&str; 4] = ["avx512", "Avx512", "sha2563x86", "sha2567x86_sha"];

/// What names begin with that Rust mangles (RFC 2603).
const RUST: &str = "_R";
/// A crate's disambiguator has so many digits of base 62 at most: 64 bits.
const DISAMBIGUATOR: usize = 11;
/// A reference back in a name has so many.
const REFERENCE: usize = 3;

/// All functions of the programs by their names without hashes, and whether they ran.
type Names = BTreeMap<String, bool>;

/// Runs the service as `quick` and as `whole`, and writes what ran in either.
pub(super) fn write(layout: &Layout, ground: &Ground) -> Result<()> {
    let mut names = Names::new();
    for optimisation in [Optimisation::Quick, Optimisation::Whole] {
        build(layout, optimisation)?;
        let step = progress::start(format!("functions that run ({})", optimisation.profile()));
        let (ran, program) = watched(layout, ground, optimisation)?;
        note(&mut names, &ran, &symbols(&program)?);
        step.done(format!("{} of {}", ran.len(), program.display()));
    }
    let patterns = patterns(&names)?;
    ensure!(!patterns.is_empty(), "no function of the service ran");
    let text: String = patterns.iter().map(|pattern| format!("{pattern}\n")).collect();
    let path = layout.root().join(FILE);
    layout::replace_with(&path, format!("{HEADER}{text}").as_bytes())?;
    println!("{}", path.display());
    Ok(())
}

/// The names that the emulator gave, and the program.
fn watched(
    layout: &Layout,
    ground: &Ground,
    optimisation: Optimisation,
) -> Result<(BTreeSet<String>, PathBuf)> {
    let log = ground.folder.join("translated.log");
    let path = log.to_str().context("the checkout's path is no UTF-8")?;
    let emulator = ["qemu-x86_64", "-cpu", "max", "-d", "in_asm", "-D", path];
    let mut service =
        Hosted::start_within(&emulator, layout, Profile::Machine(optimisation), &ground.config)?;
    service.await_ready(&ground.visitor)?;
    let program = program(&service)?;
    for suite in SUITES {
        h2load::page_by(&ground.endpoint, "/", &["--tls13-ciphers", suite])?;
    }
    for protocol in [Protocol::Http1, Protocol::Http2] {
        Load::new(&ground.endpoint, &COMMON, SECONDS).run(protocol)?;
    }
    drop(service);
    let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    fs::remove_file(&log).with_context(|| format!("cannot remove {}", log.display()))?;
    Ok((translated(&String::from_utf8_lossy(&text)), program))
}

/// What the emulator runs: one of its own arguments.
fn program(emulator: &Hosted) -> Result<PathBuf> {
    let path = format!("/proc/{}/cmdline", emulator.id());
    let line = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let program = line.split('\0').find(|argument| argument.ends_with("/service"));
    Ok(program.with_context(|| format!("no service in {line:?}"))?.into())
}

/// From QEMU's log: `IN: name` before each block that was translated; nothing behind it where there is no name.
fn translated(log: &str) -> BTreeSet<String> {
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
fn note(names: &mut Names, ran: &BTreeSet<String>, symbols: &[(String, u64)]) {
    // Of functions that are the same, the linker keeps one, under all their names; the emulator knows one of these.
    let has_run = |name: &str| ran.contains(name) || BEYOND.iter().any(|part| name.contains(part));
    let mut places: HashMap<u64, bool> = HashMap::new();
    for (name, place) in symbols {
        *places.entry(*place).or_default() |= has_run(name);
    }
    for (name, place) in symbols {
        *names.entry(without_hashes(name)).or_default() |= places[place];
    }
}

/// Patterns that hold for all that ran and for nothing else: each name up to where no other fits.
fn patterns(names: &Names) -> Result<BTreeSet<String>> {
    let others: Vec<&String> = names.iter().filter(|(_, ran)| !**ran).map(|(name, _)| name).collect();
    names.iter().filter(|(_, ran)| **ran).map(|(name, _)| pattern(name, &others)).collect()
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
        assert_eq!(translated(log).iter().collect::<Vec<_>>(), ["_RNvC1a1b", "main"]);
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
        note(&mut names, &["_Ralpine", "beta"].map(str::to_owned).into(), &symbols(&program));
        // Another program, in which one more ran, and one is that did not.
        let program = [("_Ralpha", 1), ("_Rfat", 2)];
        note(&mut names, &["_Ralpha"].map(str::to_owned).into(), &symbols(&program));
        let patterns = patterns(&names).unwrap();
        assert_eq!(patterns.iter().collect::<Vec<_>>(), ["_Ra*", "_Rfas*", "_Rt*", "beta"]);
    }
}
