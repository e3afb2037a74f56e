//! Every address that is read, asked wrongly in every way: refused with a reason, or answered as a stranger is; never a
//! fault of ours.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use http::StatusCode;
use http::header::AUTHORIZATION;
use service::http::Front;

use crate::Claim;
use crate::bad_input::strangers;
use crate::fixture::{Fixture, HOST, run, send, site};
use crate::visitor::{Answer, Visitor};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_query_sent_wrongly_is_refused", a_query_sent_wrongly_is_refused),
    ("a_path_with_anything_in_it_is_no_fault_of_ours", a_path_with_anything_in_it_is_no_fault_of_ours),
    ("a_cookie_of_nobodys_reads_what_a_stranger_reads", a_cookie_of_nobodys_reads_what_a_stranger_reads),
    ("a_token_of_nobodys_reads_what_a_stranger_reads", a_token_of_nobodys_reads_what_a_stranger_reads),
    ("every_address_that_is_read_is_judged_here", every_address_that_is_read_is_judged_here),
];

/// What an address makes of a query.
#[derive(Clone, Copy)]
enum Query {
    /// These fields, each once.
    Of(&'static [&'static str]),
    /// Nothing: it is not read.
    Unread,
}

use Query::{Of, Unread};

/// Each route that is read, and its query's fields.
const ROUTES: [(&str, Query); 20] = [
    ("/", Of(&["after"])),
    ("/tags/{tag}", Of(&["after"])),
    ("/posts/new", Of(&[])),
    ("/posts/{id}", Of(&["after"])),
    ("/posts/{id}/edit", Unread),
    ("/posts/{id}/history", Of(&["after"])),
    ("/people/{name}", Of(&["after"])),
    ("/search", Of(&["q", "after"])),
    ("/feed.atom", Of(&[])),
    ("/register", Of(&["next"])),
    ("/login", Of(&["next"])),
    ("/account", Of(&["done"])),
    ("/status", Of(&["wished"])),
    ("/metrics", Unread),
    ("/healthz", Unread),
    ("/readyz", Unread),
    ("/api/v1/openapi.json", Unread),
    ("/api/v1/posts", Of(&["after"])),
    ("/api/v1/posts/{id}", Unread),
    ("/api/v1/posts/{id}/comments", Of(&["after"])),
];

/// What routes are called in the sources where no address stands.
const NAMES: [(&str, &str); 5] = [
    ("PATHS[0]", "/healthz"),
    ("PATHS[1]", "/readyz"),
    ("health::PATHS[0]", "/healthz"),
    ("DESCRIPTION", "/api/v1/openapi.json"),
    // On the plain listener alone.
    ("&format!(\"{PREFIX}{{token}}\")", CHALLENGE),
];

const CHALLENGE: &str = "/.well-known/acme-challenge/{token}";

/// In the place of a cursor.
const CURSORS: [&str; 8] = ["", "1", "AAAA", "%00", "../..", "AQAAAAAAAAAB=", "BgAAAAAAAAAB", "%F0%9F%98%80"];

/// In the place of a part of a path.
const PARTS: [&str; 14] = [
    "0",
    "-1",
    "x",
    "1.5",
    "1e3",
    "99999999999999999999",
    "18446744073709551615",
    "%ff",
    "%00",
    "%c3%28",
    "%zz",
    "..",
    "%27%20OR%201=1",
    "%F0%9F%98%80",
];

/// A site with a post of Ada's, who is an operator, and the path of each route there.
async fn stage(fixture: &Fixture) -> anyhow::Result<(Visitor, Vec<(String, Query)>)> {
    let (_, before) = fixture.empty_site().await?;
    let ada = Visitor::registered(&before, "ada").await?;
    let mut config = fixture.config(&[]);
    config.operations.operators = vec!["ada".to_owned()];
    let (database, router) = site(&config);
    database.migrate().await;
    let mut ada = ada.on(&router);
    let post = ada.write("Title", "text", "tag").await?;
    let number = post.trim_start_matches("/posts/");
    let placed = |(route, query): (&str, Query)| {
        (route.replace("{id}", number).replace("{tag}", "tag").replace("{name}", "ada"), query)
    };
    Ok((ada, ROUTES.map(placed).into()))
}

