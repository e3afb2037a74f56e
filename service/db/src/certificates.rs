//! Tables `certificates`, `brought_certificates`, `acme_accounts`, `acme_orders` and `acme_challenges`: what outlives a machine
//! of its TLS.
//!
//! Secrets pass through here sealed. Invariant: an authority's certificate is written only by who holds the host's lease; what
//! an operator brings is written by no machine at all (`cargo xtask cert bring` does).

use crate::{Database, Error};

/// A certificate chain and its sealed key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Ascending in the order of issue: the newest counts.
    pub id: u64,
    /// The directory of the authority that wrote it.
    pub authority: String,
    /// PEM, leaf first.
    pub chain: String,
    /// The leaf's key.
    pub sealed_key: Vec<u8>,
    /// When it was stored, in seconds since 1970.
    pub created_s: i64,
}

/// A certificate chain that an operator brought, and its sealed key.
#[derive(Clone, Debug)]
pub struct Brought {
    /// Ascending in the order of arrival.
    pub id: u64,
    /// PEM, leaf first.
    pub chain: String,
    /// The leaf's key.
    pub sealed_key: Vec<u8>,
}

/// An account at an authority.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its address there; `None` before it was made.
    pub url: Option<String>,
    /// Its key.
    pub sealed_key: Vec<u8>,
    /// The key that is to replace it.
    pub next_sealed_key: Option<Vec<u8>>,
}

/// An order that was begun.
#[derive(Clone, Debug)]
pub struct Order {
    /// The authority's directory.
    pub authority: String,
    /// The order's address there.
    pub url: String,
    /// The names, separated by spaces.
    pub names: String,
    /// The key that the certificate will be for.
    pub sealed_key: Vec<u8>,
}

/// What proves a name.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// What the authority asks by.
    pub token: String,
    /// The name to prove.
    pub name: String,
    /// The answer.
    pub key_authorization: String,
}

/// More answers than any order needs are not read.
const CHALLENGES_MAX: u32 = 500;

impl Database {
    /// The database's clock in seconds since 1970, and the newest certificate's id (0: none).
    ///
    /// # Errors
    /// When the database is away.
    pub async fn certificate_generation(&self, host: &str) -> Result<(i64, u64), Error> {
        let row = self
            .ask(async |pool| {
                sqlx::query!(
                    r#"SELECT CAST(UNIX_TIMESTAMP() AS SIGNED) AS "now_s!",
                         CAST(COALESCE(MAX(id), 0) AS UNSIGNED) AS "newest!: u64"
                       FROM certificates WHERE host = ?"#,
                    host
                )
                .fetch_one(pool)
                .await
            })
            .await?;
        Ok((row.now_s, row.newest))
    }

