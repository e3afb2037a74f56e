//! Programs: tokens, and what can be written with them.

use anyhow::ensure;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Claim;
use crate::fixture::{Fixture, run, site};
use crate::program::{Program, make};
use crate::visitor::{PASSWORD, Visitor};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_program_writes_in_the_name_of_its_tokens_maker", a_program_writes_in_its_makers_name),
    ("a_token_is_shown_once_and_kept_as_a_hash", a_token_is_shown_once_and_kept_as_a_hash),
    ("a_token_ends_when_it_is_revoked_or_old_or_the_password_changes", a_token_ends),
    ("nobody_revokes_the_token_of_another", nobody_revokes_the_token_of_another),
    ("a_user_has_a_page_of_tokens_at_most", a_user_has_a_page_of_tokens_at_most),
    ("a_program_changes_only_what_is_its_makers", a_program_changes_only_what_is_its_makers),
    ("a_program_that_edits_an_old_version_is_told", a_program_that_edits_an_old_version_is_told),
    ("a_program_that_writes_too_often_is_told_to_wait", a_program_that_writes_too_often_is_told_to_wait),
    ("every_fault_in_a_programs_post_is_named_with_its_place", every_fault_is_named_with_its_place),
];

/// Posts that a new site's first program can see.
const ONE: &str = "SELECT COUNT(*) FROM posts";

fn a_program_writes_in_its_makers_name(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let program = Program::of(&mut ada).await?;
        let new =
            json!({ "title": " A title ", "body": "**Strong**\r\n", "tags": ["Rust", "rust", "größe"] });
        let answer = program.ask(Method::POST, "/api/v1/posts", &new.to_string()).await?;
        let answer = answer.expect(StatusCode::CREATED)?;
        let (place, post) = (answer.location()?.to_owned(), serde_json::from_str::<Value>(&answer.page)?);
        ensure!(place == format!("/api/v1/posts/{}", post["id"]), "{place}: {post}");
        ensure!((&post["title"], &post["body"]) == (&json!("A title"), &json!("**Strong**")), "{post}");
        ensure!(
            (&post["tags"], &post["author"]["name"]) == (&json!(["rust", "größe"]), &json!("ada")),
            "{post}"
        );
        let edit = json!({ "title": "Another", "body": "text", "version": post["version"] }).to_string();
        let edited = program.ask(Method::PUT, &place, &edit).await?.expect(StatusCode::OK)?;
        edited.says(r#""version":2,"title":"Another""#)?.says(r#""tags":[]"#)?;
        let comments = format!("{place}/comments");
        let comment = program.ask(Method::POST, &comments, r#"{"body": "a comment"}"#).await?;
        let comment: Value = serde_json::from_str(&comment.expect(StatusCode::CREATED)?.page)?;
        ensure!(comment["body"] == "a comment" && comment["author"]["name"] == "ada", "{comment}");
        ada.get(&format!("/posts/{}", post["id"])).await?.says("a comment")?.says("Another")?;
        let comment = format!("/api/v1/comments/{}", comment["id"]);
        for path in [&comment, &place] {
            program.ask(Method::DELETE, path, "").await?.expect(StatusCode::NO_CONTENT)?;
            program.ask(Method::DELETE, path, "").await?.expect(StatusCode::NOT_FOUND)?;
        }
        ada.get("/account").await?.says("token-made")?.says(", used <time")?;
        Ok(())
    })
}

fn a_token_is_shown_once_and_kept_as_a_hash(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let token = make(&mut ada, "my <backup>").await?;
        ada.get("/account").await?.says("my &#60;backup&#62;")?.says("never used")?.hides(&token)?;
        let stored: Vec<u8> = sqlx::query_scalar("SELECT token_hash FROM tokens")
            .fetch_one(&mut fixture.connection().await?)
            .await?;
        ensure!(stored.len() == 32 && !token.as_bytes().windows(32).any(|part| part == stored), "no hash");
        Ok(())
    })
}

async fn refused(program: &Program, why: &str) -> anyhow::Result<()> {
    let answer = program.ask(Method::POST, "/api/v1/posts", r#"{"title": "a", "body": "b"}"#).await?;
    let answer = answer.expect(StatusCode::UNAUTHORIZED)?.says(r#""status":401"#)?;
    let header = answer.parts.headers["www-authenticate"].to_str()?.to_owned();
    ensure!(header.starts_with("Bearer"), "{why}: {header}");
    Ok(())
}

fn a_token_ends(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let revoked = Program::of(&mut ada).await?;
        let id = fixture.count("SELECT CAST(MAX(id) AS SIGNED) FROM tokens").await?.to_string();
        ada.post("/account/tokens/revoke", &[("id", &id)]).await?.expect(StatusCode::SEE_OTHER)?;
        refused(&revoked, "revoked").await?;
        ada.get("/account").await?.says("token-revoked")?;

        let old = Program::of(&mut ada).await?;
        fixture.execute("UPDATE tokens SET expires_at = NOW(6) - INTERVAL 1 SECOND").await?;
        refused(&old, "expired").await?;
        ada.get("/account").await?.hides("never used")?;

        let former = Program::of(&mut ada).await?;
        let change = [("current", PASSWORD), ("new", "another horse entirely")];
        ada.post("/account/password", &change).await?.expect(StatusCode::SEE_OTHER)?;
        refused(&former, "made before the password changed").await?;
        ensure!(fixture.count(ONE).await? == 0, "something was written");
        Ok(())
    })
}

