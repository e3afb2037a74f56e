//! Table `rate_limits`: how often something may happen, over all machines and over restarts.
//!
//! The algorithm is GCRA, a leaky bucket whose whole state is one point in time (ATM Forum, Traffic Management 4.0,
//! 4.4.2). Invariant: a bucket's name is kept as a hash only, so the table tells nothing about anybody.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sqlx::MySqlPool;

use crate::{Database, Error};

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many times at once.
    pub burst: u32,
    /// After that, once in so long.
    pub every: Duration,
}

impl Rate {
    /// At most this many times at once, and as many again in each hour.
    pub fn per_hour(times: u32) -> Self {
        Self { burst: times, every: HOUR / times.max(1) }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// SHA-256 over purpose and subject: `bucket("login", "203.0.113.7")`.
pub fn bucket(purpose: &str, subject: &str) -> [u8; 32] {
    Sha256::new_with_prefix(purpose).chain_update([0]).chain_update(subject).finalize().into()
}

impl Database {
    /// Takes one from the bucket. `false`: it is used up.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take(&self, bucket: &[u8; 32], rate: Rate) -> Result<bool, Error> {
        let step_us = u64::try_from(rate.every.as_micros()).unwrap_or(u64::MAX);
        let room_us = step_us.saturating_mul(rate.burst.into());
        let bucket = bucket.as_slice();
        self.ask(async |pool| {
            if advance(pool, bucket, step_us, room_us).await? {
                return Ok(true);
            }
            let insert = sqlx::query!(
                "INSERT IGNORE INTO rate_limits (bucket, used_until_us)
                 VALUES (?, UNIX_TIMESTAMP(NOW(6)) * 1000000 + ?)",
                bucket,
                step_us
            );
            let was_new = insert.execute(pool).await?.rows_affected() == 1;
            // If not, it is full, or another request made it just now.
            Ok(was_new || advance(pool, bucket, step_us, room_us).await?)
        })
        .await
    }

    /// Empties the bucket.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn forgive(&self, bucket: &[u8; 32]) -> Result<(), Error> {
        let bucket = bucket.as_slice();
        self.ask(async |pool| {
            sqlx::query!("DELETE FROM rate_limits WHERE bucket = ?", bucket).execute(pool).await.map(drop)
        })
        .await
    }
}

/// Moves a bucket on by a step if it has room, or has had time to empty.
async fn advance(pool: &MySqlPool, bucket: &[u8], step_us: u64, room_us: u64) -> Result<bool, sqlx::Error> {
    let update = sqlx::query!(
        "UPDATE rate_limits
                 SET used_until_us = GREATEST(used_until_us, UNIX_TIMESTAMP(NOW(6)) * 1000000) + ?
                 WHERE bucket = ?
                   AND GREATEST(used_until_us, UNIX_TIMESTAMP(NOW(6)) * 1000000) + ?
                       <= UNIX_TIMESTAMP(NOW(6)) * 1000000 + ?",
        step_us,
        bucket,
        step_us,
        room_us
    );
    Ok(update.execute(pool).await?.rows_affected() == 1)
}
