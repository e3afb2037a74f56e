//! What a person does with their own account.

use anyhow::{Context as _, ensure};
use http::StatusCode;

use crate::Claim;
use crate::fixture::{Fixture, run};
use crate::visitor::{PASSWORD, Visitor};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_profile_is_shown_as_it_was_saved", a_profile_is_shown_as_it_was_saved),
    ("a_changed_password_signs_every_other_browser_out", a_changed_password_signs_every_other_browser_out),
    ("a_password_is_the_same_from_every_keyboard", a_password_is_the_same_from_every_keyboard),
    ("a_password_is_changed_only_by_who_knows_it", a_password_is_changed_only_by_who_knows_it),
    ("a_browser_is_signed_out_from_another", a_browser_is_signed_out_from_another),
    ("a_deleted_account_leaves_its_posts_without_a_name", a_deleted_account_leaves_its_posts_without_a_name),
    ("a_deleted_account_takes_its_posts_along_if_asked", a_deleted_account_takes_its_posts_along_if_asked),
    ("an_account_is_deleted_only_by_who_knows_the_password", an_account_is_deleted_only_by_who_knows_it),
    ("outdated_rows_are_cleared_away", outdated_rows_are_cleared_away),
    ("the_audit_log_has_all_that_happens_to_an_account", the_audit_log_has_all_that_happens_to_an_account),
];

const NEW: &str = "another horse entirely";
/// The same to who types it: an accent is of its letter, or behind it.
const ACCENTS: [&str; 2] = ["pâté à l’ancienne", "pa\u{302}te\u{301} a\u{300} l’ancienne"];

fn a_profile_is_shown_as_it_was_saved(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let form = [("display_name", "Ada <Lovelace>"), ("about", "*Engines* <script>")];
        ada.post("/account/profile", &form).await?.expect(StatusCode::SEE_OTHER)?;
        let page = Visitor::new(&router).get("/people/ada").await?.expect(StatusCode::OK)?;
        let page = page
            .says("<h1><bdi>Ada &#60;Lovelace&#62;</bdi></h1>")?
            .says("<em>Engines</em> &lt;script&gt;")?;
        page.says(r#"aria-hidden="true">AL</span>"#)?;
        for form in [[("display_name", ""), ("about", "")], [("display_name", "a\u{1}"), ("about", "")]] {
            ada.post("/account/profile", &form).await?.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
        }
        ada.get("/account").await?.says("Ada &#60;Lovelace&#62;")?;
        Ok(())
    })
}

async fn signed_in(visitor: &Visitor, name: &str, password: &str) -> anyhow::Result<Option<Visitor>> {
    let mut visitor = Visitor::new(&visitor.router);
    let answer = visitor.post("/login", &[("name", name), ("password", password)]).await?;
    Ok((answer.parts.status == StatusCode::SEE_OTHER).then_some(visitor))
}

fn a_changed_password_signs_every_other_browser_out(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut here = Visitor::registered(&router, "ada").await?;
        let mut there = signed_in(&here, "ada", PASSWORD).await?.unwrap();
        let mut copy = here.clone();
        let form = [("current", PASSWORD), ("new", NEW)];
        here.post("/account/password", &form).await?.expect(StatusCode::SEE_OTHER)?;
        let account = here.get("/account").await?.expect(StatusCode::OK)?.says("password-changed")?;
        ensure!(account.parts.headers["cache-control"] == "no-store", "\"back\" shows it after a sign-out");
        there.get("/account").await?.expect(StatusCode::SEE_OTHER)?;
        copy.get("/account").await?.expect(StatusCode::SEE_OTHER)?;
        ensure!(signed_in(&here, "ada", PASSWORD).await?.is_none(), "the old password still works");
        ensure!(signed_in(&here, "ada", NEW).await?.is_some(), "the new password does not work");
        Ok(())
    })
}

