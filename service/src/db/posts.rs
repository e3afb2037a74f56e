//! Table `posts`. Its queries are checked when the program is compiled, against the descriptions in `.sqlx`.

use time::OffsetDateTime;

use super::{Database, Error};

/// A row.
#[derive(Clone, Debug)]
pub struct Post {
    /// Ascending in the order of writing.
    pub id: u64,
    /// One line, at most 120 characters.
    pub title: String,
    /// Plain text.
    pub body: String,
    /// When it was written (UTC).
    pub created_at: OffsetDateTime,
}

impl Database {
    /// The newest posts, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn newest_posts(&self, limit: u32) -> Result<Vec<Post>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Post,
                "SELECT id, title, body, created_at FROM posts ORDER BY id DESC LIMIT ?",
                limit
            )
            .fetch_all(pool)
            .await
        })
        .await
    }

    /// Adds a post and gives its id. When this returns, the row is on the database's disk.
    ///
    /// # Errors
    /// When the database is away; the row may then have been written or not.
    pub async fn add_post(&self, title: &str, body: &str) -> Result<u64, Error> {
        self.ask(async |pool| {
            let insert = sqlx::query!("INSERT INTO posts (title, body) VALUES (?, ?)", title, body);
            Ok(insert.execute(pool).await?.last_insert_id())
        })
        .await
    }
}
