//! Table `posts`. Its queries are checked when the program is compiled, against the descriptions in `.sqlx`.
//!
//! Lists are in `posts/list.rs`, what an edit replaced in `posts/versions.rs`. Invariant: a post is changed or deleted
//! only for its author, and changed only from the version that the author saw. Whose account is gone writes none.

mod list;
mod tags;
mod versions;

use sqlx::MySqlPool;
use time::OffsetDateTime;

use crate::{Database, Error};

pub use list::{Scope, Summary};
pub use versions::Version;

/// A whole post.
#[derive(Clone, Debug)]
pub struct Post {
    /// Ascending in the order of writing.
    pub id: u64,
    /// Whose it is; `None` for posts from before there were accounts.
    pub author_id: Option<u64>,
    /// The author's name in addresses; `None` when there is no such account (any more).
    pub author_name: Option<String>,
    /// The author's name on pages.
    pub author_display_name: Option<String>,
    /// Counts from 1; each edit adds one.
    pub version: u32,
    /// One line, at most 120 characters.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Separated by spaces.
    pub tags: String,
    /// When it was written (UTC).
    pub created_at: OffsetDateTime,
    /// When it was edited last (UTC).
    pub edited_at: Option<OffsetDateTime>,
}

/// What a post is written from.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// One line, at most 120 characters.
    pub title: &'a str,
    /// Markdown.
    pub body: &'a str,
    /// Lower case, no spaces, each at most 30 characters, none twice.
    pub tags: &'a [String],
}

/// How an edit went.
#[derive(Clone, Debug)]
pub enum Edited {
    /// It is written.
    Done,
    /// The post has changed since: this is what it says now. Nothing was written.
    Stale(Box<Post>),
    /// There is no such post of this author.
    Missing,
}

impl Database {
    /// One post.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn post(&self, id: u64) -> Result<Option<Post>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Post,
                r#"SELECT p.id, p.author_id, u.name AS "author_name?", u.display_name AS "author_display_name?",
                     p.version, p.title, p.body, p.tags, p.created_at, p.edited_at
                   FROM posts p LEFT JOIN users u ON u.id = p.author_id WHERE p.id = ?"#,
                id
            )
            .fetch_optional(pool)
            .await
        })
        .await
    }

    /// Adds a post and gives its id; `None` when the author's account is gone. When this returns, the row is on the
    /// database's disk.
    ///
    /// # Errors
    /// When the database is away; the row may then have been written or not.
    pub async fn add_post(&self, author: u64, text: Text<'_>) -> Result<Option<u64>, Error> {
        let write = async move |pool: &MySqlPool| {
            let mut work = pool.begin().await?;
            // The lock lets a deletion of the account wait, which then finds this post.
            let insert = sqlx::query!(
                "INSERT INTO posts (author_id, title, body, tags)
                 SELECT u.id, ?, ?, ? FROM users u WHERE u.id = ? FOR SHARE",
                text.title,
                text.body,
                text.tags.join(" "),
                author
            );
            let done = insert.execute(&mut *work).await?;
            if done.rows_affected() == 0 {
                return Ok(None);
            }
            let id = done.last_insert_id();
            tags::add(&mut work, id, text.tags).await?;
            work.commit().await?;
            Ok(Some(id))
        };
        self.ask(write).await
    }

    /// Replaces a post's text, and keeps what it replaces, if the post is still at `version`.
    ///
    /// # Errors
    /// When the database is away; all or nothing has then been written.
    pub async fn edit_post(
        &self,
        id: u64,
        author: u64,
        version: u32,
        text: Text<'_>,
    ) -> Result<Edited, Error> {
        let write = async move |pool: &MySqlPool| {
            let mut work = pool.begin().await?;
            // The lock makes two edits at once wait for each other.
            let current = sqlx::query_scalar!(
                "SELECT version FROM posts WHERE id = ? AND author_id = ? FOR UPDATE",
                id,
                author
            );
            let current = current.fetch_optional(&mut *work).await?;
            if current == Some(version) {
                versions::keep(&mut work, id).await?;
                sqlx::query!(
                    "UPDATE posts SET title = ?, body = ?, tags = ?, version = version + 1,
                           edited_at = CURRENT_TIMESTAMP(6) WHERE id = ?",
                    text.title,
                    text.body,
                    text.tags.join(" "),
                    id
                )
                .execute(&mut *work)
                .await?;
                tags::replace(&mut work, id, text.tags).await?;
            }
            work.commit().await?;
            Ok(current.map(|current| current == version))
        };
        Ok(match self.ask(write).await? {
            Some(true) => Edited::Done,
            Some(false) => self.post(id).await?.map_or(Edited::Missing, |post| Edited::Stale(Box::new(post))),
            None => Edited::Missing,
        })
    }

    /// Deletes a post with its comments and versions. `false`: there is none of this author's.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_post(&self, id: u64, author: u64) -> Result<bool, Error> {
        self.ask(async |pool| {
            let delete = sqlx::query!("DELETE FROM posts WHERE id = ? AND author_id = ?", id, author);
            Ok(delete.execute(pool).await?.rows_affected() == 1)
        })
        .await
    }

    /// Deletes up to `limit` posts and as many comments of a user, and says whether any were left to delete.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_some_of(&self, author: u64, limit: u32) -> Result<bool, Error> {
        self.ask(async |pool| {
            let posts = sqlx::query!("DELETE FROM posts WHERE author_id = ? LIMIT ?", author, limit);
            let comments = sqlx::query!("DELETE FROM comments WHERE author_id = ? LIMIT ?", author, limit);
            let deleted =
                posts.execute(pool).await?.rows_affected() + comments.execute(pool).await?.rows_affected();
            Ok(deleted > 0)
        })
        .await
    }
}
