//! MySQL gets another certificate, and another root, in the running db machine.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use image::db::{Offer, Operator};
use image::wait::{Status, wait_until};
use tests::Client;
use tests::stand::{DB_NAMES, Db, Stand, Way};
use tls::authority::{Authority, Issued};
use tls::rustls::pki_types::UnixTime;

/// How many ask at once, so that the site opens more than one connection to MySQL.
const VISITORS: usize = 3;
/// A host with a dozen busy processes makes an emulated MySQL wait for more than the usual 1.5 s: that is no failure of
/// the exchange.
const PATIENT: &str = "[limits]\ndatabase_ms = 10000\n";
const BACK_DEADLINE: Duration = Duration::from_secs(30);
/// Shorter than any other certificate of the stand, and of different lengths: they are told apart by their last day.
const DAYS: [u16; 2] = [3, 4];

/// Everybody who asks is answered throughout; a machine that is new then sees the new certificate. What does not fit is
/// refused with its reason, and what the machine was given at boot does not come back with a power cut.
pub(super) fn mysqls_certificate_and_its_root_are_exchanged_while_a_site_is_asked(
    stand: &mut Stand,
) -> Result<()> {
    let db = stand.db()?;
    let mut web = stand.web(Way::Direct, db.port(), db.password()).configured(PATIENT).ready()?;
    let operator = stand.operator(&db)?;
    let answered = while_asked(web.client(), || {
        refused(stand, &operator)?;
        for (of_successor, days) in [false, true].into_iter().zip(DAYS) {
            let issued = issuer(stand, of_successor).issue(&DB_NAMES, days)?;
            exchanged(stand, &db, &operator, &issued)?;
        }
        Ok(())
    })?;
    eprintln!("{answered} visits were answered");
    let last = operator.shown()?;
    let mut db = db;
    db.cut()?;
    let mut db = stand.restart_db_as_it_was(db)?;
    db.wait_until_ready()?;
    ensure!(
        operator.shown()? == last,
        "the certificate of the machine's boot is back: {:?}",
        operator.shown()?
    );
    web.wait_until("/", StatusCode::OK, BACK_DEADLINE)?;
    let console = db.console()?;
    ensure!(!console.contains("PRIVATE KEY"), "the console shows a key");
    Ok(())
}

fn issuer(stand: &Stand, is_successor: bool) -> &Authority {
    if is_successor { stand.identity().successor() } else { stand.identity().authority() }
}

fn exchanged(stand: &mut Stand, db: &Db, operator: &Operator, issued: &Issued) -> Result<()> {
    let before = operator.shown()?;
    let roots = stand.identity().both_roots();
    operator.give(&offer(&roots, issued))?;
    let now = operator.shown()?;
    ensure!(now != before, "new connections are shown what was before: {now:?}");
    stand.web(Way::Direct, db.port(), db.password()).ready().context("a machine that is new")?;
    Ok(())
}

fn offer<'a>(ca: &'a str, issued: &'a Issued) -> Offer<'a> {
    Offer { ca, certificate: &issued.certificate_chain, key: &issued.private_key }
}

/// Each of these would leave the site without a database, at once or after the next start.
fn refused(stand: &Stand, operator: &Operator) -> Result<()> {
    let before = operator.shown()?;
    let (own, other) = (stand.identity().authority(), stand.identity().successor());
    let right = own.issue(&DB_NAMES, DAYS[0])?;
    let swapped = Issued { private_key: own.issue(&DB_NAMES, 1)?.private_key, ..own.issue(&DB_NAMES, 1)? };
    let hour_s = 3600;
    let at = |from_s: u64| UnixTime::since_unix_epoch(Duration::from_secs(from_s));
    let now_s = UnixTime::now().as_secs();
    let later = own.issue_from(&DB_NAMES, at(now_s + 24 * hour_s), 3)?;
    let older = own.issue_from(&DB_NAMES, at(now_s - 24 * hour_s), 3)?;
    let of_other = other.issue(&DB_NAMES, 1)?;
    let garbled = Issued { private_key: "garbage".to_owned(), ..own.issue(&DB_NAMES, 1)? };
    let (root, foreign) = (own.certificate_pem(), other.certificate_pem());
    let cases = [
        ("another's key", root, &swapped, "key is another certificate's"),
        ("other names", root, &own.issue(&DB_NAMES[..1], 1)?, "not for IP Address:127.0.0.1"),
        ("an unknown root", foreign, &of_other, "by the roots that MySQL trusts now"),
        ("no way to its root", foreign, &right, "does not verify"),
        ("tomorrow's", root, &later, "not yet valid"),
        ("yesterday's", root, &older, "written before"),
        ("no key", root, &garbled, "no PEM"),
    ];
    for (what, ca, issued, reason) in cases {
        let error = operator.give(&offer(ca, issued)).err().with_context(|| format!("{what} is taken"))?;
        ensure!(format!("{error:#}").contains(reason), "{what}: {error:#}");
        ensure!(operator.shown()? == before, "{what} changed what is presented");
    }
    Ok(())
}

/// By then each connection to MySQL is open.
fn warmed_up(answered: &AtomicUsize) -> Result<()> {
    wait_until(BACK_DEADLINE, "the first answers", || {
        Ok(match answered.load(Ordering::Relaxed) {
            enough if enough >= 10 * VISITORS => Status::Reached(()),
            few => Status::Pending(format!("{few} answers")),
        })
    })
}

/// Has a page of rows asked for all the time; one that is not answered is a failure.
fn while_asked(client: &Client, act: impl FnOnce() -> Result<()>) -> Result<usize> {
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask = || {
        while !over.load(Ordering::Relaxed) {
            client.get("/")?.expect(StatusCode::OK)?;
            answered.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    };
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(ask)).collect();
        let acted = warmed_up(&answered).and_then(|()| act());
        over.store(true, Ordering::Relaxed);
        let visited =
            visitors.into_iter().try_for_each(|visitor| visitor.join().expect("it returns its error"));
        acted?;
        visited.context("a visitor was not answered")
    })?;
    Ok(answered.into_inner())
}
