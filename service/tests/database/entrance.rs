//! Registration, sign-in and sign-out: who gets in, for how long, and what a stranger learns.

use std::time::{Duration, Instant};

use anyhow::ensure;
use http::StatusCode;

use crate::Claim;
use crate::fixture::{Fixture, run, site};
use crate::visitor::{PASSWORD, Visitor};

pub(crate) const CLAIMS: &[Claim] = &[
    ("who_registers_is_signed_in", who_registers_is_signed_in),
    ("a_name_is_given_once", a_name_is_given_once),
    ("a_sign_in_replaces_the_session_that_the_browser_had", a_sign_in_replaces_the_session),
    ("a_sign_out_ends_the_session", a_sign_out_ends_the_session),
    ("an_expired_session_is_nobodys", an_expired_session_is_nobodys),
    ("a_forged_session_is_nobodys", a_forged_session_is_nobodys),
    ("a_refused_sign_in_says_the_same_for_everybody", a_refused_sign_in_says_the_same),
    ("a_refused_sign_in_takes_as_long_for_everybody", a_refused_sign_in_takes_as_long),
    ("wrong_passwords_are_limited_over_a_restart", wrong_passwords_are_limited_over_a_restart),
    ("nobody_registers_the_name_of_an_operator", nobody_registers_the_name_of_an_operator),
    ("nobody_at_one_address_locks_another_out", nobody_at_one_address_locks_another_out),
    ("a_session_gives_few_wrong_passwords", a_session_gives_few_wrong_passwords),
    ("registrations_are_limited_over_a_restart", registrations_are_limited_over_a_restart),
    ("a_limit_passes_with_time", a_limit_passes_with_time),
    ("a_page_for_members_sends_to_the_sign_in_and_back", a_page_for_members_sends_to_the_sign_in_and_back),
];

fn who_registers_is_signed_in(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut visitor = Visitor::new(&router);
        let form = [("name", " Ada-L "), ("password", PASSWORD), ("next", "/posts/new")];
        let answer = visitor.post("/register", &form).await?.expect(StatusCode::SEE_OTHER)?;
        ensure!(answer.location()? == "/posts/new", "{:?}", answer.location());
        let cookie = answer.parts.headers["set-cookie"].to_str()?;
        for attribute in ["__Host-session=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age="] {
            ensure!(cookie.contains(attribute), "no {attribute} in {cookie}");
        }
        visitor.get("/account").await?.expect(StatusCode::OK)?.says("registered")?;
        let page =
            visitor.get("/people/ada-l").await?.expect(StatusCode::OK)?.says("<h1><bdi>ada-l</bdi></h1>")?;
        ensure!(page.page.contains(r#"aria-hidden="true">AL</span>"#), "no initials: {}", page.page);
        let stored = "SELECT COUNT(*) FROM users WHERE password_hash LIKE '$argon2id$v=19$m=12288,t=3,p=1$%'";
        ensure!(fixture.count(stored).await? == 1, "no argon2id");
        Ok(())
    })
}

fn a_name_is_given_once(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        Visitor::registered(&router, "ada").await?;
        let again =
            Visitor::new(&router).post("/register", &[("name", "ADA"), ("password", PASSWORD)]).await?;
        again.expect(StatusCode::UNPROCESSABLE_ENTITY)?.says("This name is taken.")?.hides(PASSWORD)?;
        ensure!(fixture.count("SELECT COUNT(*) FROM users").await? == 1, "two accounts");
        Ok(())
    })
}

fn a_sign_in_replaces_the_session(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut visitor = Visitor::registered(&router, "ada").await?;
        let mut planted = visitor.clone();
        sign_in(&mut visitor, "ada", PASSWORD).await?.expect(StatusCode::SEE_OTHER)?;
        ensure!(visitor.cookie != planted.cookie, "the token is the same");
        visitor.get("/account").await?.expect(StatusCode::OK)?;
        planted.get("/account").await?.expect(StatusCode::SEE_OTHER)?;
        Ok(())
    })
}

async fn sign_in(
    visitor: &mut Visitor,
    name: &str,
    password: &str,
) -> anyhow::Result<crate::visitor::Answer> {
    visitor.post("/login", &[("name", name), ("password", password)]).await
}

fn a_sign_out_ends_the_session(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut visitor = Visitor::registered(&router, "ada").await?;
        let mut copy = visitor.clone();
        visitor.post("/logout", &[]).await?.expect(StatusCode::SEE_OTHER)?;
        ensure!(visitor.cookie.is_none(), "the browser keeps its cookie");
        copy.get("/account").await?.expect(StatusCode::SEE_OTHER)?;
        ensure!(fixture.count("SELECT COUNT(*) FROM sessions").await? == 0, "the session is still there");
        Ok(())
    })
}

