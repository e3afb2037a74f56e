//! A crash: the machine says where it was, starts again, and waits longer each time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use image::guest::Purpose;
use image::machine::Variation;
use image::{Layout, symbols, toolchain};
use tests::stand::{Stand, Way};

/// What a crashing machine says first and last.
const CRASHED: &str = "bootstack: crashed: non-maskable interrupt";
/// What it says after a panic of the program, whose own words come before.
const ABORTED: &str = "bootstack: crashed: the application aborted";
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
    let named = symbols::resolve(&layout, &toolchain::find(&layout)?, Purpose::Site, &web.console()?)?;
    // The machine was idle: what led there is the event loop, called from `main`.
    are_named(&named, &["hermit::", "service::program::main"])
}

/// A program that panics each time it is started: the words, the places, and a start after 1, 2 and 4 s.
pub(super) fn a_program_that_panics_says_where_and_is_started_later_each_time(
    stand: &mut Stand,
) -> Result<()> {
    const WORDS: &str = "as-it-was-told";
    let as_in_a_cloud = Variation { restarts: true, ..Variation::default() };
    let plan = stand.web(Way::Direct, 1, "nobody-asks-for-it").varied(as_in_a_cloud).judged_from_inside();
    let mut web = plan.kernel_arguments(&format!("env=LAST_WORDS={WORDS}")).start()?;
    for (crashes, delay_s) in [(1, 1), (2, 2), (3, 4)] {
        web.machine.wait_for_line(DEADLINE, "panicked at")?;
        web.machine.wait_for_line(DEADLINE, WORDS)?;
        web.machine.wait_for_line(DEADLINE, ABORTED)?;
        let again = web.machine.wait_for_line(DEADLINE, AGAIN)?;
        let said = Instant::now();
        ensure!(again.ends_with(&format!(" {delay_s} s")), "after {crashes} crashes: {again}");
        let back = web.machine.wait_for_line(DEADLINE, BACK)?;
        ensure!(back.ends_with(&format!(" {crashes} crashes")), "{back}");
        // Lines are looked for a few times in a second.
        let took = said.elapsed() + Duration::from_millis(500);
        ensure!(took >= Duration::from_secs(delay_s), "{delay_s} s were announced and {took:?} were waited");
    }
    let layout = Layout::here()?;
    let named = symbols::resolve(&layout, &toolchain::find(&layout)?, Purpose::Inside, &web.console()?)?;
    are_named(&named, &["inside::panics", "inside::main"])
}

/// Where one processor crashes, no other goes on with what may be broken.
pub(super) fn a_crash_stops_every_processor(stand: &mut Stand) -> Result<()> {
    const WORDS: &str = "as-it-was-told";
    const MEANWHILE: &str = "the-other-goes-on";
    let as_in_a_cloud = Variation { restarts: true, ..Variation::default() };
    let plan = stand.web(Way::Direct, 1, "nobody-asks-for-it").cpus(2).varied(as_in_a_cloud);
    let arguments = format!("env=LAST_WORDS={WORDS} env=MEANWHILE={MEANWHILE}");
    let mut web = plan.judged_from_inside().kernel_arguments(&arguments).start()?;
    web.machine.wait_for_line(DEADLINE, BACK)?;
    let console = web.console()?;
    let (before, after) = console.split_once(AGAIN).context("nothing is said of a start")?;
    let (waited, _) = after.split_once(BACK).context("it said so a moment ago")?;
    ensure!(before.contains(ABORTED) && before.contains("on processor 1"), "another one crashed:\n{before}");
    ensure!(!waited.contains(MEANWHILE), "a processor goes on after the crash:\n{waited}");
    Ok(())
}

/// Each of these is behind a place of the trace.
fn are_named(named: &str, functions: &[&str]) -> Result<()> {
    for name in functions {
        named
            .lines()
            .find(|line| line.contains("0x") && line.contains(name))
            .with_context(|| format!("no place of the trace is in {name}:\n{named}"))?;
    }
    Ok(())
}
