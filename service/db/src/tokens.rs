//! Table `tokens`: which programs write in whose name, until when.
//!
//! It never sees a token, only its hash. Invariant: a token that is expired or revoked has no holder, nobody has more than
//! [`TOKENS`], and none is made by a session that has ended.

use time::OffsetDateTime;

use crate::sessions::Viewer;
use crate::{Database, Error};

/// How many tokens one user can have: a list that fits on a page.
pub const TOKENS: u32 = 20;

/// A token, as its owner sees it.
#[derive(Clone, Debug)]
pub struct Token {
    /// The row's number.
    pub id: u64,
    /// What its owner calls it.
    pub name: String,
    /// When it was made (UTC).
    pub created_at: OffsetDateTime,
    /// Until when it holds (UTC).
    pub expires_at: OffsetDateTime,
    /// When it was used last (UTC), to the hour.
    pub used_at: Option<OffsetDateTime>,
}

/// How the making of a token went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is kept.
    Done,
    /// The user has as many as there can be.
    TooMany,
    /// The session has ended meanwhile.
    SignedOut,
}

impl Database {
    /// Keeps a new token for so many days.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_token(&self, maker: &Viewer, name: &str, hash: &[u8], days: u32) -> Result<Made, Error> {
        self.ask(async |pool| {
            let mut work = pool.begin().await?;
            // The lock makes two tokens of one user wait for each other, and for what ends the session.
            let owner = sqlx::query_scalar!(
                "SELECT u.id FROM users u JOIN sessions s ON s.user_id = u.id WHERE u.id = ? AND s.id = ? FOR UPDATE",
                maker.id,
                maker.session
            );
            if owner.fetch_optional(&mut *work).await?.is_none() {
                return Ok(Made::SignedOut);
            }
            let insert = sqlx::query!(
                "INSERT INTO tokens (token_hash, user_id, name, expires_at)
                 SELECT ?, u.id, ?, CURRENT_TIMESTAMP(6) + INTERVAL ? DAY FROM users u
                 WHERE u.id = ? AND (SELECT COUNT(*) FROM tokens t WHERE t.user_id = u.id) < ?",
                hash,
                name,
                days,
                maker.id,
                TOKENS
            );
            let added = insert.execute(&mut *work).await?.rows_affected() == 1;
            work.commit().await?;
            Ok(if added { Made::Done } else { Made::TooMany })
        })
        .await
    }

    /// The id of the user who made the token of this hash. Notes its use, once an hour.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn token_holder(&self, hash: &[u8]) -> Result<Option<u64>, Error> {
        self.ask(async |pool| {
            let token = sqlx::query!(
                r#"SELECT id, user_id, COALESCE(used_at < CURRENT_TIMESTAMP(6) - INTERVAL 1 HOUR, TRUE) AS "rested!: bool"
                   FROM tokens WHERE token_hash = ? AND expires_at > CURRENT_TIMESTAMP(6)"#,
                hash
            );
            let Some(token) = token.fetch_optional(pool).await? else { return Ok(None) };
            if token.rested {
                sqlx::query!("UPDATE tokens SET used_at = CURRENT_TIMESTAMP(6) WHERE id = ?", token.id)
                    .execute(pool)
                    .await?;
            }
            Ok(Some(token.user_id))
        })
        .await
    }

    /// A user's tokens that are not expired, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn tokens(&self, user: u64) -> Result<Vec<Token>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Token,
                "SELECT id, name, created_at, expires_at, used_at FROM tokens
                 WHERE user_id = ? AND expires_at > CURRENT_TIMESTAMP(6) ORDER BY id DESC LIMIT ?",
                user,
                TOKENS
            )
            .fetch_all(pool)
            .await
        })
        .await
    }

    /// Revokes one token of this user.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn revoke_token(&self, user: u64, token: u64) -> Result<bool, Error> {
        self.ask(async |pool| {
            let delete = sqlx::query!("DELETE FROM tokens WHERE id = ? AND user_id = ?", token, user);
            Ok(delete.execute(pool).await?.rows_affected() == 1)
        })
        .await
    }
}