fn an_expired_session_is_nobodys(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut visitor = Visitor::registered(&router, "ada").await?;
        fixture.execute("UPDATE sessions SET expires_at = NOW(6) - INTERVAL 1 SECOND").await?;
        nobody(fixture, &mut visitor).await
    })
}

/// What is for members is refused, with a reason, and nothing is written.
async fn nobody(fixture: &Fixture, visitor: &mut Visitor) -> anyhow::Result<()> {
    visitor.get("/").await?.expect(StatusCode::OK)?.says("Sign in")?;
    visitor.get("/account").await?.expect(StatusCode::SEE_OTHER)?;
    let refused = visitor.post("/posts", &[("title", "t"), ("body", "b")]).await?;
    refused.expect(StatusCode::UNAUTHORIZED)?.says("You are not signed in")?;
    ensure!(fixture.count("SELECT COUNT(*) FROM posts").await? == 0, "a post was written");
    Ok(())
}

fn a_forged_session_is_nobodys(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let genuine = Visitor::registered(&router, "ada").await?;
        let cookie = genuine.cookie.clone().unwrap();
        let (first, rest) = cookie.split_at("__Host-session=".len());
        let turned: String = rest.chars().rev().collect();
        for forged in [
            format!("{first}{turned}"),
            format!("{first}{}", &rest[..42]),
            format!("{cookie}; {cookie}"),
            format!("session={rest}"),
            format!("{first}' OR 1=1 --"),
        ] {
            let mut visitor = Visitor { cookie: Some(forged), ..genuine.clone() };
            nobody(fixture, &mut visitor).await?;
        }
        Ok(())
    })
}

fn a_refused_sign_in_says_the_same(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        Visitor::registered(&router, "somebody").await?;
        let mut pages = Vec::new();
        for name in ["somebody", "nobody-x"] {
            let answer = sign_in(&mut Visitor::new(&router), name, "a wrong password").await?;
            let answer = answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
            let mut headers = answer.parts.headers.clone();
            headers.remove("x-request-id");
            pages.push((answer.page.replace(name, "NAME"), headers));
        }
        ensure!(pages[0] == pages[1], "{pages:?}");
        let events = "SELECT COUNT(*) FROM account_events WHERE kind = 'sign-in-refused'";
        ensure!(fixture.count(events).await? == 2, "both belong into the audit log");
        Ok(())
    })
}

/// Without a hash for nobody, the unknown name is answered fifty times as fast.
fn a_refused_sign_in_takes_as_long(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        Visitor::registered(&router, "somebody").await?;
        let mut took: [Vec<Duration>; 2] = Default::default();
        for _ in 0..5 {
            for (name, took) in ["somebody", "nobody-x"].into_iter().zip(&mut took) {
                let begun = Instant::now();
                sign_in(&mut Visitor::new(&router), name, "a wrong password").await?;
                took.push(begun.elapsed());
            }
        }
        let [known, unknown] = took.map(|mut took| {
            took.sort();
            took[2].as_secs_f64()
        });
        ensure!((0.4..2.5).contains(&(known / unknown)), "{known} s for a name, {unknown} s for none");
        Ok(())
    })
}

fn wrong_passwords_are_limited_over_a_restart(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        Visitor::registered(&router, "somebody").await?;
        for name in ["somebody", "nobody-x"] {
            for _ in 0..10 {
                let answer = sign_in(&mut Visitor::new(&router), name, "a wrong password").await?;
                answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
            }
        }
        let (database, restarted) = site(&fixture.config(&[]));
        database.migrate().await;
        // Even the right password has to wait, or the limit would be an oracle.
        for (name, password) in [("somebody", PASSWORD), ("nobody-x", "a wrong password")] {
            let answer = sign_in(&mut Visitor::new(&restarted), name, password).await?;
            let answer = answer.expect(StatusCode::TOO_MANY_REQUESTS)?;
            ensure!(answer.parts.headers["retry-after"] == "60", "{:?}", answer.parts);
        }
        let other = sign_in(&mut Visitor::new(&restarted), "another", "a wrong password").await?;
        other.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
        Ok(())
    })
}

/// Neither before there is such an account nor after it is gone; and the answer tells nobody who is an operator.
fn nobody_registers_the_name_of_an_operator(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, before) = fixture.empty_site().await?;
        let oda = Visitor::registered(&before, "oda").await?;
        Visitor::registered(&before, "somebody").await?;
        let mut config = fixture.config(&[]);
        config.operations.operators = ["oda", "opsy"].map(str::to_owned).into();
        let (database, router) = site(&config);
        database.migrate().await;
        let mut oda = oda.on(&router);
        oda.get("/status").await?.expect(StatusCode::OK)?;
        oda.post("/account/delete", &[("password", PASSWORD)]).await?.expect(StatusCode::SEE_OTHER)?;
        for name in ["oda", "Opsy", "somebody"] {
            let mut eve = Visitor::new(&router);
            let answer = eve.post("/register", &[("name", name), ("password", PASSWORD)]).await?;
            answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?.says("This name is taken.")?;
            eve.get("/status").await?.expect(StatusCode::SEE_OTHER)?;
        }
        ensure!(fixture.count("SELECT COUNT(*) FROM users").await? == 1, "an account was made");
        Ok(())
    })
}