fn nobody_revokes_the_token_of_another(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let mut eve = Visitor::registered(&router, "eve").await?;
        let program = Program::of(&mut ada).await?;
        let id = fixture.count("SELECT CAST(MAX(id) AS SIGNED) FROM tokens").await?.to_string();
        eve.post("/account/tokens/revoke", &[("id", &id)]).await?.expect(StatusCode::NOT_FOUND)?;
        program.write(&json!({ "title": "a", "body": "b" })).await?;
        Ok(())
    })
}

fn a_user_has_a_page_of_tokens_at_most(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        for number in 0..db::tokens::TOKENS {
            make(&mut ada, &number.to_string()).await?;
        }
        let answer = ada.post("/account/tokens", &[("name", "one more"), ("days", "30")]).await?;
        answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?.says("revoke one first")?;
        Ok(())
    })
}

fn a_program_changes_only_what_is_its_makers(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let post = format!("/api/v1{}", ada.write("Hers", "text", "").await?);
        ada.post(&format!("{}/comments", &post["/api/v1".len()..]), &[("body", "hers")]).await?;
        let comment = fixture.count("SELECT CAST(MAX(id) AS SIGNED) FROM comments").await?;
        let eve = Program::of(&mut Visitor::registered(&router, "eve").await?).await?;
        let edit = r#"{"title": "Eve's", "body": "text", "version": 1}"#;
        eve.ask(Method::PUT, &post, edit).await?.expect(StatusCode::FORBIDDEN)?;
        eve.ask(Method::DELETE, &post, "").await?.expect(StatusCode::FORBIDDEN)?;
        let path = format!("/api/v1/comments/{comment}");
        eve.ask(Method::DELETE, &path, "").await?.expect(StatusCode::NOT_FOUND)?;
        eve.ask(Method::GET, &post, "").await?.says(r#""title":"Hers""#)?;
        eve.ask(Method::GET, &format!("{post}/comments"), "").await?.says(r#""body":"hers""#)?;
        Ok(())
    })
}

fn a_program_that_edits_an_old_version_is_told(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let program = Program::of(&mut Visitor::registered(&router, "ada").await?).await?;
        let post = program.write(&json!({ "title": "a", "body": "b" })).await?;
        let path = format!("/api/v1/posts/{}", post["id"]);
        let edit = |title: &str| json!({ "title": title, "body": "b", "version": 1 }).to_string();
        program.ask(Method::PUT, &path, &edit("first")).await?.expect(StatusCode::OK)?;
        let second = program.ask(Method::PUT, &path, &edit("second")).await?;
        second.expect(StatusCode::CONFLICT)?.says("at version 2 by now")?;
        program.ask(Method::GET, &path, "").await?.says(r#""title":"first""#)?;
        Ok(())
    })
}

fn a_program_that_writes_too_often_is_told_to_wait(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let _ = fixture.empty_site().await?;
        let mut config = fixture.config(&[]);
        // Three at once, and then one in a hundred seconds: the token itself is the first.
        config.limits.writes_per_hour = 36;
        let (database, router) = site(&config);
        database.migrate().await;
        let program = Program::of(&mut Visitor::registered(&router, "ada").await?).await?;
        for _ in 0..2 {
            program.write(&json!({ "title": "a", "body": "b" })).await?;
        }
        for (method, path, body) in [
            (Method::POST, "/api/v1/posts", r#"{"title": "a", "body": "b"}"#),
            (Method::PUT, "/api/v1/posts/1", r#"{"title": "a", "body": "b", "version": 1}"#),
            (Method::DELETE, "/api/v1/posts/1", ""),
            (Method::POST, "/api/v1/posts/1/comments", r#"{"body": "b"}"#),
            (Method::DELETE, "/api/v1/comments/1", ""),
        ] {
            let answer = program.ask(method, path, body).await?.expect(StatusCode::TOO_MANY_REQUESTS)?;
            ensure!(answer.parts.headers["retry-after"] == "100", "{path}: {:?}", answer.parts.headers);
        }
        ensure!(fixture.count(ONE).await? == 2, "the limit holds nobody");
        Ok(())
    })
}

fn every_fault_is_named_with_its_place(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let program = Program::of(&mut Visitor::registered(&router, "ada").await?).await?;
        let new = json!({ "title": " ", "body": "a\u{0}b", "tags": ["two words"] }).to_string();
        let answer = program.ask(Method::POST, "/api/v1/posts", &new).await?;
        let answer = answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?;
        ensure!(answer.parts.headers["content-type"] == "application/problem+json", "{:?}", answer.parts);
        let problem: Value = serde_json::from_str(&answer.page)?;
        let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let pointers: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        ensure!(pointers == ["/title", "/body", "/tags"], "{problem}");
        ensure!(errors[0]["detail"] == "Please write a title.", "{problem}");
        Ok(())
    })
}