/// Refused, with a page or a problem that says why.
fn is_refused(answer: &Answer, what: &str) -> anyhow::Result<()> {
    let explained = answer.page.contains("<h1>") || answer.page.contains("\"detail\":\"");
    ensure!(answer.parts.status.is_client_error() && explained, "{what}: {:?} {}", answer.parts, answer.page);
    Ok(())
}

fn a_query_sent_wrongly_is_refused(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (mut ada, places) = stage(fixture).await?;
        for (path, query) in places {
            let good = ada.get(&path).await?;
            let wanted = if path == "/metrics" { StatusCode::NOT_FOUND } else { StatusCode::OK };
            ensure!(good.parts.status == wanted, "{path}: {:?}", good.parts);
            for wrong in wrong_queries(query) {
                let what = format!("{path}?{wrong}");
                let answer = ada.get(&what).await?;
                match query {
                    Of(_) => is_refused(&answer, &what)?,
                    Unread => ensure!(answer.parts.status == wanted, "{what}: {:?}", answer.parts),
                }
            }
            for wider in wider_queries(query) {
                let what = format!("{path}?{wider}");
                let answer = ada.get(&what).await?;
                // A page passes over what other sites add to links; a program is told of its mistake.
                match query {
                    Of(_) if path.starts_with("/api/") => is_refused(&answer, &what)?,
                    _ => ensure!(answer.parts.status == wanted, "{what}: {:?}", answer.parts),
                }
            }
        }
        Ok(())
    })
}

fn wrong_queries(query: Query) -> Vec<String> {
    let mut wrong: Vec<String> = ["%ff=1", "a=%zz", "a=%"].map(str::to_owned).into();
    let Of(fields) = query else { return wrong };
    for field in fields {
        wrong.push(format!("{field}=a&{field}=a"));
        wrong.push(format!("{field}=%ff"));
        wrong.push(format!("{field}=%c3%28"));
        wrong.push(format!("{field}=%2"));
        wrong.push(format!("{field}={}", "x".repeat(9000)));
    }
    if fields.contains(&"after") {
        wrong.extend(CURSORS.map(|cursor| format!("after={cursor}")));
    }
    wrong
}

/// Of fields that nothing reads.
fn wider_queries(query: Query) -> Vec<String> {
    let mut wider: Vec<String> = ["unknown=1", "unknown", "=", "%00=1"].map(str::to_owned).into();
    let Of(fields) = query else { return wider };
    wider.extend(fields.iter().map(|field| format!("{field}[]=a")));
    wider
}

fn a_path_with_anything_in_it_is_no_fault_of_ours(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (mut ada, _) = stage(fixture).await?;
        let long = "x".repeat(9000);
        let config = fixture.config(&[]);
        let plain = service::http::plain(service::http::Site::new(&config, db::Database::new(&config)));
        let mut challenged = Visitor::new(&plain);
        for part in PARTS.into_iter().chain([long.as_str()]) {
            for (route, _) in ROUTES.iter().filter(|(route, _)| route.contains('{')) {
                let path = with_part(route, part);
                is_refused(&ada.get(&path).await?, &path)?;
            }
            let path = with_part(CHALLENGE, part);
            is_refused(&challenged.get(&path).await?, &path)?;
        }
        Ok(())
    })
}

fn with_part(route: &str, part: &str) -> String {
    let (before, rest) = route.split_once('{').unwrap_or((route, ""));
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    format!("{before}{part}{after}")
}

