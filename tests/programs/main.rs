//! Programs in front of the site: schemathesis reads the site's own description and asks for everything in it, rightly and
//! wrongly, with a token that a visitor made.
//!
//! `cargo test -p tests --test programs`, with `BOOTSTACK_ENDPOINT` as for the smoke suite, and `BOOTSTACK_SCHEMATHESIS`,
//! the Python that has it. Invariant: the token is on no command line.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use image::Layout;
use libtest_mimic::{Arguments, Failed, Trial};
use tests::{Client, Endpoint};

/// Names the Python.
const PYTHON: &str = "BOOTSTACK_SCHEMATHESIS";
/// Asks for many cases of each operation, and for chains of operations, instead of a few.
const LONG: &str = "BOOTSTACK_TEST_LONG";
/// What takes some ten seconds.
const SHORT_RUN: [&str; 4] = ["--phases", "coverage,fuzzing", "--max-examples", "5"];
/// What takes minutes.
const LONG_RUN: [&str; 2] = ["--max-examples", "50"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let claim = || described().map_err(|error| Failed::from(format!("{error:#}")));
    let trial = Trial::test("the_site_does_what_its_description_says_and_nothing_else", claim);
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

fn described() -> Result<()> {
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
    let is_long = std::env::var_os(LONG).is_some();
    command.args(if is_long { &LONG_RUN[..] } else { &SHORT_RUN });
    command.arg("--header").arg(format!("Host:{}", endpoint.host));
    command.arg(format!("{origin}/api/v1/openapi.json"));
    command
}
