//! Table `ticket_keys`: the keys of TLS session tickets that all machines share. They pass through here sealed.

use crate::{Database, Error};

/// One key.
#[derive(Clone, Debug)]
pub struct TicketKeyRow {
    /// Its public name.
    pub name: Vec<u8>,
    /// The key.
    pub sealed_key: Vec<u8>,
    /// Seconds since it was made, by the database's clock.
    pub age_s: i64,
}

/// More keys than machines can have made in a ticket's life are not read.
const KEYS_MAX: u32 = 16;

impl Database {
    /// All keys, the newest first; those of one moment in the order of their names, so that all machines agree.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn ticket_keys(&self) -> Result<Vec<TicketKeyRow>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                TicketKeyRow,
                r#"SELECT name, sealed_key,
                     CAST(TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP(6)) AS SIGNED) AS "age_s!"
                   FROM ticket_keys ORDER BY created_at DESC, name LIMIT ?"#,
                KEYS_MAX
            )
            .fetch_all(pool)
            .await
        })
        .await
    }

    /// Adds a key if the newest is older than this, and deletes those that are older than `over_s`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_ticket_key(
        &self,
        name: &[u8],
        sealed_key: &[u8],
        older_s: i64,
        over_s: i64,
    ) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!(
                "INSERT INTO ticket_keys (name, sealed_key) SELECT ?, ? FROM DUAL WHERE NOT EXISTS
                 (SELECT 1 FROM ticket_keys WHERE created_at > UTC_TIMESTAMP(6) - INTERVAL ? SECOND)",
                name,
                sealed_key,
                older_s
            )
            .execute(pool)
            .await?;
            sqlx::query!(
                "DELETE FROM ticket_keys WHERE created_at < UTC_TIMESTAMP(6) - INTERVAL ? SECOND",
                over_s
            )
            .execute(pool)
            .await
        })
        .await?;
        Ok(())
    }
}
