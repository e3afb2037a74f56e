//! Comments stand below their post, the oldest first.

use anyhow::ensure;
use http::StatusCode;

use crate::Claim;
use crate::fixture::{Fixture, run};
use crate::visitor::Visitor;

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_comment_is_read_below_its_post", a_comment_is_read_below_its_post),
    ("a_comment_is_deleted_by_its_author_only", a_comment_is_deleted_by_its_author_only),
    ("a_refused_comment_keeps_what_was_written", a_refused_comment_keeps_what_was_written),
    ("a_comment_needs_a_post", a_comment_needs_a_post),
    ("many_comments_are_read_page_by_page", many_comments_are_read_page_by_page),
];

fn a_comment_is_read_below_its_post(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let path = Visitor::registered(&router, "ada").await?.write("Title", "text", "").await?;
        let mut bob = Visitor::registered(&router, "bob").await?;
        let answer = bob.post(&format!("{path}/comments"), &[("body", "*Nice* <img src=x>")]).await?;
        let answer = answer.expect(StatusCode::SEE_OTHER)?;
        let (address, fragment) = answer.location()?.split_once('#').unwrap();
        let page = Visitor::new(&router).get(address).await?.expect(StatusCode::OK)?;
        let page = page.says("<em>Nice</em> &lt;img src=x&gt;")?.says("/people/bob")?;
        page.says(&format!(r#"id="{fragment}""#))?.hides("Delete this comment")?;
        bob.get(&path).await?.says("Delete this comment")?;
        Ok(())
    })
}

fn a_comment_is_deleted_by_its_author_only(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("Title", "text", "").await?;
        let mut bob = Visitor::registered(&router, "bob").await?;
        let answer = bob.post(&format!("{path}/comments"), &[("body", "a comment")]).await?;
        let id = answer.location()?.split("#comment-").nth(1).unwrap().to_owned();
        let delete = format!("/comments/{id}/delete");
        ada.post(&delete, &[]).await?.expect(StatusCode::NOT_FOUND)?;
        ada.get(&path).await?.says("a comment")?;
        bob.post(&delete, &[]).await?.expect(StatusCode::SEE_OTHER)?;
        ada.get(&path).await?.hides("a comment")?;
        Ok(())
    })
}

fn a_refused_comment_keeps_what_was_written(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("Title", "text", "").await?;
        let long = "long ".repeat(500);
        let answer = ada.post(&format!("{path}/comments"), &[("body", &long)]).await?;
        let answer = answer.expect(StatusCode::UNPROCESSABLE_ENTITY)?.says(long.trim())?;
        answer.says("at most 2000 are possible")?;
        ensure!(fixture.count("SELECT COUNT(*) FROM comments").await? == 0, "a comment was written");
        Ok(())
    })
}

fn a_comment_needs_a_post(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        for path in ["/posts/1/comments", "/posts/18446744073709551615/comments", "/posts/x/comments"] {
            ada.post(path, &[("body", "a comment")]).await?.expect(StatusCode::NOT_FOUND)?;
        }
        Ok(())
    })
}

fn many_comments_are_read_page_by_page(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("Title", "text", "").await?;
        let post = path.rsplit('/').next().unwrap().parse()?;
        for number in 0..120 {
            database.add_comment(post, 7, &format!("comment {number}.")).await?;
        }
        let (mut address, mut seen) = (path.clone(), 0);
        for _ in 0..3 {
            let page = ada.get(&address).await?.expect(StatusCode::OK)?.page;
            seen += (0..120).filter(|number| page.contains(&format!("comment {number}."))).count();
            let next = page.split(r#"rel="next" href=""#).nth(1).and_then(|rest| rest.split('#').next());
            address = next.unwrap_or_default().to_owned();
        }
        ensure!(seen == 120 && address.is_empty(), "{seen} comments, then {address:?}");
        Ok(())
    })
}
