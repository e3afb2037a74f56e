//! Table `account_events`: the audit log of accounts.
//!
//! Invariant: it holds what happened, to whom, when and from where; never a password, a token or a text. Of an account that
//! is gone it has no address, in whatever order things happen.

use std::net::IpAddr;

use time::OffsetDateTime;

use crate::{Database, Error};

/// How long an event is kept, in days.
const KEPT_DAYS: u32 = 90;
/// How many outdated rows one sign-in clears away: more than it adds, and few enough to go unnoticed.
const CLEARED_AT_ONCE: u32 = 100;

/// What can happen to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was made.
    Registered,
    /// A browser signed in.
    SignedIn,
    /// A sign-in was refused for its password, or for its unknown name.
    SignInRefused,
    /// A browser signed out.
    SignedOut,
    /// The owner ended the session of another browser.
    SessionEnded,
    /// The password was changed; all sessions and tokens ended.
    PasswordChanged,
    /// A change of password or the deletion was refused for the password.
    PasswordRefused,
    /// An API token was made.
    TokenMade,
    /// An API token was revoked.
    TokenRevoked,
    /// An operator wanted another certificate, or another key for the account at the authority.
    CertificateWished,
    /// It is gone.
    Deleted,
}

impl Kind {
    /// As in the table and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::SignedIn => "signed-in",
            Self::SignInRefused => "sign-in-refused",
            Self::SignedOut => "signed-out",
            Self::SessionEnded => "session-ended",
            Self::PasswordChanged => "password-changed",
            Self::PasswordRefused => "password-refused",
            Self::TokenMade => "token-made",
            Self::TokenRevoked => "token-revoked",
            Self::CertificateWished => "certificate-wished",
            Self::Deleted => "deleted",
        }
    }
}

/// A row, as the account's owner sees it.
#[derive(Clone, Debug)]
pub struct Event {
    /// A [`Kind`]'s name.
    pub kind: String,
    /// The client's address.
    pub address: String,
    /// When (UTC).
    pub created_at: OffsetDateTime,
}

impl Database {
    /// Adds a row, and a line to the log. The address of somebody whose account is gone by now is left out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn record(&self, kind: Kind, user: Option<u64>, from: IpAddr) -> Result<(), Error> {
        let kind = kind.as_str();
        tracing::info!(kind, user, "account event");
        let address = from.to_string();
        self.ask(async |pool| {
            // The lock lets a deletion wait, which then blots this address out with the others.
            sqlx::query!(
                "INSERT INTO account_events (user_id, kind, address)
                 SELECT ?, ?, IF(? IS NULL OR EXISTS (SELECT 1 FROM users u WHERE u.id = ? FOR SHARE), ?, '')",
                user,
                kind,
                user,
                user,
                address
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }

    /// What happened to an account last, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn events(&self, user: u64, limit: u32) -> Result<Vec<Event>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Event,
                "SELECT kind, address, created_at FROM account_events
                 WHERE user_id = ? ORDER BY id DESC LIMIT ?",
                user,
                limit
            )
            .fetch_all(pool)
            .await
        })
        .await
    }

    /// Clears away some of what is out of date: expired sessions and tokens, old events, rates that are used no more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn clear_outdated(&self) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!(
                "DELETE FROM sessions WHERE expires_at < CURRENT_TIMESTAMP(6) LIMIT ?",
                CLEARED_AT_ONCE
            )
            .execute(pool)
            .await?;
            sqlx::query!(
                "DELETE FROM tokens WHERE expires_at < CURRENT_TIMESTAMP(6) LIMIT ?",
                CLEARED_AT_ONCE
            )
            .execute(pool)
            .await?;
            sqlx::query!(
                "DELETE FROM account_events WHERE created_at < CURRENT_TIMESTAMP(6) - INTERVAL ? DAY LIMIT ?",
                KEPT_DAYS,
                CLEARED_AT_ONCE
            )
            .execute(pool)
            .await?;
            sqlx::query!(
                "DELETE FROM rate_limits WHERE used_until_us < UNIX_TIMESTAMP(NOW(6)) * 1000000 LIMIT ?",
                CLEARED_AT_ONCE
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }
}