    /// The newest certificate for a host.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn newest_certificate(&self, host: &str) -> Result<Option<Certificate>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Certificate,
                r#"SELECT id, authority, chain, sealed_key,
                     CAST(TIMESTAMPDIFF(SECOND, '1970-01-01', created_at) AS SIGNED) AS "created_s!"
                   FROM certificates WHERE host = ? ORDER BY id DESC LIMIT 1"#,
                host
            )
            .fetch_optional(pool)
            .await
        })
        .await
    }

    /// What an operator brought last for a host, if that was after this one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn brought_certificate(&self, host: &str, after: u64) -> Result<Option<Brought>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Brought,
                "SELECT id, chain, sealed_key FROM brought_certificates
                 WHERE host = ? AND id > ? ORDER BY id DESC LIMIT 1",
                host,
                after
            )
            .fetch_optional(pool)
            .await
        })
        .await
    }

    /// Stores a certificate and forgets its order, if `holder` still has the lease; `false` if not.
    ///
    /// # Errors
    /// When the database is away; then nothing was stored, or all of it.
    pub async fn add_certificate(
        &self,
        host: &str,
        holder: &str,
        authority: &str,
        chain: &str,
        sealed_key: &[u8],
    ) -> Result<bool, Error> {
        let stored = self
            .ask(async |pool| {
                let mut transaction = pool.begin().await?;
                // One statement reads the lease and writes the row: no other machine comes between.
                let insert = sqlx::query!(
                    "INSERT INTO certificates (host, authority, chain, sealed_key)
                     SELECT ?, ?, ?, ? FROM renewals WHERE host = ? AND holder = ?",
                    host,
                    authority,
                    chain,
                    sealed_key,
                    host,
                    holder
                );
                let rows = insert.execute(&mut *transaction).await?.rows_affected();
                let forget = sqlx::query!("DELETE FROM acme_orders WHERE host = ?", host);
                if rows == 1 {
                    forget.execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
                Ok(rows)
            })
            .await?;
        Ok(stored == 1)
    }

    /// The account at an authority.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn acme_account(&self, authority: &str) -> Result<Option<Account>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Account,
                "SELECT url, sealed_key, next_sealed_key FROM acme_accounts WHERE authority = ?",
                authority
            )
            .fetch_optional(pool)
            .await
        })
        .await
    }

    /// Keeps a new account's key, unless there is one. The one that counts is read afterwards.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_acme_account(&self, authority: &str, sealed_key: &[u8]) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!(
                "INSERT IGNORE INTO acme_accounts (authority, sealed_key) VALUES (?, ?)",
                authority,
                sealed_key
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }

    /// Notes under which address the authority knows the account; `None`: not any more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn set_acme_account_url(&self, authority: &str, url: Option<&str>) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!("UPDATE acme_accounts SET url = ? WHERE authority = ?", url, authority)
                .execute(pool)
                .await
                .map(drop)
        })
        .await
    }

    /// Keeps the key that is to replace the account's; `None`: there is none.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn set_next_account_key(&self, authority: &str, sealed: Option<&[u8]>) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!(
                "UPDATE acme_accounts SET next_sealed_key = ? WHERE authority = ?",
                sealed,
                authority
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }

    /// The key that was to replace the account's has done so.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take_next_account_key(&self, authority: &str) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!(
                "UPDATE acme_accounts SET sealed_key = next_sealed_key, next_sealed_key = NULL
                 WHERE authority = ? AND next_sealed_key IS NOT NULL",
                authority
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }

    /// The order that was begun for a host.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn acme_order(&self, host: &str) -> Result<Option<Order>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Order,
                "SELECT authority, url, names, sealed_key FROM acme_orders WHERE host = ?",
                host
            )
            .fetch_optional(pool)
            .await
        })
        .await
    }

    /// Keeps an order, in place of another.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn set_acme_order(&self, host: &str, order: &Order) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!(
                "REPLACE INTO acme_orders (host, authority, url, names, sealed_key) VALUES (?, ?, ?, ?, ?)",
                host,
                order.authority,
                order.url,
                order.names,
                order.sealed_key
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }

    /// Forgets the order of a host.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn forget_acme_order(&self, host: &str) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!("DELETE FROM acme_orders WHERE host = ?", host).execute(pool).await.map(drop)
        })
        .await
    }

    /// Every answer that machines may have to give now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn acme_challenges(&self) -> Result<Vec<Challenge>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                Challenge,
                "SELECT token, name, key_authorization FROM acme_challenges
                 ORDER BY created_at DESC LIMIT ?",
                CHALLENGES_MAX
            )
            .fetch_all(pool)
            .await
        })
        .await
    }

    /// Lays out the answer to a challenge.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_acme_challenge(&self, host: &str, challenge: &Challenge) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!(
                "REPLACE INTO acme_challenges (token, host, name, key_authorization) VALUES (?, ?, ?, ?)",
                challenge.token,
                host,
                challenge.name,
                challenge.key_authorization
            )
            .execute(pool)
            .await
            .map(drop)
        })
        .await
    }

    /// Takes away the answers of a host's orders.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn forget_acme_challenges(&self, host: &str) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!("DELETE FROM acme_challenges WHERE host = ?", host).execute(pool).await.map(drop)
        })
        .await
    }
}
