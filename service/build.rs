//! Turns `assets/` into a table of files with content-hashed names, precompressed, for `src/assets.rs` to include.
//!
//! Invariant: the output depends on the files' names and bytes only, so that two builds give the same binary.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The functions that run when the program starts and answers, as patterns of their symbols' names: `cargo xtask bench site
/// --write-orderfile` writes it.
const ORDERFILE: &str = "orderfile.txt";

/// What the feature `bench` adds.
const MEGABYTE: &str = "megabyte.bin";

fn main() {
    println!("cargo::rerun-if-changed=assets");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    if std::env::var("TARGET").is_ok_and(|target| target.ends_with("-linux-gnu")) {
        save_memory(&out);
    }
    let mut table = String::from("&[\n");
    for file in sorted(Path::new("assets")) {
        table.push_str(&entry(&file, &out));
    }
    if std::env::var_os("CARGO_FEATURE_BENCH").is_some() {
        let file = out.join(MEGABYTE);
        fs::write(&file, noise()).expect("the output folder is writable");
        table.push_str(&entry(&file, &out));
    }
    table.push_str("]\n");
    fs::write(out.join("assets.rs"), table).expect("the output folder is writable");
}

/// Linux keeps of a program what was touched, and code by 64 KiB around it (fault-around).
fn save_memory(out: &Path) {
    // Relocations are read at the start and stay in memory; packed, they are a hundredth (DT_RELR, glibc 2.36).
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rerun-if-changed={ORDERFILE}");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let names = fs::read_to_string(ORDERFILE).expect("service/orderfile.txt is readable");
        let script = out.join("orderfile.ld");
        fs::write(&script, link_script(&names)).expect("the output folder is writable");
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    }
}

/// Adds to the linker's own script (`INSERT`) a section with the named functions, in their order: rustc gives each one its
/// own. ring's assembler has one for each file.
fn link_script(names: &str) -> String {
    let names = names.lines().filter(|line| !line.starts_with('#'));
    let functions: String =
        names.map(|name| format!("    *(.text.{name} .text.unlikely.{name})\n")).collect();
    format!(
        "SECTIONS {{\n  .text.ordered : {{\n    *libring*(.text)\n{functions}  }}\n}}\nINSERT BEFORE .text;\n"
    )
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("service/assets is readable");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    files.sort();
    files
}

/// One Rust expression for one file, its encodings written beside the table.
fn entry(file: &Path, out: &Path) -> String {
    let name = file.file_name().and_then(|name| name.to_str()).expect("asset names are UTF-8");
    let bytes = fs::read(file).expect("a readable asset");
    let hash = hex(&Sha256::digest(&bytes));
    let mut text = format!(
        "Asset {{ name: {name:?}, path: {:?}, media_type: {:?}, hash: {hash:?}, encodings: &[",
        served_path(name, &hash),
        media_type(name)
    );
    for (encoding, encoded) in smaller(&bytes) {
        let target = out.join(format!("{name}.{encoding}"));
        fs::write(&target, encoded).expect("the output folder is writable");
        // Writing to a string cannot fail.
        let _ = write!(text, "Encoded {{ encoding: {encoding:?}, bytes: include_bytes!({target:?}) }}, ");
    }
    text.push_str("] },\n");
    text
}

/// `site.css` becomes `/assets/site.0123456789ab.css`. Files that are asked for by a fixed name keep it.
fn served_path(name: &str, hash: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if name != "robots.txt" && name != MEGABYTE => {
            format!("/assets/{stem}.{}.{extension}", &hash[..12])
        }
        _ => format!("/{name}"),
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("bin") => "application/octet-stream",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("woff2") => "font/woff2",
        _ => panic!("assets/{name}: no media type is known for it: add one to build.rs"),
    }
}

/// The encodings worth sending, smallest first; the file itself is always the last.
fn smaller(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut encodings = vec![("br", brotli(bytes)), ("zstd", zstd(bytes)), ("gzip", gzip(bytes))];
    encodings.retain(|(_, encoded)| encoded.len() < bytes.len());
    encodings.sort_by_key(|(_, encoded)| encoded.len());
    encodings.push(("identity", bytes.to_vec()));
    encodings
}

fn brotli(mut bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    // The default parameters are quality 11 with a 4 MiB window: the best there is, paid once at build time.
    let params = brotli::enc::BrotliEncoderParams::default();
    brotli::BrotliCompress(&mut bytes, &mut encoded, &params).expect("writing to memory");
    encoded
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    // The highest level that every decoder has the memory for.
    zstd::bulk::compress(bytes, 19).expect("writing to memory")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// A million bytes that do not compress.
fn noise() -> Vec<u8> {
    let blocks = (0..31_250_u32).flat_map(|block| Sha256::digest(block.to_le_bytes()));
    blocks.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
