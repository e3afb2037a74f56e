//! Table `comments`: what people say below a post, the oldest first.
//!
//! Invariant: a comment is deleted only for its author, or with its post.

use time::OffsetDateTime;

use crate::{Database, Error};

/// A comment.
#[derive(Clone, Debug)]
pub struct Comment {
    /// Ascending in the order of writing.
    pub id: u64,
    /// Whose it is.
    pub author_id: u64,
    /// The author's name in addresses; `None` when the account is gone.
    pub author_name: Option<String>,
    /// The author's name on pages.
    pub author_display_name: Option<String>,
    /// Markdown.
    pub body: String,
    /// When it was written (UTC).
    pub created_at: OffsetDateTime,
}

impl Database {
    /// A post's comments that were written after comment `after`, the oldest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn comments(&self, post: u64, after: u64, limit: u32) -> Result<Vec<Comment>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Comment,
                r#"SELECT c.id, c.author_id, u.name AS "author_name?", u.display_name AS "author_display_name?",
                     c.body, c.created_at
                   FROM comments c LEFT JOIN users u ON u.id = c.author_id
                   WHERE c.post_id = ? AND c.id > ? ORDER BY c.id LIMIT ?"#,
                post,
                after,
                limit
            )
            .fetch_all(pool)
            .await
        })
        .await
    }

    /// The numbers of a post's comments up to comment `through`, the newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn comments_up_to(&self, post: u64, through: u64, limit: u32) -> Result<Vec<u64>, Error> {
        self.ask(async |pool| {
            sqlx::query_scalar!(
                "SELECT id FROM comments WHERE post_id = ? AND id <= ? ORDER BY id DESC LIMIT ?",
                post,
                through,
                limit
            )
            .fetch_all(pool)
            .await
        })
        .await
    }

    /// Adds a comment and gives its id; `None` when there is no such post, or the author's account is gone.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_comment(&self, post: u64, author: u64, body: &str) -> Result<Option<u64>, Error> {
        self.ask(async |pool| {
            // As with posts, the lock lets a deletion of the account wait.
            let insert = sqlx::query!(
                "INSERT INTO comments (post_id, author_id, body)
                 SELECT p.id, u.id, ? FROM posts p JOIN users u ON u.id = ? WHERE p.id = ? FOR SHARE",
                body,
                author,
                post
            );
            let done = insert.execute(pool).await?;
            Ok((done.rows_affected() == 1).then(|| done.last_insert_id()))
        })
        .await
    }

    /// Deletes a comment and gives the post it stood below; `None` when there is none of this author's.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn delete_comment(&self, id: u64, author: u64) -> Result<Option<u64>, Error> {
        self.ask(async |pool| {
            let post = sqlx::query_scalar!(
                "SELECT post_id FROM comments WHERE id = ? AND author_id = ?",
                id,
                author
            );
            let Some(post) = post.fetch_optional(pool).await? else { return Ok(None) };
            let delete = sqlx::query!("DELETE FROM comments WHERE id = ? AND author_id = ?", id, author);
            Ok((delete.execute(pool).await?.rows_affected() == 1).then_some(post))
        })
        .await
    }
}
