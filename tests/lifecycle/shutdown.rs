//! The power button: MySQL shuts down in order and the rows stay; the service finishes what it began.

use std::time::Duration;

use anyhow::{Result, ensure};
use http::StatusCode;
use image::machine::Ended;
use tests::stand::{Stand, Way, Writer, is_failure};

/// The last thing that MySQL says (its error log).
const SHUT_DOWN: &str = "Shutdown complete";
/// What InnoDB says at a start after anything else (its error log).
const RECOVERY: &str = "crash recovery";

/// What the service says when nothing is left to finish.
const DRAINED: &str = "drained";
/// The drain of a service with nothing to do, and the power-off: a moment, many times over on a busy host.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn a_web_machine_drains_and_powers_off_at_its_power_button(stand: &mut Stand) -> Result<()> {
    for way in [Way::Direct, Way::Uefi] {
        let mut web = stand.web(way, 1, "nobody-asks-for-it").serve()?;
        web.client().get("/healthz")?.expect(StatusCode::OK)?;
        let ended = web.machine.power_down(DEADLINE)?;
        ensure!(!is_failure(ended), "{}: the machine ended with {ended}", way.name());
        ensure!(web.console()?.contains(DRAINED), "{}: the service did not drain", way.name());
    }
    Ok(())
}

pub(super) fn rows_survive_an_orderly_shutdown(stand: &mut Stand) -> Result<()> {
    let mut db = stand.db()?;
    let web = stand.web(Way::Direct, db.port(), db.password()).ready()?;
    let writer = Writer::start(web.client())?;
    writer.wait_for(1)?;
    let rows = writer.stop()?;
    let ended = db.power_down()?;
    ensure!(ended == Ended::Status(0), "the db machine ended with {ended}");
    ensure!(db.console()?.contains(SHUT_DOWN), "MySQL was not heard to shut down");
    let password = db.password().to_owned();
    let mut db = stand.restart_db(db, &password)?;
    db.wait_until_ready()?;
    ensure!(!db.console()?.to_lowercase().contains(RECOVERY), "MySQL had to recover");
    let front = web.client().get("/")?.expect(StatusCode::OK)?;
    ensure!(
        rows.iter().all(|row| front.text().is_ok_and(|text| text.contains(row))),
        "a row is lost: {front}"
    );
    stand.hand_on(db);
    Ok(())
}
