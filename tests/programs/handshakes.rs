//! testssl.sh tries every protocol, cipher and known attack on the site's port.
//!
//! Invariant: what it may find is listed here, each with the reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use image::Layout;
use serde::Deserialize;
use tests::Endpoint;

/// Names the program.
const PROGRAM: &str = "BOOTSTACK_TESTSSL";
/// As it grades what it finds; what it does not grade so is worse.
const HARMLESS: [&str; 3] = ["OK", "INFO", "LOW"];
/// What is no fault of the site's: the certificate is the test's own CA's, which publishes no revocations; and a page is
/// compressed for strangers only, who have no secret in it, as testssl.sh is one (`service/src/http/compress.rs`). And the
/// host's OpenSSL has no engine for GOST.
const KNOWN: [&str; 3] = ["cert_revocation", "BREACH", "engine_problem"];
/// It makes some hundred findings. A run with fewer was broken off.
const LEAST_FINDINGS: usize = 80;

#[derive(Debug, Deserialize)]
struct Finding {
    id: String,
    severity: String,
    finding: String,
}

pub(super) fn nobody_finds_fault_with_its_tls() -> Result<()> {
    let program = std::env::var_os(PROGRAM);
    let program = PathBuf::from(
        program.with_context(|| format!("{PROGRAM} is not set: run `cargo xtask test --long`"))?,
    );
    let folder = Layout::here()?.target().join("programs");
    fs::create_dir_all(&folder)?;
    let found = folder.join("testssl.json");
    match fs::remove_file(&found) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)?,
        _ => {}
    }
    // Its exit status counts what it found.
    let told = testssl(&program, &Endpoint::from_environment()?, &found)?
        .output()
        .context("cannot start testssl")?;
    let words = String::from_utf8_lossy(&told.stdout);
    let findings: Vec<Finding> =
        serde_json::from_slice(&fs::read(&found).with_context(|| words.into_owned())?)?;
    ensure!(findings.len() >= LEAST_FINDINGS, "{} findings only: {findings:?}", findings.len());
    let is_fault = |finding: &&Finding| {
        !HARMLESS.contains(&finding.severity.as_str()) && !KNOWN.contains(&finding.id.as_str())
    };
    let tell = |Finding { id, severity, finding }: &Finding| format!("{severity} {id}: {finding}");
    let faults: Vec<String> = findings.iter().filter(is_fault).map(tell).collect();
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// It is unpacked, not installed: what it reads lies beside it.
fn testssl(program: &Path, endpoint: &Endpoint, found: &Path) -> Result<Command> {
    let tree = program.ancestors().nth(3).context("testssl lies in no tree")?;
    let (address, port) = endpoint.https.rsplit_once(':').context("the endpoint has no port")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("TESTSSL_INSTALL_DIR", tree.join("etc/testssl"));
    command.env("PATH", format!("{path}:{}", tree.join("usr/bin").display()));
    command.args(["--quiet", "--color", "0", "--warnings", "off", "--ip", address]);
    command.arg("--jsonfile").arg(found).arg("--add-ca").arg(&endpoint.ca);
    command.arg(format!("https://{}:{port}/", endpoint.host)).stdin(Stdio::null());
    Ok(command)
}
