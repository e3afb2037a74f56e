//! axe-core over the page that the browser shows: what a person with a screen reader or a keyboard would stumble over.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail};
use fantoccini::Client;
use image::Layout;
use serde::Deserialize;

/// As `cargo xtask test` keeps it in the cache, verified.
const FILE: &str = "axe-core-4.14.1/package/axe.min.js";

/// axe runs in the page; its answer comes through WebDriver's callback, the last argument.
const RUN: &str = "const done = arguments[arguments.length - 1]; \
    axe.run().then(r => done({violations: r.violations, passes: r.passes.length}), e => done({error: String(e)}));";

#[derive(Deserialize)]
struct Verdict {
    violations: Vec<Violation>,
    passes: usize,
}

#[derive(Deserialize)]
struct Violation {
    id: String,
    help: String,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    html: String,
}

/// axe's source.
pub(super) fn source(layout: &Layout) -> Result<String> {
    let path = layout.cache().join(FILE);
    fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}: `cargo xtask test` fetches it", path.display()))
}

/// Judges the page that is shown now.
pub(super) async fn judge(browser: &Client, axe: &str, page: &str) -> Result<()> {
    browser.execute(axe, Vec::new()).await.context("axe cannot be loaded")?;
    let verdict = browser.execute_async(RUN, Vec::new()).await.context("axe does not answer")?;
    let verdict: Verdict = serde_json::from_value(verdict).context("axe answers something else")?;
    // A page without any passed rule is a page that axe has not seen.
    if verdict.passes == 0 || !verdict.violations.is_empty() {
        bail!("axe on {page}: {} rules passed; {}", verdict.passes, told(&verdict.violations));
    }
    Ok(())
}

fn told(violations: &[Violation]) -> String {
    violations.iter().fold(format!("{} violated", violations.len()), |mut text, violation| {
        let at: Vec<&str> = violation.nodes.iter().map(|node| node.html.as_str()).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}: {}\n    {}", violation.id, violation.help, at.join("\n    "));
        text
    })
}
