//! Stories told one after the other: each named after its function, with a folder of its own and a post mortem if it fails.
//!
//! One at a time: the host may have two cores, and a story must not wait for another's machines. Invariant: a stand
//! whose stories all went well leaves nothing behind.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::stand::Stand;

/// What happens to machines, and what must hold after it.
pub type Story = fn(&mut Stand) -> Result<()>;

/// Names each story after itself.
#[macro_export]
macro_rules! stories {
    ($($module:ident::{$($story:ident),+ $(,)?}),+ $(,)?) => {
        [$($((stringify!($story), $module::$story as $crate::stories::Story)),+),+]
    };
}

type Shared = Arc<Mutex<Option<Stand>>>;

/// How the names of stories begin that take minutes.
const LONG: &str = "long";

/// Tells the stories that the command line names, in the order of the list, on a stand of this name. Those whose name
/// begins with `long` are told only when they are asked for by name: `cargo xtask test --long` does.
pub fn tell(name: &str, stories: impl IntoIterator<Item = (&'static str, Story)>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let asked = arguments.filter.as_ref().is_some_and(|filter| filter.starts_with(LONG));
    let stories = stories.into_iter().filter(|(story, _)| asked || !story.starts_with(LONG));
    match told_all(name, &arguments, stories) {
        Ok(verdict) => verdict,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn told_all(
    name: &str,
    arguments: &Arguments,
    stories: impl IntoIterator<Item = (&'static str, Story)>,
) -> Result<ExitCode> {
    // None for `--list`, which needs no machines.
    let stand = if arguments.list { None } else { Some(Stand::new(name)?) };
    let stand: Shared = Arc::new(Mutex::new(stand));
    let trials = stories.into_iter().map(|(name, story)| trial(name, story, Arc::clone(&stand))).collect();
    let conclusion = libtest_mimic::run(arguments, trials);
    let stand = stand.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(stand) = stand.filter(|_| !conclusion.has_failed()) {
        stand.dismantle()?;
    }
    Ok(conclusion.exit_code())
}

fn trial(name: &'static str, story: Story, stand: Shared) -> Trial {
    Trial::test(name, move || {
        let mut stand = stand.lock().unwrap_or_else(PoisonError::into_inner);
        let stand = stand.as_mut().ok_or("no stand")?;
        told(name, story, stand)
    })
}

fn told(name: &str, story: Story, stand: &mut Stand) -> Result<(), Failed> {
    stand.begin(name);
    let outcome = story(stand).and_then(|()| stand.finish());
    outcome.map_err(|error| {
        let error = format!("{error:#}");
        Failed::from(format!("{error}\n{}", stand.post_mortem(&error)))
    })
}
