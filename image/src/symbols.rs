//! Names for the places where a web machine crashed: the console gives distances, the application's symbols are on the host.
//!
//! The machine prints words of its stack that lie behind a call, from both ends; some are left over from earlier calls. Invariant:
//! lines that are not places are given back as they were.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::guest::Purpose;
use crate::{Layout, Toolchain, command, kernel};

/// What the machine puts before a place (`image/kernel/files/src/platform/trace.rs`).
const PLACE: &str = "bootstack:   0x";

/// A function's first byte, as a distance from the application's start, and its name.
type Symbol = (u64, String);

/// The console's text with a name behind every place, of a machine that runs the application of this purpose.
///
/// # Errors
/// When the application with its symbols is not there, or is no ELF file.
pub fn resolve(layout: &Layout, toolchain: &Toolchain, purpose: Purpose, console: &str) -> Result<String> {
    Ok(named(console, &symbols(layout, toolchain, purpose)?))
}

/// Where the site's function of this name begins, as a distance from the application's start.
///
/// # Errors
/// When the application with its symbols is not there, or has no such function.
pub fn place_of(layout: &Layout, toolchain: &Toolchain, name: &str) -> Result<u64> {
    let symbols = symbols(layout, toolchain, Purpose::Site)?;
    let found = symbols.iter().find(|(_, known)| known == name);
    found.map(|(place, _)| *place).with_context(|| format!("the application has no function {name}"))
}

fn symbols(layout: &Layout, toolchain: &Toolchain, purpose: Purpose) -> Result<Vec<Symbol>> {
    let application = purpose.with_symbols(layout);
    fs::metadata(&application).with_context(|| format!("cannot read {}", application.display()))?;
    let mut nm = Command::new(toolchain.tool("llvm-nm"));
    nm.args(["--defined-only", "--numeric-sort"]).arg(&application);
    let listing = String::from_utf8(command::output(&mut nm)?).context("llvm-nm does not print text")?;
    Ok(listing.lines().filter_map(function).collect())
}

/// A line of llvm-nm: address, kind, name. `t` and `T` are code.
fn function(line: &str) -> Option<Symbol> {
    let (address, rest) = line.trim_start().split_once(' ')?;
    let (kind, name) = rest.split_once(' ')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    matches!(kind, "t" | "T").then(|| (address, demangled(name)))
}

/// The kernel's names carry a prefix against clashes (`image/src/kernel.rs`).
fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name.strip_prefix(kernel::PREFIX).unwrap_or(name)))
}

fn named(console: &str, symbols: &[Symbol]) -> String {
    let lines = console.lines().map(|line| match place(line).and_then(|place| find(symbols, place)) {
        Some((start, name, place)) => format!("{line} {name} + {:#x}\n", place - start),
        None => format!("{line}\n"),
    });
    lines.collect()
}

fn place(line: &str) -> Option<u64> {
    let digits = line.split_once(PLACE)?.1;
    let end = digits.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], 16).ok()
}

fn find(symbols: &[Symbol], place: u64) -> Option<(u64, &str, u64)> {
    let next = symbols.partition_point(|(start, _)| *start <= place);
    let (start, name) = symbols.get(next.checked_sub(1)?)?;
    Some((*start, name, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_the_function_that_holds_it() {
        let listing = "0000000000001000 T first\n0000000000001fff r data\n0000000000002000 t hermit._RNvC6_123foo3bar\n";
        let symbols: Vec<Symbol> = listing.lines().filter_map(function).collect();
        let console = "hello\nbootstack:   0x00001010\nbootstack:   0x00002004\nbootstack:   0x00000004\n";
        let expected = "hello\nbootstack:   0x00001010 first + 0x10\nbootstack:   0x00002004 123foo::bar + 0x4\n\
                        bootstack:   0x00000004\n";
        assert_eq!(named(console, &symbols), expected);
    }
}
