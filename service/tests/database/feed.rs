//! The feed is what a reader needs to show new posts once.

use anyhow::ensure;
use http::StatusCode;

use crate::Claim;
use crate::fixture::{Fixture, run};
use crate::visitor::Visitor;

pub(crate) const CLAIMS: &[Claim] = &[
    ("the_feed_has_the_newest_posts_under_lasting_names", the_feed_has_the_newest_posts_under_lasting_names),
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

fn an_empty_site_has_a_feed(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let feed = Visitor::new(&router).get("/feed.atom").await?.expect(StatusCode::OK)?;
        feed.says("<updated>1970-01-01T00:00:00Z</updated>")?.hides("<entry>")?;
        Ok(())
    })
}
