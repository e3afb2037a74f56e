//! Comments stand below their post, the oldest first.

use anyhow::{Context as _, ensure};
use db::Database;
use http::StatusCode;

use crate::Claim;
use crate::fixture::{Fixture, run, writer};
use crate::visitor::Visitor;

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_comment_is_read_below_its_post", a_comment_is_read_below_its_post),
    ("a_comment_is_deleted_by_its_author_only", a_comment_is_deleted_by_its_author_only),
    ("a_refused_comment_keeps_what_was_written", a_refused_comment_keeps_what_was_written),
    ("a_comment_needs_a_post", a_comment_needs_a_post),
    ("many_comments_are_read_page_by_page", many_comments_are_read_page_by_page),
    ("a_new_comment_is_shown_with_those_before_it", a_new_comment_is_shown_with_those_before_it),
    ("long_comments_make_more_pages_and_none_is_lost", long_comments_make_more_pages_and_none_is_lost),
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

/// Ada with a post of hers, below which somebody else writes.
struct Stage {
    ada: Visitor,
    path: String,
    thread: Thread,
}

struct Thread {
    database: Database,
    post: u64,
    writer: u64,
}

impl Stage {
    async fn of(fixture: &Fixture) -> anyhow::Result<Self> {
        let (database, router) = fixture.empty_site().await?;
        let writer = writer(&database).await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        let path = ada.write("Title", "text", "").await?;
        let post = path.rsplit('/').next().unwrap_or_default().parse()?;
        Ok(Self { ada, path, thread: Thread { database, post, writer } })
    }
}

impl Thread {
    async fn add(&self, text: &str) -> anyhow::Result<u64> {
        self.database.add_comment(self.post, self.writer, text).await?.context("nobody writes this")
    }
}

fn many_comments_are_read_page_by_page(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let Stage { mut ada, path, thread } = Stage::of(fixture).await?;
        for number in 0..120 {
            thread.add(&format!("comment {number}.")).await?;
        }
        let seen: Vec<usize> = walk(&mut ada, &path, 120).await?.into_iter().map(|(seen, _)| seen).collect();
        ensure!(seen == [50, 50, 20], "{seen:?}");
        Ok(())
    })
}

fn long_comments_make_more_pages_and_none_is_lost(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let Stage { mut ada, path, thread } = Stage::of(fixture).await?;
        for number in 0..60 {
            let table = "1|2|3\n-|-|-\n".to_owned() + &"4|5|6\n".repeat(320);
            thread.add(&format!("comment {number}.\n\n{table}")).await?;
        }
        let seen = walk(&mut ada, &path, 60).await?;
        ensure!(seen.iter().map(|(seen, _)| seen).sum::<usize>() == 60 && seen.len() > 2, "{seen:?}");
        ensure!(seen.iter().all(|(_, bytes)| *bytes < 300 << 10), "{seen:?}");
        Ok(())
    })
}

fn a_new_comment_is_shown_with_those_before_it(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let Stage { mut ada, path, thread } = Stage::of(fixture).await?;
        let comments = format!("{path}/comments");
        let first = ada.post(&comments, &[("body", "comment 0.")]).await?.expect(StatusCode::SEE_OTHER)?;
        ensure!(first.location()?.starts_with(&format!("{path}#comment-")), "{}", first.location()?);
        let table = "1|2|3\n-|-|-\n".to_owned() + &"4|5|6\n".repeat(320);
        for number in 1..119 {
            thread.add(&format!("comment {number}.\n\n{table}")).await?;
        }
        let answer = ada.post(&comments, &[("body", "comment 119.")]).await?;
        let (address, fragment) = answer.location()?.split_once('#').unwrap();
        let page = ada.get(address).await?.expect(StatusCode::OK)?.says(&format!(r#"id="{fragment}""#))?;
        let mut page = page.says("comment 119.")?.says("comment 110.")?.hides("comment 109.")?.page;
        let mut oldest = Vec::new();
        while let Some(earlier) = page.split(r#"rel="prev" href=""#).nth(1) {
            let address = earlier.split('#').next().unwrap_or_default();
            page = ada.get(address).await?.expect(StatusCode::OK)?.page;
            oldest.extend((0..120).find(|number| page.contains(&format!("comment {number}."))));
            ensure!(oldest.len() < 9, "{oldest:?}");
        }
        ensure!(oldest == [60, 10, 0], "{oldest:?}");
        Ok(())
    })
}

/// For each page of a post's comments, how many of `comment 0.`, `comment 1.` ... it has, and its length.
async fn walk(visitor: &mut Visitor, path: &str, comments: usize) -> anyhow::Result<Vec<(usize, usize)>> {
    let (mut address, mut seen) = (path.to_owned(), Vec::new());
    while !address.is_empty() && seen.len() <= comments {
        let page = visitor.get(&address).await?.expect(StatusCode::OK)?.page;
        let here = (0..comments).filter(|number| page.contains(&format!("comment {number}."))).count();
        seen.push((here, page.len()));
        let next = page.split(r#"rel="next" href=""#).nth(1).and_then(|rest| rest.split('#').next());
        next.unwrap_or_default().clone_into(&mut address);
    }
    Ok(seen)
}
