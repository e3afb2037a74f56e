//! Releases as visitors see them: machines, name servers and a steady load in the local provider's box.
//!
//! It drives `cargo xtask release` from outside and looks at nothing but what visitors, name servers and the console show.
//! `BOOTSTACK_RELEASES` says how many images are released in a row (2 unless it is set). Invariant: box, images and
//! evidence are the test's own, and are gone when it has passed.

mod cloud;
mod load;
mod resolver;
mod stories;

use std::process::ExitCode;

use anyhow::Result;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The program visits from inside the box, as another process of itself.
fn run() -> Result<()> {
    if load::is_visitor() {
        return load::visit();
    }
    let cloud = cloud::Cloud::new()?;
    for (name, story) in stories::ALL {
        eprintln!("story {name} …");
        let started = std::time::Instant::now();
        story(&cloud).map_err(|error| error.context(*name))?;
        eprintln!("story {name} ok, {} s", started.elapsed().as_secs());
    }
    cloud.dismantle()
}