fn a_password_is_the_same_from_every_keyboard(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        for (name, [one, other]) in [("ada", ACCENTS), ("bob", [ACCENTS[1], ACCENTS[0]])] {
            let mut visitor = Visitor::new(&router);
            let form = [("name", name), ("password", one)];
            visitor.post("/register", &form).await?.expect(StatusCode::SEE_OTHER)?;
            ensure!(signed_in(&visitor, name, other).await?.is_some(), "{name} cannot sign in");
            let form = [("current", other), ("new", one)];
            visitor.post("/account/password", &form).await?.expect(StatusCode::SEE_OTHER)?;
            ensure!(signed_in(&visitor, name, other).await?.is_some(), "{name} cannot sign in again");
            visitor.post("/account/delete", &[("password", other)]).await?.expect(StatusCode::SEE_OTHER)?;
        }
        Ok(())
    })
}

fn a_password_is_changed_only_by_who_knows_it(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        for (form, says) in [
            ([("current", "not the password"), ("new", NEW)], "This is not your password."),
            ([("current", PASSWORD), ("new", "short")], "at least 10 characters"),
        ] {
            let answer = ada.post("/account/password", &form).await?;
            answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?.says(says)?.hides(PASSWORD)?;
        }
        ensure!(signed_in(&ada, "ada", PASSWORD).await?.is_some(), "the password was changed");
        Ok(())
    })
}

fn a_browser_is_signed_out_from_another(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut here = Visitor::registered(&router, "ada").await?;
        let mut there = signed_in(&here, "ada", PASSWORD).await?.unwrap();
        let mut stranger = Visitor::registered(&router, "eve").await?;
        let page = here.get("/account").await?.expect(StatusCode::OK)?.page;
        let id = page.split(r#"name="id" value=""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        stranger.post("/account/session", &[("id", id)]).await?.expect(StatusCode::NOT_FOUND)?;
        there.get("/account").await?.expect(StatusCode::OK)?;
        here.post("/account/session", &[("id", id)]).await?.expect(StatusCode::SEE_OTHER)?;
        there.get("/account").await?.expect(StatusCode::SEE_OTHER)?;
        here.get("/account").await?.expect(StatusCode::OK)?;
        Ok(())
    })
}

fn a_deleted_account_leaves_its_posts_without_a_name(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "zora").await?;
        let path = ada.write("Kept", "text", "").await?;
        let mut copy = ada.clone();
        ada.post("/account/delete", &[("password", PASSWORD)]).await?.expect(StatusCode::SEE_OTHER)?;
        ensure!(ada.cookie.is_none(), "the browser keeps its cookie");
        copy.get("/account").await?.expect(StatusCode::SEE_OTHER)?;
        let mut visitor = Visitor::new(&router);
        visitor.get("/people/zora").await?.expect(StatusCode::NOT_FOUND)?;
        visitor.get(&path).await?.expect(StatusCode::OK)?.says("Former member")?.hides("zora")?;
        let left = "SELECT (SELECT COUNT(*) FROM users) + (SELECT COUNT(*) FROM sessions)
                    + (SELECT COUNT(*) FROM account_events WHERE address <> '')";
        ensure!(fixture.count(left).await? == 0, "something of the person is left");
        Ok(())
    })
}

fn a_deleted_account_takes_its_posts_along_if_asked(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let mut bob = Visitor::registered(&router, "bob").await?;
        let mine = ada.write("Mine", "text", "tag").await?;
        let theirs = bob.write("Theirs", "text", "").await?;
        ada.post(&format!("{theirs}/comments"), &[("body", "a comment")])
            .await?
            .expect(StatusCode::SEE_OTHER)?;
        let form = [("password", PASSWORD), ("posts", "yes")];
        ada.post("/account/delete", &form).await?.expect(StatusCode::SEE_OTHER)?;
        bob.get(&mine).await?.expect(StatusCode::NOT_FOUND)?;
        bob.get(&theirs).await?.expect(StatusCode::OK)?.hides("a comment")?;
        Ok(())
    })
}

