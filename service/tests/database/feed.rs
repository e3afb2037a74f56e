//! The feed is what a reader needs to show new posts once.

use anyhow::ensure;
use axum::body::Body;
use http::response::Parts;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::Claim;
use crate::fixture::{Fixture, HOST, run};
use crate::visitor::Visitor;

pub(crate) const CLAIMS: &[Claim] = &[
    ("the_feed_has_the_newest_posts_under_lasting_names", the_feed_has_the_newest_posts_under_lasting_names),
    ("a_feed_has_a_limit_and_every_post", a_feed_has_a_limit_and_every_post),
    ("a_reader_who_has_the_feed_is_not_sent_it_again", a_reader_who_has_the_feed_is_not_sent_it_again),
    ("an_empty_site_has_a_feed", an_empty_site_has_a_feed),
];

fn the_feed_has_the_newest_posts_under_lasting_names(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("A <b> & \u{ffff}", "*text* ]]> <i>\u{fffe}", "").await?;
        let id = format!("<id>tag:www.foobar.com,2026:{}</id>", path.trim_start_matches('/'));
        let profile = [("display_name", "Ada\u{ffff} \u{fffe}<L>"), ("about", "")];
        ada.post("/account/profile", &profile).await?.expect(StatusCode::SEE_OTHER)?;
        let mut reader = Visitor::new(&router);
        let feed = reader.get("/feed.atom").await?.expect(StatusCode::OK)?;
        ensure!(
            feed.parts.headers["content-type"] == "application/atom+xml; charset=utf-8",
            "{:?}",
            feed.parts
        );
        let feed = feed.says(&id)?.says(&format!(r#"href="https://www.foobar.com{path}""#))?;
        // Against which a relative link of the text is read (XML Base, 3.1).
        let feed = feed.says(&format!(r#"type="html" xml:base="https://www.foobar.com{path}">"#))?;
        let feed = feed.says("<title>A &#60;b&#62; &#38; </title>")?;
        let feed = feed.says("&#60;em&#62;text&#60;/em&#62; ]]&#38;gt; &#38;lt;i&#38;gt;")?;
        let feed = feed.says("<name>Ada &#60;L&#62;</name>")?;
        ensure!(!feed.page.contains(['\u{fffe}', '\u{ffff}']), "no XML: {}", feed.page);
        let form = [("title", "B"), ("body", "changed"), ("version", "1")];
        ada.post(&format!("{path}/edit"), &form).await?.expect(StatusCode::SEE_OTHER)?;
        reader.get("/feed.atom").await?.says(&id)?.says("changed")?;
        Ok(())
    })
}

fn a_reader_who_has_the_feed_is_not_sent_it_again(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let ask = async |method: &str, accepted: &str, known: &str| {
            let request = Request::builder().method(method).uri("/feed.atom").header("host", HOST);
            let request = request.header("accept-encoding", accepted).header("if-none-match", known);
            let response = router.clone().oneshot(request.body(Body::empty())?).await?;
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await?.to_bytes().len();
            anyhow::Ok((parts, bytes))
        };
        // Small and large: the one is never compressed, the other is for who wants it.
        for body in ["text", &"long text ".repeat(500)] {
            ada.write("Title", body, "").await?;
            let (whole, bytes) = ask("GET", "identity", "\"other\"").await?;
            ensure!(whole.status == StatusCode::OK && bytes > body.len(), "{whole:?}");
            let tag = whole.headers["etag"].to_str()?.to_owned();
            ensure!(tag.starts_with("W/\"") && tag.len() == 36, "{tag}");
            for accepted in ["identity", "gzip"] {
                let (sent, _) = ask("GET", accepted, "").await?;
                let (head, none) = ask("HEAD", accepted, "").await?;
                ensure!(sent.status == StatusCode::OK && head.status == StatusCode::OK && none == 0);
                for known in [&tag, tag.trim_start_matches("W/"), &format!("\"a\", {tag}"), "*"] {
                    for method in ["GET", "HEAD"] {
                        let (same, bytes) = ask(method, accepted, known).await?;
                        let what = format!("{method} {accepted} {known}: {same:?}");
                        ensure!(same.status == StatusCode::NOT_MODIFIED && bytes == 0, "{what}");
                        for name in ["etag", "cache-control"] {
                            ensure!(same.headers[name] == sent.headers[name], "{name}: {what}");
                            ensure!(head.headers[name] == sent.headers[name], "{name}: {head:?}");
                        }
                        let varies =
                            |parts: &Parts| parts.headers.get_all("vary").iter().cloned().collect::<Vec<_>>();
                        ensure!(
                            varies(&same) == ["accept-encoding"] && varies(&sent) == varies(&same),
                            "{what}"
                        );
                        ensure!(!same.headers.contains_key("content-length"), "{what}");
                    }
                }
            }
            ada.write("News", "more", "").await?;
            let (whole, _) = ask("GET", "identity", &tag).await?;
            ensure!(whole.status == StatusCode::OK && whole.headers["etag"] != *tag, "{whole:?}");
        }
        Ok(())
    })
}

fn an_empty_site_has_a_feed(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let feed = Visitor::new(&router).get("/feed.atom").await?.expect(StatusCode::OK)?;
        feed.says("<updated>1970-01-01T00:00:00Z</updated>")?.hides("<entry>")?;
        Ok(())
    })
}

/// The HTML is in memory for everybody who asks: without a limit, twenty posts of one account would fill a machine.
fn a_feed_has_a_limit_and_every_post(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let long = "|".to_owned() + &"1|".repeat(50) + "\n|" + &"-|".repeat(50) + "\n";
        let long = long + &("|".to_owned() + &"1|".repeat(50) + "\n").repeat(95);
        for number in 0..20 {
            ada.write(&format!("Table {number}."), &format!("begins {number}.\n\n{long}"), "").await?;
        }
        let feed = Visitor::new(&router).get("/feed.atom").await?.expect(StatusCode::OK)?.page;
        ensure!(feed.len() < 1 << 20, "{} bytes", feed.len());
        for number in 0..20 {
            ensure!(feed.contains(&format!("begins {number}.")), "{number} is not there");
        }
        let whole = feed.matches("<content type=\"html\" ").count();
        ensure!((2..20).contains(&whole) && feed.matches("<summary>").count() == 20 - whole, "{whole} whole");
        ensure!(feed.find("<summary>") > feed.rfind("<content"), "not the newest are whole");
        Ok(())
    })
}
