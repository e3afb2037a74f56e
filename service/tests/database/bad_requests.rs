//! Every operation for programs, asked wrongly in every way: refused with a problem, never a fault of ours, and nothing
//! written.

use anyhow::ensure;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Claim;
use crate::fixture::{Fixture, get, run};
use crate::program::Program;
use crate::visitor::{Answer, Visitor};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_body_sent_wrongly_writes_nothing", a_body_sent_wrongly_writes_nothing),
    ("a_token_of_nobodys_writes_nothing", a_token_of_nobodys_writes_nothing),
    ("an_address_that_leads_nowhere_is_a_problem", an_address_that_leads_nowhere_is_a_problem),
    ("every_operation_of_the_description_is_judged_here", every_operation_is_judged_here),
];

/// Each operation that writes, and its body as it should be.
fn operations() -> [(Method, &'static str, Value); 5] {
    [
        (Method::POST, "/api/v1/posts", json!({ "title": "a", "body": "b", "tags": ["c"] })),
        (Method::PUT, "/api/v1/posts/ID", json!({ "title": "a", "body": "b", "tags": ["c"], "version": 1 })),
        (Method::POST, "/api/v1/posts/ID/comments", json!({ "body": "b" })),
        (Method::DELETE, "/api/v1/posts/ID", Value::Null),
        (Method::DELETE, "/api/v1/comments/ID", Value::Null),
    ]
}

const WRITTEN: &str = "SELECT (SELECT COUNT(*) FROM posts) * 1000 + (SELECT COUNT(*) FROM comments) * 10
                       + (SELECT COUNT(*) FROM post_versions) + (SELECT COUNT(*) FROM users) * 10000";

/// A program of Ada's, her post's number and her comment's.
async fn stage(fixture: &Fixture) -> anyhow::Result<(Program, i64, i64)> {
    let (_, router) = fixture.empty_site().await?;
    let program = Program::of(&mut Visitor::registered(&router, "ada").await?).await?;
    let post = program.write(&json!({ "title": "a", "body": "b" })).await?;
    let comments = format!("/api/v1/posts/{}/comments", post["id"]);
    let comment = program.ask(Method::POST, &comments, r#"{"body": "c"}"#).await?;
    let comment: Value = serde_json::from_str(&comment.expect(StatusCode::CREATED)?.page)?;
    Ok((program, post["id"].as_i64().unwrap_or_default(), comment["id"].as_i64().unwrap_or_default()))
}

fn is_problem(answer: &Answer, what: &str) -> anyhow::Result<()> {
    let status = answer.parts.status;
    ensure!(status.is_client_error(), "{what}: {status} {}", answer.page);
    ensure!(answer.parts.headers["content-type"] == "application/problem+json", "{what}: {:?}", answer.parts);
    let problem: Value = serde_json::from_str(&answer.page)?;
    ensure!(problem["status"] == status.as_u16(), "{what}: {problem}");
    ensure!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}: {problem}");
    Ok(())
}

/// The body with one thing wrong at a time.
fn wrong(body: &Value) -> Vec<Vec<u8>> {
    let good = body.to_string();
    let with = |name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body.to_string().into_bytes()
    };
    let mut bodies: Vec<Vec<u8>> =
        ["", "null", "[]", "1", "\"a\"", "true", "{", "{}", "{]", "\u{feff}{}", "a=b"]
            .map(|text| text.as_bytes().to_vec())
            .into();
    bodies.extend([
        with("unknown", json!(1)),
        [good.as_bytes(), b"{}"].concat(),
        [&good.as_bytes()[..good.len() - 1], b",\"x\":\"\xff\xfe\"}"].concat(),
        [&good.as_bytes()[..good.len() - 1], b",\"x\":\"\\ud800\"}"].concat(),
        format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)).into(),
        with("pad", json!("x".repeat(200 * 1024))),
    ]);
    let values: Vec<&Value> = body.as_object().into_iter().flat_map(|fields| fields.values()).collect();
    bodies.push(json!(values).to_string().into());
    for (name, value) in body.as_object().into_iter().flatten() {
        let twice = format!("{},\"{name}\":{value}}}", &good[..good.len() - 1]);
        bodies.push(twice.into());
        let mut without = body.clone();
        without.as_object_mut().map(|fields| fields.remove(name));
        // Who names no tags wants none.
        bodies.extend((name != "tags").then(|| without.to_string().into_bytes()));
        for other in wrong_values(name) {
            bodies.push(with(name, other));
        }
    }
    bodies
}

fn wrong_values(name: &str) -> Vec<Value> {
    let mut values = vec![Value::Null, json!({}), json!([1]), json!(true), json!(1.5), json!(-1)];
    values.extend(match name {
        "version" => vec![json!("1"), json!(4_294_967_296_u64), json!(0), json!(7)],
        "tags" => ["", "two words", "a,b", "#a", "a/b", "\u{0}", &"x".repeat(31)]
            .map(|tag| json!([tag]))
            .into_iter()
            .chain([json!("a"), json!(["a", "b", "c", "d", "e", "f"])])
            .collect(),
        _ => vec![
            json!(""),
            json!(" \n"),
            json!("a\u{0}b"),
            json!("a\rb"),
            json!("x".repeat(10_001)),
            json!(7),
        ],
    });
    values
}

