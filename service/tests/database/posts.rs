//! Posts are what was written, newest first, and cheap to list.

use anyhow::ensure;
use http::StatusCode;
use sqlx::Row as _;

use crate::Claim;
use crate::fixture::{Fixture, get, post, run};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_posted_form_is_on_the_front_page", a_posted_form_is_on_the_front_page),
    ("text_comes_back_as_it_was_written", text_comes_back_as_it_was_written),
    ("the_newest_posts_come_first_and_no_more_than_asked_for", the_newest_posts_come_first),
    ("the_front_page_reads_by_an_index", the_front_page_reads_by_an_index),
    ("a_refused_form_writes_nothing", a_refused_form_writes_nothing),
];

fn a_posted_form_is_on_the_front_page(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let (parts, _) =
            post(&router, "title=%3Cb%3EBold%3C%2Fb%3E&body=one%0D%0Atwo+%26+three".to_owned()).await?;
        ensure!(parts.status == StatusCode::SEE_OTHER, "{parts:?}");
        let location = parts.headers["location"].to_str()?;
        let (path, fragment) = location.split_once('#').unwrap();
        let (_, page) = get(&router, path).await?;
        ensure!(page.contains(&format!(r#"id="{fragment}""#)), "no {fragment} in {page}");
        ensure!(page.contains("&#60;b&#62;Bold") && !page.contains("<b>"), "not escaped: {page}");
        ensure!(page.contains("one\ntwo &#38; three"), "{page}");
        Ok(())
    })
}

fn text_comes_back_as_it_was_written(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        let (title, body) = ("😀".repeat(120), "𝕏\t'\"\\%_\n".repeat(1250));
        let before = time::OffsetDateTime::now_utc();
        let id = database.add_post(&title, &body).await?;
        let newest = database.newest_posts(1).await?;
        ensure!(
            (newest[0].id, &newest[0].title, &newest[0].body) == (id, &title, &body),
            "changed on the way"
        );
        let age = newest[0].created_at - before;
        ensure!(age.abs() < time::Duration::minutes(1), "written at {}", newest[0].created_at);
        Ok(())
    })
}

fn the_newest_posts_come_first(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        for title in ["first", "second", "third"] {
            database.add_post(title, "text").await?;
        }
        let titles: Vec<String> =
            database.newest_posts(2).await?.into_iter().map(|post| post.title).collect();
        ensure!(titles == ["third", "second"], "{titles:?}");
        Ok(())
    })
}

fn the_front_page_reads_by_an_index(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, _) = fixture.empty_site().await?;
        database.add_post("one", "text").await?;
        let explained = sqlx::query(
            "EXPLAIN FORMAT=TRADITIONAL SELECT id, title, body, created_at FROM posts ORDER BY id DESC LIMIT 20",
        )
        .fetch_one(&mut fixture.connection().await?)
        .await?;
        let key: Option<String> = explained.try_get("key")?;
        let extra: Option<String> = explained.try_get("Extra")?;
        ensure!(key.as_deref() == Some("PRIMARY"), "key {key:?}");
        ensure!(!extra.clone().unwrap_or_default().contains("filesort"), "{extra:?}");
        Ok(())
    })
}

fn a_refused_form_writes_nothing(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, router) = fixture.empty_site().await?;
        for form in ["title=&body=b", "title=a&body=", "title=a&body=b&id=7", "title=a"] {
            let (parts, _) = post(&router, form.to_owned()).await?;
            ensure!(parts.status == StatusCode::UNPROCESSABLE_ENTITY, "{form}: {}", parts.status);
        }
        let rows = database.newest_posts(1).await?.len();
        ensure!(rows == 0, "{rows} rows were written");
        Ok(())
    })
}