/// More wrong tries than a name has from everywhere.
fn nobody_at_one_address_locks_another_out(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut here = Visitor::registered(&router, "ada").await?;
        let mut eve = Visitor::new(&router).at([192, 0, 2, 1]);
        let mut looked_at = 0;
        for _ in 0..230 {
            let status = sign_in(&mut eve, "ada", "a wrong password").await?.parts.status;
            looked_at += u32::from(status == StatusCode::UNPROCESSABLE_ENTITY);
        }
        ensure!(looked_at == 10, "{looked_at} tries were looked at");
        let mut there = Visitor::new(&router).at([192, 0, 2, 2]);
        sign_in(&mut there, "ada", PASSWORD).await?.expect(StatusCode::SEE_OTHER)?;
        let new = "another horse entirely";
        let form = [("current", PASSWORD), ("new", new)];
        here.post("/account/password", &form).await?.expect(StatusCode::SEE_OTHER)?;
        here.post("/account/delete", &[("password", new)]).await?.expect(StatusCode::SEE_OTHER)?;
        Ok(())
    })
}

/// However many addresses it comes from; another session of the same person has its own tries.
fn a_session_gives_few_wrong_passwords(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let stolen = Visitor::registered(&router, "ada").await?;
        let wrong = [("password", "a wrong password")];
        for number in 0..10 {
            let answer = stolen.clone().at([192, 0, 2, number]).post("/account/delete", &wrong).await?;
            answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
        }
        let right = [("password", PASSWORD)];
        let answer = stolen.clone().at([192, 0, 2, 99]).post("/account/delete", &right).await?;
        answer.expect(StatusCode::TOO_MANY_REQUESTS)?;
        let mut own = Visitor::new(&router);
        sign_in(&mut own, "ada", PASSWORD).await?.expect(StatusCode::SEE_OTHER)?;
        own.post("/account/delete", &right).await?.expect(StatusCode::SEE_OTHER)?;
        Ok(())
    })
}

fn registrations_are_limited_over_a_restart(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        let bucket = db::rates::bucket("registration", "0.0.0.0");
        for number in 0..60 {
            let took = database.take(&bucket, db::rates::Rate::per_hour(60)).await?;
            ensure!(took, "refused after {number}");
        }
        let (database, router) = site(&fixture.config(&[]));
        database.migrate().await;
        let answer =
            Visitor::new(&router).post("/register", &[("name", "late"), ("password", PASSWORD)]).await?;
        answer.expect(StatusCode::TOO_MANY_REQUESTS)?;
        ensure!(fixture.count("SELECT COUNT(*) FROM users").await? == 0, "an account was made");
        Ok(())
    })
}

fn a_limit_passes_with_time(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        let rate = db::rates::Rate { burst: 3, every: Duration::from_secs(60) };
        let bucket = db::rates::bucket("test", "time");
        for _ in 0..3 {
            ensure!(database.take(&bucket, rate).await?, "refused within the burst");
        }
        ensure!(!database.take(&bucket, rate).await?, "a fourth within the burst");
        fixture.execute("UPDATE rate_limits SET used_until_us = used_until_us - 60000000").await?;
        ensure!(database.take(&bucket, rate).await?, "refused after its time");
        ensure!(!database.take(&bucket, rate).await?, "two for one");
        Ok(())
    })
}

fn a_page_for_members_sends_to_the_sign_in_and_back(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        Visitor::registered(&router, "ada").await?;
        let mut visitor = Visitor::new(&router);
        let asked = visitor.get("/posts/new").await?.expect(StatusCode::SEE_OTHER)?;
        ensure!(asked.location()? == "/login?next=%2Fposts%2Fnew", "{:?}", asked.location());
        visitor
            .get(asked.location()?)
            .await?
            .expect(StatusCode::OK)?
            .says(r#"name="next" value="/posts/new""#)?;
        for (next, leads) in
            [("/posts/new", "/posts/new"), ("//evil.example", "/"), ("https://evil.example", "/")]
        {
            let form = [("name", "ada"), ("password", PASSWORD), ("next", next)];
            let answer = visitor.post("/login", &form).await?.expect(StatusCode::SEE_OTHER)?;
            ensure!(answer.location()? == leads, "{next} leads to {:?}", answer.location());
        }
        Ok(())
    })
}
