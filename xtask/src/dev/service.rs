//! The service of `dev`: started anew after each change that compiles.
//!
//! Its log goes to this terminal. Invariant: at most one runs, and none when [`serve`] has returned; one that runs goes on
//! until the next has been built.
use std::path::Path;
use std::process::Stdio;

use ::image::Layout;
use anyhow::{Result, bail, ensure};

use super::watch::{Event, Watch};
use crate::hosted::{self, Hosted, Profile};
use crate::visit::Visitor;

/// Runs the service until it is interrupted; tells by `ready` that it and its database answer for the first time.
pub(super) fn serve(layout: &Layout, config: &Path, visitor: &Visitor, ready: impl FnOnce()) -> Result<()> {
    let watch = Watch::over(&["service", "tls"].map(|room| layout.root().join(room)))?;
    ensure!(hosted::build(layout, Profile::Dev)?, "the service does not compile");
    let mut service = start(layout, config)?;
    service.await_ready(visitor)?;
    ready();
    loop {
        match watch.next(|| service.ended())? {
            Event::Ended(status) => bail!("the service ended ({status})"),
            Event::Changed if hosted::build(layout, Profile::Dev)? => {
                drop(service);
                service = start(layout, config)?;
                eprintln!("the service was started anew");
            }
            Event::Changed => eprintln!("it does not compile: the service goes on as it was"),
        }
    }
}

fn start(layout: &Layout, config: &Path) -> Result<Hosted> {
    Hosted::start(layout, Profile::Dev, config, Stdio::inherit())
}
