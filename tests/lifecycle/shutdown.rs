//! The power button: MySQL shuts down in order and the rows stay.

use anyhow::{Result, ensure};
use http::StatusCode;
use image::machine::Ended;
use tests::stand::{Stand, Way, Writer};

/// The last thing that MySQL says (its error log).
const SHUT_DOWN: &str = "Shutdown complete";
/// What InnoDB says at a start after anything else (its error log).
const RECOVERY: &str = "crash recovery";

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
