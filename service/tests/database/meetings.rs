//! What meets in the database: two requests of one account in the order that would harm most.
//!
//! The order is made, not hoped for: the first request is held at a row that the claim has locked.

use anyhow::{Context as _, ensure};
use http::{Method, StatusCode};
use service::http::Front;
use sqlx::MySql;
use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;

use crate::Claim;
use crate::fixture::{Fixture, run};
use crate::program::Program;
use crate::visitor::{Answer, PASSWORD, Visitor};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_sign_in_that_meets_the_accounts_end_is_refused", a_sign_in_that_meets_the_accounts_end_is_refused),
    ("the_old_password_begins_no_session_after_a_change", the_old_password_begins_no_session_after_a_change),
    ("a_session_that_has_ended_makes_no_token", a_session_that_has_ended_makes_no_token),
    ("who_is_gone_writes_nothing", who_is_gone_writes_nothing),
    ("nothing_written_meanwhile_outlives_an_account", nothing_written_meanwhile_outlives_an_account),
];

const NEW: &str = "another horse entirely";

/// Where a sign-in is when it has looked at the password.
const CLEARING: &str = "DELETE FROM sessions WHERE expires_at";
/// Where a request is when it is known whose it is, and before it writes.
const COUNTING: &str = "UPDATE rate_limits";

/// A site with Ada, who is signed in, and the outdated session of somebody before her.
async fn stage(fixture: &Fixture) -> anyhow::Result<(Front, Visitor)> {
    let router = fixture.patient_site().await?;
    Visitor::registered(&router, "before").await?;
    fixture.execute("UPDATE sessions SET expires_at = NOW(6) - INTERVAL 1 SECOND").await?;
    let ada = Visitor::registered(&router, "ada").await?;
    Ok((router, ada))
}

/// A sign-in as Ada, and what Ada does meanwhile.
async fn sign_in_during(
    fixture: &Fixture,
    path: &str,
    form: &[(&str, &str)],
) -> anyhow::Result<(Visitor, Answer)> {
    let (router, mut ada) = stage(fixture).await?;
    let mut there = Visitor::new(&router);
    let sign_in = [("name", "ada"), ("password", PASSWORD)];
    let outdated = sqlx::query("SELECT id FROM sessions ORDER BY id LIMIT 1 FOR UPDATE");
    let (answer, done) =
        fixture.meet(outdated, CLEARING, there.post("/login", &sign_in), ada.post(path, form)).await?;
    done.expect(StatusCode::SEE_OTHER)?;
    Ok((ada, answer))
}

fn a_sign_in_that_meets_the_accounts_end_is_refused(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, answer) = sign_in_during(fixture, "/account/delete", &[("password", PASSWORD)]).await?;
        answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
        let refused = "SELECT COUNT(*) FROM account_events WHERE kind = 'sign-in-refused'";
        ensure!(fixture.count(refused).await? == 1, "it is not in the audit log");
        let left = "SELECT COUNT(*) FROM account_events WHERE kind <> 'registered' AND address <> ''";
        ensure!(fixture.count(left).await? == 0, "an address of somebody who is gone");
        Ok(())
    })
}

fn the_old_password_begins_no_session_after_a_change(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let change = [("current", PASSWORD), ("new", NEW)];
        let (mut ada, answer) = sign_in_during(fixture, "/account/password", &change).await?;
        answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
        ada.get("/account").await?.expect(StatusCode::OK)?;
        let sessions =
            "SELECT COUNT(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.name = 'ada'";
        ensure!(fixture.count(sessions).await? == 1, "another session than the one that changed it");
        Ok(())
    })
}

/// What Ada writes is counted here.
async fn written(fixture: &Fixture) -> anyhow::Result<Query<'static, MySql, MySqlArguments>> {
    let ada = fixture.count("SELECT CAST(id AS SIGNED) FROM users WHERE name = 'ada'").await?;
    let bucket = db::rates::bucket("writing", &ada.to_string());
    Ok(sqlx::query("SELECT bucket FROM rate_limits WHERE bucket = ? FOR UPDATE").bind(bucket.to_vec()))
}

fn a_session_that_has_ended_makes_no_token(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, mut ada) = stage(fixture).await?;
        Program::of(&mut ada).await?;
        let mut stolen = ada.clone();
        let wish = [("name", "evil"), ("days", "365")];
        let change = [("current", PASSWORD), ("new", NEW)];
        let (made, changed) = fixture
            .meet(
                written(fixture).await?,
                COUNTING,
                stolen.post("/account/tokens", &wish),
                ada.post("/account/password", &change),
            )
            .await?;
        changed.expect(StatusCode::SEE_OTHER)?;
        made.expect(StatusCode::UNAUTHORIZED)?.hides("bootstack_")?;
        ensure!(fixture.count("SELECT COUNT(*) FROM tokens").await? == 0, "a token survives");
        Ok(())
    })
}

/// By a form and by a token, which were good when the requests came.
fn who_is_gone_writes_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        for what in ["post", "comment", "post by a token", "comment by a token"] {
            let (router, mut ada) = stage(fixture).await?;
            let theirs = Visitor::registered(&router, "bob").await?.write("Theirs", "text", "").await?;
            let program = Program::of(&mut ada).await?;
            let (mut copy, comments) = (ada.clone(), format!("{theirs}/comments"));
            let first = async {
                match what {
                    "post" => copy.post("/posts", &[("title", "t"), ("body", "b")]).await,
                    "comment" => copy.post(&comments, &[("body", "b")]).await,
                    "post by a token" => {
                        program.ask(Method::POST, "/api/v1/posts", r#"{"title":"t","body":"b"}"#).await
                    }
                    _ => program.ask(Method::POST, &format!("/api/v1{comments}"), r#"{"body":"b"}"#).await,
                }
            };
            let deletion = [("password", PASSWORD), ("posts", "yes")];
            let deleted = ada.post("/account/delete", &deletion);
            let (answer, deleted) =
                fixture.meet(written(fixture).await?, COUNTING, first, deleted).await.context(what)?;
            deleted.expect(StatusCode::SEE_OTHER)?;
            ensure!(answer.parts.status.is_client_error(), "{what}: {:?}", answer.parts);
            let left = "SELECT (SELECT COUNT(*) FROM posts WHERE title <> 'Theirs') + (SELECT COUNT(*) FROM comments)";
            ensure!(fixture.count(left).await? == 0, "{what}: it is public");
        }
        Ok(())
    })
}

/// What was begun before the account's end and is written after its posts were deleted.
fn nothing_written_meanwhile_outlives_an_account(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (router, mut ada) = stage(fixture).await?;
        let theirs = Visitor::registered(&router, "bob").await?.write("Theirs", "text", "").await?;
        let mut copy = ada.clone();
        // All of them, and the place where the next one goes.
        let events = sqlx::query("SELECT id FROM account_events FOR UPDATE");
        let deletion = [("password", PASSWORD), ("posts", "yes")];
        let meanwhile = async {
            copy.write("Mine", "text", "tag").await?;
            copy.post(&format!("{theirs}/comments"), &[("body", "b")]).await?.expect(StatusCode::SEE_OTHER)
        };
        let deleted = ada.post("/account/delete", &deletion);
        let (deleted, _) = fixture.meet(events, "INSERT INTO account_events", deleted, meanwhile).await?;
        deleted.expect(StatusCode::SEE_OTHER)?;
        let left =
            "SELECT (SELECT COUNT(*) FROM posts WHERE title <> 'Theirs') + (SELECT COUNT(*) FROM comments)";
        ensure!(fixture.count(left).await? == 0, "something is left");
        Ok(())
    })
}
