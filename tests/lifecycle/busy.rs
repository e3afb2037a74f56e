//! A machine with one processor that computes something long.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::StatusCode;
use tests::page::Form;
use tests::stand::{Stand, Way};

/// Most of a login is its hash. A visitor who comes meanwhile waits for a small part of it; without turns, for all.
const MOST_OF_THE_LOGIN: f64 = 0.25;

pub(super) fn visitors_are_answered_while_a_password_is_hashed(stand: &mut Stand) -> Result<()> {
    let db = stand.db()?;
    let web = stand.web(Way::Direct, db.port(), db.password()).ready()?;
    let client = web.client();
    let form = Form::to("/login", client.get("/login")?.expect(StatusCode::OK)?.text()?)?;
    let login =
        form.with("name", "nobody").with("password", "nobody's own").filled(&client.endpoint().host, "");
    let (login_took, longest_wait) = thread::scope(|scope| {
        let login = scope.spawn(|| {
            let begun = Instant::now();
            client.send(&login)?.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
            anyhow::Ok(begun.elapsed())
        });
        let mut longest = Duration::ZERO;
        while !login.is_finished() {
            let begun = Instant::now();
            client.get("/healthz")?.expect(StatusCode::OK)?;
            longest = longest.max(begun.elapsed());
        }
        anyhow::Ok((login.join().expect("it returns its error")?, longest))
    })?;
    ensure!(
        longest_wait < login_took.mul_f64(MOST_OF_THE_LOGIN),
        "a visitor waited {longest_wait:?} while somebody's login took {login_took:?}"
    );
    stand.hand_on(db);
    Ok(())
}
