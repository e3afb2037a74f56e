//! A crash: the machine says where it was, starts again, and waits longer each time.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use image::machine::Variation;
use image::{Layout, symbols, toolchain};
use tests::stand::{Stand, Way};

/// What a crashing machine says first and last.
const CRASHED: &str = "bootstack: crashed: non-maskable interrupt";
const AGAIN: &str = "bootstack: starting again in";
/// What it says when it is back.
const BACK: &str = "bootstack: started again after";
const DEADLINE: Duration = Duration::from_secs(60);

/// A cloud's diagnostic interrupt is a crash that can be asked for.
pub(super) fn a_crashed_machine_says_where_and_serves_again_later_each_time(stand: &mut Stand) -> Result<()> {
    let as_in_a_cloud = Variation { restarts: true, ..Variation::default() };
    let mut web = stand.web(Way::Direct, 1, "nobody-asks-for-it").varied(as_in_a_cloud).serve()?;
    for (crashes, delay_s) in [(1, 1), (2, 2)] {
        web.machine.control("inject-nmi")?;
        web.machine.wait_for_line(DEADLINE, CRASHED)?;
        let again = web.machine.wait_for_line(DEADLINE, AGAIN)?;
        ensure!(again.ends_with(&format!(" {delay_s} s")), "after {crashes} crashes: {again}");
        let back = web.machine.wait_for_line(DEADLINE, BACK)?;
        ensure!(back.ends_with(&format!(" {crashes} crashes")), "{back}");
        web.wait_until_serving()?;
        web.client().get("/healthz")?.expect(StatusCode::OK)?;
    }
    let layout = Layout::here()?;
    let named = symbols::resolve(&layout, &toolchain::find(&layout)?, &web.console()?)?;
    // The machine was idle: what led there is the event loop, called from `main`.
    for name in ["hermit::", "service::program::main"] {
        named
            .lines()
            .find(|line| line.contains("0x") && line.contains(name))
            .with_context(|| format!("no place of the trace is in {name}:\n{named}"))?;
    }
    Ok(())
}
