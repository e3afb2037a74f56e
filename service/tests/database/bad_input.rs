//! Every form, sent wrongly in every way: refused with a reason, never a fault of ours, and nothing written.

use anyhow::ensure;
use http::StatusCode;

use crate::Claim;
use crate::fixture::{Fixture, run, site};
use crate::visitor::{PASSWORD, Visitor};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_form_sent_wrongly_writes_nothing", a_form_sent_wrongly_writes_nothing),
    ("a_path_that_leads_nowhere_is_not_found", a_path_that_leads_nowhere_is_not_found),
    ("a_form_from_a_stranger_writes_nothing", a_form_from_a_stranger_writes_nothing),
    ("every_form_of_every_page_is_judged_here", every_form_of_every_page_is_judged_here),
];

/// Each form and its fields as they should be.
const FORMS: [(&str, &str); 14] = [
    ("/register", "name=newcomer&password=correct+horse+battery"),
    ("/login", "name=ada&password=correct+horse+battery"),
    ("/posts", "title=a&body=b&tags=c"),
    ("/posts/ID/edit", "title=a&body=b&tags=c&version=1"),
    ("/posts/ID/comments", "body=b"),
    ("/account/profile", "display_name=a&about=b"),
    ("/account/password", "current=correct+horse+battery&new=another+horse+battery"),
    ("/account/session", "id=1"),
    ("/account/tokens", "name=a&days=30"),
    ("/account/tokens/revoke", "id=1"),
    ("/status/certificate", "wish=renew"),
    ("/account/delete", "password=correct+horse+battery&posts=yes"),
    ("/posts/ID/delete", ""),
    ("/comments/ID/delete", ""),
];

const WRITTEN: &str = "SELECT (SELECT COUNT(*) FROM posts) * 1000 + (SELECT COUNT(*) FROM users) * 100
                       + (SELECT COUNT(*) FROM comments) * 10 + (SELECT COUNT(*) FROM post_versions)
                       + (SELECT COUNT(*) FROM sessions) * 100000 + (SELECT COUNT(*) FROM tokens) * 1000000
                       + (SELECT COUNT(*) FROM users WHERE display_name <> 'ada') * 10000000";

/// The form with one thing wrong at a time.
fn wrong(fields: &str) -> Vec<Vec<u8>> {
    let mut forms: Vec<Vec<u8>> = vec![
        format!("{fields}&unknown=1").into(),
        format!("{fields}&%ff=1").into(),
        format!("{fields}&a=%zz").into(),
        [fields.as_bytes(), b"&x=\xff\xfe"].concat(),
        vec![0; 100],
        format!("{{\"{fields}\":1}}").into(),
        format!("{fields}&pad={}", "x".repeat(200 * 1024)).into(),
    ];
    let pairs: Vec<&str> = fields.split('&').filter(|pair| !pair.is_empty()).collect();
    for (at, pair) in pairs.iter().enumerate() {
        let name = pair.split('=').next().unwrap_or_default();
        let with = |replaced: String| {
            let mut pairs = pairs.clone();
            pairs[at] = &replaced;
            pairs.join("&").into_bytes()
        };
        forms.push(format!("{fields}&{pair}").into());
        // Boxes that are ticked and texts that may be left out are no faults.
        if !["tags", "posts", "about"].contains(&name) {
            forms.push(with(String::new()));
            forms.push(with(format!("{name}=")));
        }
        if !["password", "current", "new", "posts"].contains(&name) {
            forms.push(with(format!("{name}=a%00b")));
        }
        if name != "posts" {
            forms.push(with(format!("{name}={}", "x".repeat(10_001))));
        }
        forms.push(with(format!("{name}=%c3%28")));
    }
    forms
}

fn a_form_sent_wrongly_writes_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, before) = fixture.empty_site().await?;
        let ada = Visitor::registered(&before, "ada").await?;
        let mut config = fixture.config(&[]);
        config.operations.operators = vec!["ada".to_owned()];
        let (database, router) = site(&config);
        database.migrate().await;
        let mut ada = ada.on(&router);
        let post = written(&mut ada).await?;
        let before = fixture.count(WRITTEN).await?;
        for (path, fields) in FORMS {
            let path = placed(fixture, path, &post).await?;
            for form in wrong(fields) {
                let shown = String::from_utf8_lossy(&form[..form.len().min(80)]).into_owned();
                let answer = ada.post_raw(&path, form).await?;
                let status = answer.parts.status;
                ensure!(status.is_client_error(), "{path} {shown:?}: {status}");
                ensure!(
                    answer.page.contains("<h1") && !answer.page.contains(PASSWORD),
                    "{path} {shown:?}: no reason"
                );
                // The tries with a wrong password are not what is tested here.
                fixture.execute("DELETE FROM rate_limits").await?;
            }
            let json = ada.post_as(&path, "application/json", "{}").await?;
            json.expect(StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
        }
        ensure!(fixture.count(WRITTEN).await? == before, "something was written");
        Ok(())
    })
}

