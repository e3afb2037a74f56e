//! Table `post_versions`: what edits replaced.

use sqlx::MySqlConnection;
use time::OffsetDateTime;

use crate::{Database, Error};

/// A post as it was.
#[derive(Clone, Debug)]
pub struct Version {
    /// Counts from 1.
    pub version: u32,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Separated by spaces.
    pub tags: String,
    /// When this version was written (UTC).
    pub written_at: OffsetDateTime,
}

/// Keeps the post as it is now, within the work that is about to change it.
pub(super) async fn keep(work: &mut MySqlConnection, post: u64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO post_versions (post_id, version, title, body, tags, written_at)
         SELECT id, version, title, body, tags, COALESCE(edited_at, created_at) FROM posts WHERE id = ?",
        post
    )
    .execute(work)
    .await
    .map(drop)
}

impl Database {
    /// What edits of a post replaced, the latest first, from before version `before`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn versions(&self, post: u64, before: u32, limit: u32) -> Result<Vec<Version>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Version,
                "SELECT version, title, body, tags, written_at FROM post_versions
                 WHERE post_id = ? AND version < ? ORDER BY version DESC LIMIT ?",
                post,
                before,
                limit
            )
            .fetch_all(pool)
            .await
        })
        .await
    }
}
