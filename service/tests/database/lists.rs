//! Lists: every page once, none dearer than the first, each read along an index.

use anyhow::{Context as _, ensure};
use db::posts::Text;
use http::StatusCode;
use sqlx::{AssertSqlSafe, MySqlConnection, Row as _};

use crate::Claim;
use crate::fixture::{Fixture, run, writer};
use crate::visitor::Visitor;

pub(crate) const CLAIMS: &[Claim] = &[
    ("each_post_is_on_one_page", each_post_is_on_one_page),
    ("a_new_post_does_not_shift_the_pages", a_new_post_does_not_shift_the_pages),
    ("a_cursor_of_nobodys_is_refused", a_cursor_of_nobodys_is_refused),
    ("every_list_is_read_along_an_index", every_list_is_read_along_an_index),
    ("page_1000_reads_as_many_rows_as_page_1", page_1000_reads_as_many_rows_as_page_1),
];

/// How many of the posts `number-0.` to `number-(count - 1).` are on each page from `address` on.
pub(crate) async fn walk(visitor: &mut Visitor, address: &str, count: usize) -> anyhow::Result<Vec<usize>> {
    let (mut address, mut pages) = (Some(address.to_owned()), Vec::new());
    while let Some(here) = address {
        let page = visitor.get(&here).await?.expect(StatusCode::OK)?.page;
        pages.push((0..count).filter(|number| page.contains(&format!("number-{number}."))).count());
        let next = page.split(r#"rel="next" href=""#).nth(1).and_then(|rest| rest.split('"').next());
        address = next.map(|next| next.replace("&amp;", "&"));
        ensure!(pages.len() <= count, "the list does not end: {pages:?}");
    }
    Ok(pages)
}

fn each_post_is_on_one_page(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (_, router) = fixture.empty_site().await?;
        let mut ada = Visitor::registered(&router, "ada").await?;
        for number in 0..40 {
            ada.write(&format!("number-{number}."), "text", "tag").await?;
        }
        for list in ["/", "/tags/tag", "/people/ada"] {
            let pages = walk(&mut ada, list, 40).await?;
            ensure!(pages == [20, 20], "{list}: {pages:?}");
        }
        Ok(())
    })
}

fn a_new_post_does_not_shift_the_pages(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, router) = fixture.empty_site().await?;
        let writer = writer(&database).await?;
        let mut titles = (0..30).map(|number| format!("number-{number}."));
        for title in titles.by_ref().take(25) {
            database.add_post(writer, Text { title: &title, body: "text", tags: &[] }).await?.unwrap();
        }
        let mut visitor = Visitor::new(&router);
        let first = visitor.get("/").await?.page;
        for title in titles {
            database.add_post(writer, Text { title: &title, body: "text", tags: &[] }).await?.unwrap();
        }
        let next = first.split(r#"rel="next" href=""#).nth(1).and_then(|rest| rest.split('"').next());
        let second = visitor.get(next.context("a second page")?).await?;
        for (number, shown) in [(4, true), (0, true), (5, false), (29, false)] {
            ensure!(
                second.page.contains(&format!("number-{number}.")) == shown,
                "post {number} is on page 2"
            );
        }
        Ok(())
    })
}

fn a_cursor_of_nobodys_is_refused(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let (database, router) = fixture.empty_site().await?;
        let writer = writer(&database).await?;
        let id = database.add_post(writer, Text { title: "a", body: "b", tags: &[] }).await?.unwrap();
        let mut visitor = Visitor::new(&router);
        // The last is a whole cursor, of a list of comments.
        for cursor in ["", "1", "AAAA", "%00", "../..", "AQAAAAAAAAAB=", "AgAAAAAAAAAB"] {
            let answer = visitor.get(&format!("/?after={cursor}")).await?;
            answer.expect(StatusCode::BAD_REQUEST)?.says("address is damaged")?;
        }
        visitor.get(&format!("/posts/{id}?after=AQAAAAAAAAAB")).await?.expect(StatusCode::BAD_REQUEST)?;
        visitor.get("/?after=AQAAAAAAAAAB").await?.expect(StatusCode::OK)?.says("No older posts")?;
        Ok(())
    })
}

/// The lists among the queries that the program was compiled with.
fn list_queries() -> anyhow::Result<Vec<String>> {
    let mut queries = Vec::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/db/.sqlx"))? {
        let description = std::fs::read_to_string(entry?.path())?;
        let (_, rest) = description.split_once(r#""query": ""#).context("no query")?;
        let query = rest.split("\",\n").next().unwrap_or_default().replace("\\\"", "\"").replace("\\n", " ");
        if query.starts_with("SELECT") && query.contains("ORDER BY") {
            ensure!(query.contains("LIMIT"), "a list without an end: {query}");
            queries.push(query);
        }
    }
    Ok(queries)
}

