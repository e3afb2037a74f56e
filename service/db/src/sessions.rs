//! Table `sessions`: which browsers are signed in, as whom, until when.
//!
//! It never sees a token, only its hash. Invariant: a session that is expired or revoked gives no [`Viewer`], and none is
//! begun by a password that is the account's no more.

use time::OffsetDateTime;

use crate::users::Credentials;
use crate::{Database, Error};

/// How long a browser stays signed in, in days.
pub const SESSION_DAYS: u32 = 30;

/// The person behind a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The user's id.
    pub id: u64,
    /// The name in addresses.
    pub name: String,
    /// The name on pages.
    pub display_name: String,
    /// The session's id: not its token.
    pub session: u64,
}

/// A signed-in browser, as its owner sees it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The row's number.
    pub id: u64,
    /// What the browser called itself.
    pub browser: String,
    /// When it signed in (UTC).
    pub created_at: OffsetDateTime,
}

impl Database {
    /// Begins a session for who gave the password of `known`. `replaced` is the hash of the token that the browser had until
    /// now: that session ends. `false`: the account is gone by now, or has another password.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_session(
        &self,
        known: &Credentials,
        token_hash: &[u8],
        replaced: Option<&[u8]>,
        browser: &str,
    ) -> Result<bool, Error> {
        self.ask(async |pool| {
            let mut work = pool.begin().await?;
            // A change of password and a deletion wait for this, or this waits for them.
            let insert = sqlx::query!(
                "INSERT INTO sessions (token_hash, user_id, browser, expires_at)
                 SELECT ?, u.id, ?, CURRENT_TIMESTAMP(6) + INTERVAL ? DAY FROM users u
                 WHERE u.id = ? AND u.password_hash = ? FOR SHARE",
                token_hash,
                browser,
                SESSION_DAYS,
                known.id,
                known.password_hash
            );
            let begun = insert.execute(&mut *work).await?.rows_affected() == 1;
            if let (true, Some(replaced)) = (begun, replaced) {
                sqlx::query!("DELETE FROM sessions WHERE token_hash = ?", replaced)
                    .execute(&mut *work)
                    .await?;
            }
            work.commit().await?;
            Ok(begun)
        })
        .await
    }

    /// Who holds the token of this hash.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn viewer(&self, token_hash: &[u8]) -> Result<Option<Viewer>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Viewer,
                "SELECT u.id, u.name, u.display_name, s.id AS session
                 FROM sessions s JOIN users u ON u.id = s.user_id
                 WHERE s.token_hash = ? AND s.expires_at > CURRENT_TIMESTAMP(6)",
                token_hash
            )
            .fetch_optional(pool)
            .await
        })
        .await
    }

    /// A user's newest sessions, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sessions(&self, user: u64, limit: u32) -> Result<Vec<Session>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Session,
                "SELECT id, browser, created_at FROM sessions
                 WHERE user_id = ? AND expires_at > CURRENT_TIMESTAMP(6) ORDER BY id DESC LIMIT ?",
                user,
                limit
            )
            .fetch_all(pool)
            .await
        })
        .await
    }

    /// Ends one session of this user.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_session(&self, user: u64, session: u64) -> Result<bool, Error> {
        self.ask(async |pool| {
            let delete = sqlx::query!("DELETE FROM sessions WHERE id = ? AND user_id = ?", session, user);
            Ok(delete.execute(pool).await?.rows_affected() == 1)
        })
        .await
    }
}