/// What is said to two people is the same, but for what they hold.
fn same(stranger: &Answer, other: &Answer, what: &str) -> anyhow::Result<()> {
    let (wanted, got) = (stranger.parts.status, other.parts.status);
    ensure!(wanted == got && !got.is_server_error(), "{what}: {got} in the place of {wanted}");
    for name in ["location", "content-type"] {
        let (wanted, got) = (stranger.parts.headers.get(name), other.parts.headers.get(name));
        ensure!(wanted == got, "{what}: {got:?} in the place of {wanted:?}");
    }
    ensure!(!other.page.contains("Sign out"), "{what}: somebody is signed in");
    Ok(())
}

fn a_cookie_of_nobodys_reads_what_a_stranger_reads(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (ada, places) = stage(fixture).await?;
        let strangers = strangers(fixture, &ada).await?;
        for (path, _) in places {
            let nobody = Visitor::new(&ada.router).get(&path).await?;
            for stranger in &strangers {
                let what = format!("{path} with {:?}", stranger.cookie);
                same(&nobody, &stranger.clone().get(&path).await?, &what)?;
            }
        }
        Ok(())
    })
}

fn a_token_of_nobodys_reads_what_a_stranger_reads(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (ada, places) = stage(fixture).await?;
        let token = crate::program::Program::of(&mut ada.clone()).await?.authorization[0].clone();
        fixture.execute("UPDATE tokens SET expires_at = NOW(6) - INTERVAL 1 SECOND").await?;
        let forged = format!("{}AAAAAAAA", &token[..token.len() - 8]);
        let tokens = [
            token.clone(),
            forged,
            token.replace("Bearer", "Basic"),
            "Bearer".to_owned(),
            "\u{ff}".to_owned(),
        ];
        for (path, _) in places {
            let nobody = Visitor::new(&ada.router).get(&path).await?;
            for token in &tokens {
                let answer = authorized(&ada.router, &path, token).await?;
                same(&nobody, &answer, &format!("{path} with {token:?}"))?;
            }
        }
        Ok(())
    })
}

async fn authorized(router: &Front, path: &str, token: &str) -> anyhow::Result<Answer> {
    let mut request = http::Request::get(path).header("host", HOST).body(axum::body::Body::empty())?;
    let value = http::HeaderValue::from_bytes(token.as_bytes())?;
    request.headers_mut().insert(AUTHORIZATION, value);
    let (parts, page) = send(router, request).await?;
    Ok(Answer { parts, page })
}

/// Reads the sources: what has a route for `get` stands in the list above, and what stands there has one.
fn every_address_that_is_read_is_judged_here(_: &Fixture) -> anyhow::Result<()> {
    let mut found = Vec::new();
    read_below(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http")), &mut found)?;
    found.push(read_in("src/http.rs")?);
    let mut routes = vec![CHALLENGE.to_owned()];
    for source in &found {
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for call in source.split(".route(").skip(1).map(arguments).filter(|call| call.contains("get(")) {
            let name = call.split(", ").next().unwrap_or_default().trim();
            let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, route)| (*route).to_owned());
            let literal = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).map(str::to_owned);
            routes.push(literal.or(known).with_context(|| format!("which address is {name}?"))?);
        }
        for described in source.split("utoipa::path(get, path = \"").skip(1) {
            routes.push(described.split('"').next().unwrap_or_default().to_owned());
        }
    }
    for route in &routes {
        let judged = route == CHALLENGE || ROUTES.iter().any(|(known, _)| known == route);
        ensure!(judged, "nothing is asked wrongly of {route}");
    }
    for (known, _) in ROUTES {
        ensure!(routes.iter().any(|route| route == known), "{known} is no route");
    }
    Ok(())
}

/// Up to the bracket that closes the call.
fn arguments(rest: &str) -> &str {
    let mut depth = 1;
    for (at, character) in rest.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => return &rest[..at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    rest
}

fn read_in(path: &str) -> anyhow::Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn read_below(folder: &Path, texts: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_below(&path, texts)?;
        } else {
            texts.push(fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
