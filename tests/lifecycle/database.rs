//! A database that is there and yet does not answer.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::StatusCode;
use tests::stand::{Stand, Way, random_word};

use super::cut::away;

/// The service looks for the database twice a second.
const BACK_DEADLINE: Duration = Duration::from_secs(30);
/// From listening to the first refused login in the log.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(20);

/// No connection is refused and none is closed: packets just vanish, as behind a broken switch.
pub(super) fn a_database_that_falls_silent_is_answered_for_within_2_s(stand: &mut Stand) -> Result<()> {
    let db = stand.db()?;
    let mut web = stand.web(Way::Direct, db.port(), db.password()).ready()?;
    db.machine.control("stop")?;
    away(&web)?;
    db.machine.control("cont")?;
    web.wait_until("/", StatusCode::OK, BACK_DEADLINE)?;
    stand.hand_on(db);
    Ok(())
}

/// Its cable is pulled: nobody is told, and both ends keep their connections.
pub(super) fn long_a_database_whose_network_is_gone_for_a_minute_is_used_again(
    stand: &mut Stand,
) -> Result<()> {
    const GONE: Duration = Duration::from_secs(60);
    let mut db = stand.db()?;
    let mut web = stand.web(Way::Direct, db.port(), db.password()).ready()?;
    db.machine.set_link(false)?;
    let pulled = Instant::now();
    while pulled.elapsed() < GONE {
        away(&web)?;
    }
    db.machine.set_link(true)?;
    web.wait_until("/", StatusCode::OK, BACK_DEADLINE)?;
    stand.hand_on(db);
    Ok(())
}

pub(super) fn a_wrong_password_is_named_and_set_right_by_the_db_machine(stand: &mut Stand) -> Result<()> {
    let mut db = stand.db()?;
    let wrong = random_word()?;
    let mut web = stand.web(Way::Direct, db.port(), &wrong).serve()?;
    web.machine.wait_for_line(REFUSAL_DEADLINE, "Access denied")?;
    away(&web)?;
    db.power_down()?;
    let mut db = stand.restart_db(db, &wrong)?;
    db.wait_until_ready()?;
    web.wait_until("/", StatusCode::OK, BACK_DEADLINE)?;
    for console in [web.console()?, db.console()?] {
        ensure!(!console.contains(&wrong), "a console shows the password");
    }
    stand.hand_on(db);
    Ok(())
}
