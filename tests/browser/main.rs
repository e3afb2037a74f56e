//! People in front of the site: a real browser registers, writes, comments, searches and signs out, on a desk in the light
//! and on a phone in the dark, another meets every refusal, long lists, and has keys only, and an operator looks at the machine; axe judges every page that is seen on the way.
//!
//! `cargo test -p tests --test browser`. With `BOOTSTACK_ENDPOINT` (as for the smoke suite) it visits that site; without, it
//! boots a stack of its own. Screenshots stay in `target/bootstack/browser`. Invariant: browser and driver end with the
//! test, and the accounts that it made are deleted by it.

mod axe;
mod corners;
mod page;
mod visit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use image::Layout;
use libtest_mimic::{Arguments, Failed, Trial};
use tests::browser::Appearance;
use tests::stand::{Db, Stand, Way, Web, random_word};
use tests::{Endpoint, Visitor};

/// How the visitor's browser shows pages.
const APPEARANCES: [Appearance; 2] = [Appearance::Desk, Appearance::Phone];

/// How a visit is paid.
type Visit = fn(&Place, Appearance) -> Result<()>;

/// What each is to show.
const VISITS: [(&str, Visit); 3] = [
    ("a_visitor_registers_writes_and_leaves", visit::pay),
    ("a_visitor_meets_refusals_and_long_lists_and_has_keys_only", visit::explore),
    ("an_operator_sees_how_the_machine_does", visit::operate),
];

/// The name and, after a colon, the password of an operator at the endpoint that `BOOTSTACK_ENDPOINT` gives.
const OPERATOR: &str = "BOOTSTACK_OPERATOR";

/// What every visit needs.
struct Place {
    endpoint: Endpoint,
    axe: String,
    screenshots: PathBuf,
    /// The name and the password of the account that may see `/status`, which no other visit takes.
    operator: (String, String),
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
    let trial = |(claim, pay): (&str, Visit), appearance: Appearance| {
        let place = place.clone();
        Trial::test(format!("{claim}_{}", appearance.name()), move || {
            let place = place.ok_or("no place")?;
            pay(&place, appearance).map_err(|error| Failed::from(format!("{error:#}")))
        })
    };
    Ok(VISITS.into_iter().flat_map(|visit| APPEARANCES.map(|appearance| trial(visit, appearance))).collect())
}

impl Place {
    fn find() -> Result<Self> {
        let layout = Layout::here()?;
        let screenshots = layout.target().join("browser");
        std::fs::create_dir_all(&screenshots)?;
        let axe = axe::source(&layout)?;
        let operator = match std::env::var(OPERATOR) {
            Ok(named) => {
                let (name, password) =
                    named.split_once(':').context("BOOTSTACK_OPERATOR is NAME:PASSWORD")?;
                (name.to_owned(), password.to_owned())
            }
            Err(_) => ("oda".to_owned(), random_word()?),
        };
        let (endpoint, machines) = match std::env::var_os(tests::endpoint::VARIABLE) {
            Some(_) => (Endpoint::from_environment()?, None),
            None => boot(&operator).map(|(endpoint, machines)| (endpoint, Some(machines)))?,
        };
        Ok(Self { endpoint, axe, screenshots, operator, _machines: machines })
    }
}

/// The stack in QEMU, by the shortest way. The operator's account is made before its name is configured.
fn boot((operator, password): &(String, String)) -> Result<(Endpoint, (Stand, Db, Web))> {
    let mut stand = Stand::new("browser-stand")?;
    stand.begin("visit");
    let db = stand.db()?;
    let before = stand.web(Way::Direct, db.port(), db.password()).ready().context("the first web machine")?;
    Visitor::register_as(before.client(), operator, password).context("the operator")?;
    drop(before);
    let tables = format!("\n[operations]\noperators = [{operator:?}]\n");
    let web = stand.web(Way::Direct, db.port(), db.password()).configured(&tables);
    let web = web.ready().context("the web machine")?;
    let endpoint = web.client().endpoint().clone();
    Ok((endpoint, (stand, db, web)))
}
