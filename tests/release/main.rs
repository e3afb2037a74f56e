//! Releases as visitors see them: machines, name servers and a steady load in the local provider's box.
//!
//! It drives `cargo xtask release` from outside and looks at nothing but what visitors, name servers and the console show.
//! `BOOTSTACK_RELEASES` says how many images are released in a row (2 unless it is set); arguments choose stories by parts of
//! their names, beside the first one, which makes the box. Invariant: box, images and
//! evidence are the test's own, and are gone when it has passed.

mod cloud;
mod load;
mod person;
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

/// The program visits from inside the box, as other processes of itself.
fn run() -> Result<()> {
    if load::is_visitor() {
        return load::visit();
    }
    if person::is_person() {
        return person::write();
    }
    let cloud = cloud::Cloud::new()?;
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    let chosen = stories::ALL.iter().enumerate().filter(|(at, (name, _))| *at == 0 || is_wanted(name));
    for (_, (name, story)) in chosen {
        eprintln!("story {name} …");
        let started = std::time::Instant::now();
        story(&cloud).map_err(|error| error.context(*name))?;
        eprintln!("story {name} ok, {} s", started.elapsed().as_secs());
    }
    cloud.dismantle()
}