fn a_path_that_leads_nowhere_is_not_found(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        for path in [
            "/posts/0",
            "/posts/1",
            "/posts/-1",
            "/posts/x",
            "/posts/1.5",
            "/posts/99999999999999999999",
            "/posts/%ff",
            "/posts/1/edit",
            "/posts/1/history",
            "/posts/%00/edit",
            "/people/nobody",
            "/people/%ff",
            "/people/A",
            "/people/%C3%BC",
            "/people/' OR 1=1",
            "/tags/nothing",
            "/tags/%ff",
            "/tags/%00",
            "/comments/1",
        ] {
            let path = path.replace(' ', "%20");
            let status = ada.get(&path).await?.parts.status;
            ensure!(matches!(status.as_u16(), 400 | 404), "{path}: {status}");
        }
        for path in ["/posts/1/delete", "/posts/x/delete", "/comments/1/delete", "/comments/x/delete"] {
            ada.post(path, &[]).await?.expect(StatusCode::NOT_FOUND)?;
        }
        Ok(())
    })
}

/// A post with a comment; its path.
async fn written(ada: &mut Visitor) -> anyhow::Result<String> {
    let post = ada.write("Title", "text", "").await?;
    let comment = ada.post(&format!("{post}/comments"), &[("body", "a comment")]).await?;
    comment.expect(StatusCode::SEE_OTHER)?;
    Ok(post)
}

async fn placed(fixture: &Fixture, path: &str, post: &str) -> anyhow::Result<String> {
    let comment = fixture.count("SELECT CAST(MAX(id) AS SIGNED) FROM comments").await?;
    Ok(path.replace("/posts/ID", post).replace("/comments/ID", &format!("/comments/{comment}")))
}

/// Somebody without a cookie, and cookies that are nobody's (any more).
pub(crate) async fn strangers(fixture: &Fixture, ada: &Visitor) -> anyhow::Result<Vec<Visitor>> {
    let cookie = ada.cookie.clone().unwrap_or_default();
    let mut gone = Visitor::new(&ada.router);
    gone.post("/login", &[("name", "ada"), ("password", PASSWORD)]).await?.expect(StatusCode::SEE_OTHER)?;
    let signed_out = gone.cookie.clone();
    gone.post("/logout", &[]).await?.expect(StatusCode::SEE_OTHER)?;
    let mut old = Visitor::new(&ada.router);
    old.post("/login", &[("name", "ada"), ("password", PASSWORD)]).await?.expect(StatusCode::SEE_OTHER)?;
    let newest = "UPDATE sessions SET expires_at = NOW(6) - INTERVAL 1 SECOND ORDER BY id DESC LIMIT 1";
    fixture.execute(newest).await?;
    let forged = format!("{}{}", &cookie[..cookie.len() - 8], "AAAAAAAA");
    let cookies = [
        None,
        signed_out,
        old.cookie,
        Some(forged),
        Some(format!("{cookie}; {cookie}")),
        Some(format!("{cookie}A")),
        Some(cookie.replace("__Host-", "")),
        Some("__Host-session=' OR 1=1 --".to_owned()),
    ];
    Ok(cookies.map(|cookie| Visitor { cookie, ..ada.clone() }).into())
}

fn a_form_from_a_stranger_writes_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let post = written(&mut ada).await?;
        let strangers = strangers(fixture, &ada).await?;
        let before = fixture.count(WRITTEN).await?;
        for stranger in strangers {
            for (path, fields) in FORMS.into_iter().skip(2) {
                let path = placed(fixture, path, &post).await?;
                let answer = stranger.clone().post_raw(&path, fields).await?;
                answer.expect(StatusCode::UNAUTHORIZED)?.says("sign in")?;
            }
            for page in ["/account", "/posts/new", &format!("{post}/edit"), &format!("{post}/history")] {
                stranger.clone().get(page).await?.expect(StatusCode::SEE_OTHER)?;
            }
            stranger.clone().get("/status").await?.expect(StatusCode::SEE_OTHER)?;
        }
        ensure!(fixture.count(WRITTEN).await? == before, "something was written");
        Ok(())
    })
}

/// The addresses that the templates' forms post to, with `ID` for what a template fills in.
fn every_form_of_every_page_is_judged_here(_: &Fixture) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/templates"))? {
        let page = std::fs::read_to_string(entry?.path())?;
        for form in page.split("<form").skip(1).filter(|form| form.contains(r#"method="post""#)) {
            let action = form.split(r#"action=""#).nth(1).and_then(|rest| rest.split('"').next());
            for action in actions(action.unwrap_or_default()) {
                let judged = action == "/logout" || FORMS.iter().any(|(path, _)| *path == action);
                ensure!(judged, "nothing is sent wrongly to {action:?}");
            }
        }
    }
    Ok(())
}

/// One, or one for each branch of a condition.
fn actions(action: &str) -> Vec<String> {
    let mut texts = vec![String::new()];
    for (at, part) in action.split("{%").enumerate() {
        let (tag, text) = if at == 0 { ("", part) } else { part.split_once("%}").unwrap_or_default() };
        if tag.contains("else") {
            texts.push(String::new());
        }
        let filled = text
            .split("{{")
            .map(|part| part.split_once("}}").map_or(part.to_owned(), |(_, rest)| format!("ID{rest}")));
        let filled = filled.collect::<String>();
        if let Some(last) = texts.last_mut() {
            last.push_str(&filled);
        }
    }
    texts
}
