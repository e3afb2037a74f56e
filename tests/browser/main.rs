//! People in front of the site: a real browser registers, writes, comments, searches and signs out, on a desk in the light
//! and on a phone in the dark; axe judges every page that is seen on the way.
//!
//! `cargo test -p tests --test browser`. With `BOOTSTACK_ENDPOINT` (as for the smoke suite) it visits that site; without, it
//! boots a stack of its own. Screenshots stay in `target/bootstack/browser`. Invariant: browser and driver end with the
//! test, and the account that it made is deleted by it.

mod axe;
mod driver;
mod page;
mod visit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use image::Layout;
use libtest_mimic::{Arguments, Failed, Trial};
use tests::Endpoint;
use tests::stand::{Db, Stand, Way, Web};

use driver::Appearance;

/// How the visitor's browser shows pages.
const APPEARANCES: [Appearance; 2] = [Appearance::Desk, Appearance::Phone];

/// What every visit needs.
struct Place {
    endpoint: Endpoint,
    axe: String,
    screenshots: PathBuf,
    /// Held: the machines die with it.
    _machines: Option<(Stand, Db, Web)>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One browser is enough for a host with two cores.
    arguments.test_threads = Some(1);
    match trials(&arguments) {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn trials(arguments: &Arguments) -> Result<Vec<Trial>> {
    let place = if arguments.list { None } else { Some(Arc::new(Place::find()?)) };
    let trial = |appearance: Appearance| {
        let place = place.clone();
        let name = format!("a_visitor_registers_writes_and_leaves_{}", appearance.name());
        Trial::test(name, move || {
            let place = place.ok_or("no place")?;
            visit::pay(&place, appearance).map_err(|error| Failed::from(format!("{error:#}")))
        })
    };
    Ok(APPEARANCES.into_iter().map(trial).collect())
}

impl Place {
    fn find() -> Result<Self> {
        let layout = Layout::here()?;
        let screenshots = layout.target().join("browser");
        std::fs::create_dir_all(&screenshots)?;
        let axe = axe::source(&layout)?;
        let (endpoint, machines) = match std::env::var_os(tests::endpoint::VARIABLE) {
            Some(_) => (Endpoint::from_environment()?, None),
            None => boot().map(|(endpoint, machines)| (endpoint, Some(machines)))?,
        };
        Ok(Self { endpoint, axe, screenshots, _machines: machines })
    }
}

/// The stack in QEMU, by the shortest way.
fn boot() -> Result<(Endpoint, (Stand, Db, Web))> {
    let mut stand = Stand::new("browser-stand")?;
    stand.begin("visit");
    let db = stand.db()?;
    let web = stand.web(Way::Direct, db.port(), db.password()).ready().context("the web machine")?;
    let endpoint = web.client().endpoint().clone();
    Ok((endpoint, (stand, db, web)))
}
