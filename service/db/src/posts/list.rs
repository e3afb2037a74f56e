//! Lists of posts, newest first, a page at a time.
//!
//! Each list is read backwards along an index from where the last page ended, so page 1,000 costs what page 1 costs.
//! (MySQL's full-text index has no order by number: what few posts have is fetched and sorted; what many have is looked for
//! among the newest.)

use sqlx::MySqlPool;
use time::OffsetDateTime;

use super::Post;
use crate::{Database, Error};

/// A post in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The row's number.
    pub id: u64,
    /// The author's name in addresses; `None` when there is no such account (any more).
    pub author_name: Option<String>,
    /// The author's name on pages.
    pub author_display_name: Option<String>,
    /// One line.
    pub title: String,
    /// The beginning of the body: up to 600 characters of Markdown.
    pub beginning: String,
    /// Separated by spaces.
    pub tags: String,
    /// When it was written (UTC).
    pub created_at: OffsetDateTime,
}

/// Which posts.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// All.
    All,
    /// One author's, by the user's id.
    By(u64),
    /// Those with this tag.
    Tagged(&'a str),
    /// Those that a full-text query finds (MySQL's boolean mode: see `Search`).
    Matching(&'a str),
}

/// One query for each scope, which differ in where they read and nothing else.
macro_rules! summaries {
    ($from:literal, $where:literal, $order:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Summary,
            r#"SELECT p.id, u.name AS "author_name?", u.display_name AS "author_display_name?", p.title,
                 LEFT(p.body, 600) AS "beginning!", p.tags, p.created_at FROM "#
                + $from
                + " LEFT JOIN users u ON u.id = p.author_id WHERE "
                + $where
                + " ORDER BY "
                + $order
                + " DESC LIMIT ?"
            $(, $argument)*
        )
    };
}

/// Among so many of the newest a page is full of what one post in twenty-five has, and to look at them costs a search for a
/// rare word a millisecond; so many more take half a second. To fetch and sort so many matches takes a tenth of one.
/// (Measured with 100,000 posts in memory: 2.5 µs a post that is looked at, 11 µs a match that is fetched. To ask the index for
/// a word that 350,000 posts have took 240 ms, whatever is done then.)
const NEWEST: u64 = 500;
const NEWEST_AT_MOST: u64 = 200_000;
const SORTED: i64 = 10_000;

/// What a full-text query finds, read in the order that costs less.
async fn matching(
    pool: &MySqlPool,
    query: &str,
    before: u64,
    limit: u32,
) -> Result<Vec<Summary>, sqlx::Error> {
    let newest = sqlx::query_scalar!("SELECT id FROM posts ORDER BY id DESC LIMIT 1");
    let newest = newest.fetch_optional(pool).await?.unwrap_or_default();
    let before = before.min(newest.saturating_add(1));
    if let Some(page) = matching_among(NEWEST, pool, query, before, limit).await? {
        return Ok(page);
    }
    // The index alone knows this: no post is fetched.
    let matches = sqlx::query_scalar!(
        r#"SELECT COUNT(*) AS "matches!" FROM posts p WHERE MATCH (p.title, p.body) AGAINST (? IN BOOLEAN MODE)"#,
        query
    );
    if matches.fetch_one(pool).await? > SORTED
        && let Some(page) = matching_among(NEWEST_AT_MOST, pool, query, before, limit).await?
    {
        return Ok(page);
    }
    summaries!(
        "posts p",
        "MATCH (p.title, p.body) AGAINST (? IN BOOLEAN MODE) AND p.id < ?",
        "p.id",
        query,
        before,
        limit
    )
    .fetch_all(pool)
    .await
}

/// The same by looking at so many posts; `None` if others may belong to the page.
async fn matching_among(
    posts: u64,
    pool: &MySqlPool,
    query: &str,
    before: u64,
    limit: u32,
) -> Result<Option<Vec<Summary>>, sqlx::Error> {
    let found = summaries!(
        "posts c STRAIGHT_JOIN posts p ON p.id = c.id",
        "c.id < ? AND c.id >= ? AND MATCH (p.title, p.body) AGAINST (? IN BOOLEAN MODE)",
        "c.id",
        before,
        before.saturating_sub(posts),
        query,
        limit
    );
    let found = found.fetch_all(pool).await?;
    let is_whole = before <= posts || u32::try_from(found.len()) == Ok(limit);
    Ok(is_whole.then_some(found))
}

impl Database {
    /// The newest posts, whole.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn newest_posts(&self, limit: u32) -> Result<Vec<Post>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Post,
                r#"SELECT p.id, p.author_id, u.name AS "author_name?", u.display_name AS "author_display_name?",
                     p.version, p.title, p.body, p.tags, p.created_at, p.edited_at
                   FROM posts p LEFT JOIN users u ON u.id = p.author_id ORDER BY p.id DESC LIMIT ?"#,
                limit
            )
            .fetch_all(pool)
            .await
        })
        .await
    }

    /// The newest `limit` posts of a scope that were written before post `before`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn posts(&self, scope: Scope<'_>, before: u64, limit: u32) -> Result<Vec<Summary>, Error> {
        self.ask(async |pool| match scope {
            Scope::All => summaries!("posts p", "p.id < ?", "p.id", before, limit).fetch_all(pool).await,
            Scope::By(author) => {
                summaries!("posts p", "p.author_id = ? AND p.id < ?", "p.id", author, before, limit)
                    .fetch_all(pool)
                    .await
            }
            Scope::Tagged(tag) => {
                summaries!(
                    "tags t JOIN post_tags pt ON pt.tag_id = t.id JOIN posts p ON p.id = pt.post_id",
                    "t.name = ? AND pt.post_id < ?",
                    "pt.post_id",
                    tag,
                    before,
                    limit
                )
                .fetch_all(pool)
                .await
            }
            Scope::Matching(query) => matching(pool, query, before, limit).await,
        })
        .await
    }
}