/// The query with values in the places of its arguments.
fn filled(query: &str) -> String {
    let mut parts = query.split('?');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_text = ["AGAINST (", "name = ", "host = "].iter().any(|before| filled.ends_with(before));
        let is_limit = filled.ends_with("LIMIT ");
        filled.push_str(if is_text {
            "'bread'"
        } else if is_limit {
            "21"
        } else {
            "500"
        });
        filled.push_str(part);
    }
    filled
}

async fn filled_site(fixture: &Fixture, posts: u64) -> anyhow::Result<MySqlConnection> {
    let (database, _) = fixture.empty_site().await?;
    service::seed::fill(&database, posts, |_| ()).await?;
    let mut connection = fixture.connection().await?;
    sqlx::query("ANALYZE TABLE posts, comments, post_tags, tags, users").execute(&mut connection).await?;
    Ok(connection)
}

/// What machines share, as if there were much of it: a few pages are read whole and sorted for less, index or not.
const SHARED: [&str; 3] = [
    "INSERT INTO acme_challenges (token, host, name, key_authorization)
     SELECT id, REPEAT('h', 253), REPEAT('n', 253), REPEAT('k', 255) FROM posts",
    "INSERT INTO ticket_keys (name, sealed_key)
     SELECT UNHEX(CONCAT(LPAD(HEX(p.id), 16, '0'), LPAD(HEX(t.id), 16, '0'))), REPEAT('k', 256) FROM posts p, tags t",
    "ANALYZE TABLE acme_challenges, ticket_keys",
];

/// They are nobody's, and would be taken for somebody's.
const SHARED_NO_MORE: [&str; 2] = ["DELETE FROM acme_challenges", "DELETE FROM ticket_keys"];

fn every_list_is_read_along_an_index(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let mut connection = filled_site(fixture, 1000).await?;
        for statement in SHARED {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        let queries = list_queries()?;
        ensure!(queries.len() >= 11, "only {} lists", queries.len());
        let mut outcome = Ok(());
        for query in queries {
            outcome = outcome.and(reads_along_an_index(&mut connection, &query).await);
        }
        for statement in SHARED_NO_MORE {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        outcome
    })
}

async fn reads_along_an_index(connection: &mut MySqlConnection, query: &str) -> anyhow::Result<()> {
    let explain = AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {}", filled(query)));
    for row in sqlx::query(explain).fetch_all(connection).await.context(query.to_owned())? {
        let access: Option<String> = row.try_get("type")?;
        let key: Option<String> = row.try_get("key")?;
        let extra: String = row.try_get::<Option<String>, _>("Extra")?.unwrap_or_default();
        let no_rows = extra.contains("no matching row") || extra.contains("Impossible WHERE");
        ensure!(
            no_rows || (key.is_some() && access.as_deref() != Some("ALL")),
            "{query}: {access:?} {extra}"
        );
        // What is found by words has no order of its own.
        let sorted = extra.contains("filesort") && access.as_deref() != Some("fulltext");
        ensure!(!sorted && !extra.contains("temporary"), "{query}: {extra}");
    }
    Ok(())
}

/// What MySQL's storage engine was asked for by this connection so far.
async fn rows_read(connection: &mut MySqlConnection) -> anyhow::Result<u64> {
    let rows = sqlx::query("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(&mut *connection).await?;
    let values = rows.iter().map(|row| Ok(row.try_get::<String, _>(1)?.parse::<u64>()?));
    values.sum()
}

/// A thousand pages and some, made by MySQL itself: seeding as many would take a minute.
async fn long_list(fixture: &Fixture) -> anyhow::Result<MySqlConnection> {
    let _ = fixture.empty_site().await?;
    let mut connection = fixture.connection().await?;
    sqlx::query("SET SESSION cte_max_recursion_depth = 30000").execute(&mut connection).await?;
    let insert = "INSERT INTO posts (author_id, title, body)
                  WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 21000)
                  SELECT 7, 'title', 'text' FROM n";
    sqlx::query(insert).execute(&mut connection).await?;
    Ok(connection)
}

fn page_1000_reads_as_many_rows_as_page_1(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let mut connection = long_list(fixture).await?;
        let list =
            list_queries()?.into_iter().find(|query| query.contains("WHERE p.id < ? ORDER BY p.id DESC"));
        let list = list.context("the list of all posts")?;
        let newest: u64 = sqlx::query_scalar("SELECT MAX(id) FROM posts").fetch_one(&mut connection).await?;
        let mut read = Vec::new();
        for before in [newest + 1, newest + 1 - 999 * 20] {
            let before_it = rows_read(&mut connection).await?;
            let page = list.replace("p.id < ?", &format!("p.id < {before}")).replace("LIMIT ?", "LIMIT 20");
            let rows = sqlx::query(AssertSqlSafe(page)).fetch_all(&mut connection).await?;
            ensure!(rows.len() == 20, "{} rows before {before}", rows.len());
            read.push(rows_read(&mut connection).await?.saturating_sub(before_it));
        }
        ensure!(read[1] <= read[0] + read[0] / 5, "rows read: {read:?}");
        Ok(())
    })
}
