//! Compiler flags that keep the paths of this checkout and this user out of what is built.
//!
//! Invariant: two checkouts with the same sources and the same compiler build the same bytes.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::{Layout, Toolchain};

/// `--remap-path-prefix` for every folder that sources come from. Later flags win, so the most general come first.
pub(crate) fn flags(layout: &Layout, toolchain: &Toolchain) -> Vec<String> {
    let registry = cargo_home().map(|home| (home.join("registry/src"), "/registry"));
    let folders = [
        (toolchain.sysroot().join("lib/rustlib/src/rust"), "/rustc"),
        (layout.root().to_owned(), "/bootstack"),
        (layout.target().to_owned(), "/bootstack/target"),
    ];
    registry.into_iter().chain(folders).map(|(from, to)| flag(&from, to)).collect()
}

fn flag(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

fn cargo_home() -> Option<PathBuf> {
    let from_home = || Some(Path::new(&env::var_os("HOME")?).join(".cargo"));
    env::var_os("CARGO_HOME")
        .as_deref()
        .filter(|home| *home != OsStr::new(""))
        .map(PathBuf::from)
        .or_else(from_home)
}
