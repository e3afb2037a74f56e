//! schemathesis reads the site's own description and asks for everything in it, rightly and wrongly, with a token that a
//! visitor made.
//!
//! Invariant: the token is on no command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use image::Layout;
use tests::{Client, Endpoint};

use super::is_long;

/// Names the Python that has it.
const PYTHON: &str = "BOOTSTACK_SCHEMATHESIS";
/// What takes some ten seconds.
const SHORT_RUN: [&str; 4] = ["--phases", "coverage,fuzzing", "--max-examples", "5"];
/// What takes minutes.
const LONG_RUN: [&str; 2] = ["--max-examples", "50"];

pub(super) fn the_site_does_what_its_description_says_and_nothing_else() -> Result<()> {
    let python =
        std::env::var_os(PYTHON).with_context(|| format!("{PYTHON} is not set: run `cargo xtask test`"))?;
    let layout = Layout::here()?;
    let folder = layout.target().join("programs");
    std::fs::create_dir_all(&folder)?;
    let client = Client::new(&Endpoint::from_environment()?)?;
    let token = client.visitor()?.token(&client)?;
    let told = schemathesis(&PathBuf::from(python), client.endpoint(), &layout)
        .env("BOOTSTACK_TOKEN", token)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .context("cannot start schemathesis")?;
    let words = String::from_utf8_lossy(&told.stdout);
    ensure!(told.status.success(), "{words}\n{}", String::from_utf8_lossy(&told.stderr));
    // A run that has asked for nothing has found nothing.
    ensure!(words.contains(" passed"), "{words}");
    Ok(())
}

/// It reaches the site by its address. (That the certificate is the right one, the smoke suite says.)
fn schemathesis(python: &Path, endpoint: &Endpoint, layout: &Layout) -> Command {
    let origin = format!("https://{}", endpoint.https);
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-m", "schemathesis.cli", "--config-file"]);
    command.arg(layout.root().join("tests/programs/schemathesis.toml"));
    command.args(["run", "--origin", &origin, "--tls-verify", "false"]);
    command.args(if is_long() { &LONG_RUN[..] } else { &SHORT_RUN });
    command.arg("--header").arg(format!("Host:{}", endpoint.host));
    command.arg(format!("{origin}/api/v1/openapi.json"));
    command
}