fn an_account_is_deleted_only_by_who_knows_it(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        ada.write("Kept", "text", "").await?;
        let form = [("password", "not the password"), ("posts", "yes")];
        let answer = ada.post("/account/delete", &form).await?.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
        answer.says("This is not your password.")?;
        ada.get("/account").await?.expect(StatusCode::OK)?.says("password-refused")?;
        ensure!(fixture.count("SELECT COUNT(*) FROM posts").await? == 1, "the post is gone");
        Ok(())
    })
}

fn outdated_rows_are_cleared_away(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, router) = fixture.empty_site().await?;
        Visitor::registered(&router, "ada").await?;
        fixture.execute("UPDATE sessions SET expires_at = NOW(6) - INTERVAL 1 SECOND").await?;
        fixture.execute("UPDATE account_events SET created_at = NOW(6) - INTERVAL 91 DAY").await?;
        fixture.execute("UPDATE rate_limits SET used_until_us = 1").await?;
        Visitor::registered(&router, "bob").await?;
        database.clear_outdated().await?;
        for (query, kept) in [
            ("SELECT COUNT(*) FROM sessions", 1),
            ("SELECT COUNT(*) FROM account_events", 1),
            ("SELECT COUNT(*) FROM rate_limits", 1),
        ] {
            ensure!(fixture.count(query).await? == kept, "{query}: {}", fixture.count(query).await?);
        }
        Ok(())
    })
}

/// Each kind there is, in the order of a life. (`certificate-wished` is an operator's: tests/database/certificates.)
fn the_audit_log_has_all_that_happens_to_an_account(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let mut there = signed_in(&ada, "ada", PASSWORD).await?.context("a second browser")?;
        let page = ada.get("/account").await?.page;
        let id = hidden_id(&page)?;
        ada.post("/account/session", &[("id", &id)]).await?.expect(StatusCode::SEE_OTHER)?;
        there.get("/account").await?.expect(StatusCode::SEE_OTHER)?;
        ensure!(signed_in(&ada, "ada", "a wrong password").await?.is_none(), "any password will do");
        crate::program::Program::of(&mut ada).await?;
        let token = ada.get("/account").await?.page;
        let token = token.split("/account/tokens/revoke").nth(1).context("no token")?;
        ada.post("/account/tokens/revoke", &[("id", &hidden_id(token)?)])
            .await?
            .expect(StatusCode::SEE_OTHER)?;
        let wrong = [("current", "not the password"), ("new", NEW)];
        ada.post("/account/password", &wrong).await?.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
        let right = [("current", PASSWORD), ("new", NEW)];
        ada.post("/account/password", &right).await?.expect(StatusCode::SEE_OTHER)?;
        ada.post("/logout", &[]).await?.expect(StatusCode::SEE_OTHER)?;
        let mut ada = signed_in(&ada, "ada", NEW).await?.context("the new password")?;
        ada.post("/account/delete", &[("password", NEW)]).await?.expect(StatusCode::SEE_OTHER)?;
        let log = "SELECT CAST(kind AS CHAR) FROM account_events ORDER BY id";
        let kinds: Vec<String> = sqlx::query_scalar(log).fetch_all(&mut fixture.connection().await?).await?;
        let life = [
            "registered",
            "signed-in",
            "session-ended",
            "sign-in-refused",
            "token-made",
            "token-revoked",
            "password-refused",
            "password-changed",
            "signed-out",
            "signed-in",
            "deleted",
        ];
        ensure!(kinds == life, "{kinds:?}");
        Ok(())
    })
}

/// Of the first form that names a row.
fn hidden_id(page: &str) -> anyhow::Result<String> {
    let id = page.split(r#"name="id" value=""#).nth(1).and_then(|rest| rest.split('"').next());
    Ok(id.context("no form with a row")?.to_owned())
}
