//! Table `renewals`: which machine works on a host's certificate, and when somebody shall look again.
//!
//! A lease, not MySQL's named lock: a machine that was cut off holds a named lock as long as its connection seems to live,
//! which may be hours, but a lease for seconds. Times are the database's own, so machines need not agree on theirs.
//! Invariant: of all machines, at most one holds a host's lease.

use crate::{Database, Error};

/// How things stand with a host's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewal {
    /// Attempts that failed since the last that did not.
    pub failures: u32,
    /// Why the last one failed; `None` after a success.
    pub last_error: Option<String>,
    /// When a certificate was had last, in seconds since 1970.
    pub last_renewal_s: Option<i64>,
    /// When somebody looks again, in seconds since 1970.
    pub next_attempt_s: i64,
    wish: String,
}

/// What an operator wants done with a certificate now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Another one, before it is due.
    Renew,
    /// Another one, and the one before is revoked: its key was lost.
    Replace,
    /// Another key for the account at the authority.
    Roll,
}

impl Wish {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Renew, Self::Replace, Self::Roll];

    /// As in the table, and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Replace => "replace",
            Self::Roll => "roll",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wish| wish.as_str() == name)
    }
}

impl Renewal {
    /// What an operator wants, until it is done.
    pub fn wish(&self) -> Option<Wish> {
        Wish::named(&self.wish)
    }
}

impl Database {
    /// How things stand; `None` before the first attempt.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn renewal(&self, host: &str) -> Result<Option<Renewal>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Renewal,
                r#"SELECT failures, last_error, wish,
                     CAST(TIMESTAMPDIFF(SECOND, '1970-01-01', last_renewal) AS SIGNED) AS last_renewal_s,
                     CAST(TIMESTAMPDIFF(SECOND, '1970-01-01', next_attempt) AS SIGNED) AS "next_attempt_s!"
                   FROM renewals WHERE host = ?"#,
                host
            )
            .fetch_optional(pool)
            .await
        })
        .await
    }

    /// Takes the lease if an attempt is due and nobody holds it; `false` otherwise.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take_lease(&self, host: &str, holder: &str, lease_s: u32) -> Result<bool, Error> {
        let taken = self
            .ask(async |pool| {
                sqlx::query!("INSERT IGNORE INTO renewals (host) VALUES (?)", host).execute(pool).await?;
                let update = sqlx::query!(
                    "UPDATE renewals SET holder = ?, lease_until = UTC_TIMESTAMP(6) + INTERVAL ? SECOND
                     WHERE host = ? AND lease_until <= UTC_TIMESTAMP(6) AND next_attempt <= UTC_TIMESTAMP(6)",
                    holder,
                    lease_s,
                    host
                );
                Ok(update.execute(pool).await?.rows_affected())
            })
            .await?;
        Ok(taken == 1)
    }

    /// Keeps a lease for another while; `false` if it was lost.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn extend_lease(&self, host: &str, holder: &str, lease_s: u32) -> Result<bool, Error> {
        let kept = self
            .ask(async |pool| {
                sqlx::query!(
                    "UPDATE renewals SET lease_until = UTC_TIMESTAMP(6) + INTERVAL ? SECOND
                     WHERE host = ? AND holder = ?",
                    lease_s,
                    host,
                    holder
                )
                .execute(pool)
                .await
            })
            .await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Gives the lease back after a success: the failures and the wish are over.
    ///
    /// # Errors
    /// When the database is away; the lease then runs out by itself.
    pub async fn renewal_succeeded(
        &self,
        host: &str,
        holder: &str,
        fulfilled: Option<Wish>,
        next_s: i64,
        renewed: bool,
    ) -> Result<(), Error> {
        // In this order: a column that was assigned to has its new value in what follows (MySQL's reference, 15.2.17).
        let fulfilled = fulfilled.map_or("", Wish::as_str);
        self.ask(async |pool| {
            sqlx::query!(
                "UPDATE renewals SET holder = '', lease_until = UTC_TIMESTAMP(6), failures = 0,
                   last_error = NULL, next_attempt = UTC_TIMESTAMP(6) + INTERVAL IF(wish = ?, ?, 0) SECOND,
                   wish = IF(wish = ?, '', wish),
                   last_renewal = IF(?, UTC_TIMESTAMP(6), last_renewal)
                 WHERE host = ? AND holder = ?",
                fulfilled,
                next_s,
                fulfilled,
                renewed,
                host,
                holder
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }

    /// Gives the lease back after a failure.
    ///
    /// # Errors
    /// When the database is away; the lease then runs out by itself.
    pub async fn renewal_failed(
        &self,
        host: &str,
        holder: &str,
        next_s: i64,
        error: &str,
    ) -> Result<(), Error> {
        let error: String = error.chars().take(1000).collect();
        self.ask(async |pool| {
            sqlx::query!(
                "UPDATE renewals SET holder = '', lease_until = UTC_TIMESTAMP(6), failures = failures + 1,
                   last_error = ?, next_attempt = UTC_TIMESTAMP(6) + INTERVAL ? SECOND
                 WHERE host = ? AND holder = ?",
                error,
                next_s,
                host,
                holder
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }

    /// Says what an operator wants; the next machine that looks does it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn wish_renewal(&self, host: &str, wish: Wish) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!(
                "INSERT INTO renewals (host, wish) VALUES (?, ?) AS new ON DUPLICATE KEY UPDATE
                 wish = new.wish, next_attempt = UTC_TIMESTAMP(6)",
                host,
                wish.as_str()
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }
}