fn a_body_sent_wrongly_writes_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (program, post, _) = stage(fixture).await?;
        let before = fixture.count(WRITTEN).await?;
        for (method, path, body) in operations().into_iter().filter(|(_, _, body)| !body.is_null()) {
            let path = path.replace("ID", &post.to_string());
            for bytes in wrong(&body) {
                let what =
                    format!("{method} {path} {}", String::from_utf8_lossy(&bytes[..bytes.len().min(90)]));
                let answer = program.ask_as(method.clone(), &path, "application/json", bytes).await?;
                is_problem(&answer, &what)?;
                fixture.execute("DELETE FROM rate_limits").await?;
            }
            for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
                let answer = program.ask_as(method.clone(), &path, kind, body.to_string().into()).await?;
                is_problem(&answer.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE)?, kind)?;
            }
        }
        ensure!(fixture.count(WRITTEN).await? == before, "something was written");
        Ok(())
    })
}

fn a_token_of_nobodys_writes_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (program, post, comment) = stage(fixture).await?;
        let good = program.authorization[0].clone();
        let mut ada = Visitor::new(&program.router);
        let password = crate::visitor::PASSWORD;
        ada.post("/login", &[("name", "ada"), ("password", password)]).await?;
        let old = Program::of(&mut ada).await?.authorization;
        let newest = "UPDATE tokens SET expires_at = NOW(6) - INTERVAL 1 SECOND ORDER BY id DESC LIMIT 1";
        fixture.execute(newest).await?;
        let before = fixture.count(WRITTEN).await?;
        let damaged = [
            vec![],
            old,
            vec![good.clone(), good.clone()],
            vec![format!("{}AAAAAAAA", &good[..good.len() - 8])],
            vec![good.replace("Bearer", "Basic")],
            vec![good.replace("Bearer ", "")],
            vec![format!("{good}=")],
            vec!["Bearer ' OR 1=1 --".to_owned()],
            vec![format!("Bearer {}", "x".repeat(8000))],
        ];
        for authorization in damaged {
            let program = Program { authorization, ..program.clone() };
            for (method, path, body) in operations() {
                let id = if path.contains("/comments/") { comment } else { post };
                let path = path.replace("ID", &id.to_string());
                let answer = program.ask(method, &path, &body.to_string()).await?;
                let answer = answer.expect(StatusCode::UNAUTHORIZED)?;
                ensure!(answer.parts.headers["www-authenticate"].to_str()?.starts_with("Bearer"), "{path}");
                is_problem(&answer, &path)?;
            }
        }
        ensure!(fixture.count(WRITTEN).await? == before, "something was written");
        // A browser that is signed in has no rights here.
        let answer =
            ada.post_as("/api/v1/posts", "application/json", r#"{"title": "a", "body": "b"}"#).await?;
        answer.expect(StatusCode::UNAUTHORIZED)?;
        Ok(())
    })
}

fn an_address_that_leads_nowhere_is_a_problem(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (program, _, _) = stage(fixture).await?;
        for id in ["0", "-1", "x", "1.5", "99999999999999999999", "%ff", "%00", "18446744073709551615"] {
            for (method, path, body) in operations().into_iter().filter(|(_, path, _)| path.contains("ID")) {
                let path = path.replace("ID", id);
                let answer = program.ask(method, &path, &body.to_string()).await?;
                is_problem(&answer.expect(StatusCode::NOT_FOUND)?, &path)?;
            }
        }
        for path in
            ["/api/v1/posts?after=1", "/api/v1/posts?before=1", "/api/v1/posts?after=%ff", "/api/v1/none"]
        {
            let (parts, page) = get(&program.router, path).await?;
            is_problem(&Answer { parts, page }, path)?;
        }
        for (method, path) in [(Method::PATCH, "/api/v1/posts"), (Method::POST, "/api/v1/openapi.json")] {
            let answer = program.ask(method, path, "{}").await?.expect(StatusCode::METHOD_NOT_ALLOWED)?;
            is_problem(&answer, path)?;
        }
        Ok(())
    })
}

fn every_operation_is_judged_here(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let (_, text) = get(&router, "/api/v1/openapi.json").await?;
        let description: Value = serde_json::from_str(&text)?;
        for (path, methods) in description["paths"].as_object().into_iter().flatten() {
            for method in methods.as_object().into_iter().flat_map(|methods| methods.keys()) {
                let judged = operations().iter().any(|(known, place, _)| {
                    known.as_str().eq_ignore_ascii_case(method) && *place == path.replace("{id}", "ID")
                });
                ensure!(method == "get" || judged, "nothing is sent wrongly to {method} {path}");
            }
        }
        Ok(())
    })
}
