//! What a person sees while something takes long: one line a step, with the seconds that have passed.
//!
//! On a terminal a running step turns; elsewhere (CI, a file) it prints a line when it starts and one when it ends.

use std::fmt::Display;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a turning step is drawn anew.
const TICK: Duration = Duration::from_millis(120);

/// A step that is under way. Dropped without [`Step::done`] it counts as failed.
#[must_use]
pub struct Step {
    name: String,
    bar: ProgressBar,
    start: Instant,
    finished: bool,
}

/// Starts the step `name` and shows it.
pub fn start(name: impl Into<String>) -> Step {
    let name = name.into();
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(name.clone());
    bar.enable_steady_tick(TICK);
    if bar.is_hidden() {
        eprintln!("  … {name}");
    }
    Step { name, bar, start: Instant::now(), finished: false }
}

/// Prints a line beside the running steps.
pub fn note(line: impl Display) {
    eprintln!("    {line}");
}

impl Step {
    /// Shows what the step is doing now. Only a terminal sees it.
    pub fn update(&self, doing: impl Display) {
        self.bar.set_message(doing.to_string());
    }

    /// Ends the step; `result` is one short phrase, such as a size, or empty.
    pub fn done(mut self, result: impl Display) {
        self.finish('✓', &result.to_string());
    }

    fn finish(&mut self, mark: char, result: &str) {
        self.finished = true;
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed().as_secs_f32();
        let gap = if result.is_empty() { "" } else { "  " };
        eprintln!("  {mark} {:<34} {seconds:>6.1} s{gap}{result}", self.name);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished {
            self.finish('✗', "");
        }
    }
}

/// `bytes` as a person reads it: `11.3 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
