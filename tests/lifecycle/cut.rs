//! The power goes away from one moment to the next; what was acknowledged stays.

use std::time::Duration;

use anyhow::{Result, ensure};
use http::StatusCode;
use tests::stand::{Db, Stand, Way, Web, Writer};
use tests::{Client, claims};

/// The front page shows this many rows; a round that wrote more could not be read back from outside.
const ROWS_SHOWN: usize = 20;
/// What is acknowledged before a cut, at least: drawn from this range.
const ROWS_BEFORE_CUT: (u64, u64) = (2, 12);
/// Cuts of the db machine, one after the other on the same volume.
const CUTS: usize = 2;
/// The service looks for the database twice a second; the pool may have to give up a dead connection first.
const BACK_DEADLINE: Duration = Duration::from_secs(30);
/// What the issue allows a page whose database is away.
const AWAY_ANSWER: Duration = Duration::from_secs(2);

pub(super) fn rows_survive_a_power_cut_of_the_web_machine(stand: &mut Stand) -> Result<()> {
    let db = stand.db()?;
    let mut web = stand.web(Way::Direct, db.port(), db.password()).ready()?;
    let writer = Writer::start(web.client())?;
    writer.wait_for(draw(stand))?;
    web.machine.cut()?;
    let rows = writer.stop()?;
    let web = stand.web(Way::Direct, db.port(), db.password()).in_place_of(web).ready()?;
    all_there(web.client(), &rows)?;
    stand.hand_on(db);
    Ok(())
}

/// Also: while the database is away, the site says so in time, and comes back without anybody's help.
pub(super) fn rows_survive_power_cuts_of_the_db_machine(stand: &mut Stand) -> Result<()> {
    let mut db = stand.db()?;
    let mut web = stand.web(Way::Direct, db.port(), db.password()).ready()?;
    for _ in 0..CUTS {
        db = survive(stand, db, &mut web)?;
    }
    claims::judge(web.client())?;
    stand.hand_on(db);
    Ok(())
}

fn survive(stand: &mut Stand, mut db: Db, web: &mut Web) -> Result<Db> {
    let writer = Writer::start(web.client())?;
    writer.wait_for(draw(stand))?;
    db.cut()?;
    let rows = writer.stop()?;
    away(web)?;
    let password = db.password().to_owned();
    let mut db = stand.restart_db(db, &password)?;
    db.wait_until_ready()?;
    web.wait_until("/", StatusCode::OK, BACK_DEADLINE)?;
    all_there(web.client(), &rows)?;
    Ok(db)
}

fn draw(stand: &mut Stand) -> usize {
    let (least, most) = ROWS_BEFORE_CUT;
    stand.dice().between(least, most) as usize
}

/// Dynamic pages give 503 with Retry-After in time; what needs no database is answered as ever.
pub(super) fn away(web: &Web) -> Result<()> {
    for path in ["/", "/readyz"] {
        let (answer, took) = web.timed(path)?;
        let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE)?;
        ensure!(took <= AWAY_ANSWER, "{took:?} for {answer}");
    }
    let page = web.client().get("/")?;
    let seconds: u32 = page.header("retry-after")?.parse()?;
    ensure!((1..=60).contains(&seconds), "Retry-After: {seconds}");
    web.client().get("/healthz")?.expect(StatusCode::OK)?;
    web.client().get(&claims::static_path(web.client())?)?.expect(StatusCode::OK).map(drop)
}

/// The newest rows are those at risk: a row that was acknowledged long before a cut was on the disk long before it.
fn all_there(client: &Client, rows: &[String]) -> Result<()> {
    ensure!(rows.len() <= ROWS_SHOWN - 2, "{} rows were written, more than the front page shows", rows.len());
    let front = client.get("/")?.expect(StatusCode::OK)?;
    let text = front.text()?;
    let lost: Vec<&String> = rows.iter().filter(|row| !text.contains(row.as_str())).collect();
    ensure!(lost.is_empty(), "of {} acknowledged rows {} were lost: {lost:?}", rows.len(), lost.len());
    Ok(())
}
