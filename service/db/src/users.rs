//! Table `users`: who may sign in, and how they show themselves.
//!
//! Invariant: a password's hash leaves this module only through [`Credentials`].

use time::OffsetDateTime;

use crate::{Database, Error};

/// How a person shows.
#[derive(Clone, Debug)]
pub struct User {
    /// The row's number.
    pub id: u64,
    /// The name in addresses: lower-case letters, digits, hyphens.
    pub name: String,
    /// The name on pages.
    pub display_name: String,
    /// A few words about themselves; plain text.
    pub about: String,
    /// When the account was made (UTC).
    pub created_at: OffsetDateTime,
}

/// What a password is checked against.
#[derive(Clone)]
pub struct Credentials {
    /// The row's number.
    pub id: u64,
    /// In PHC's string format.
    pub password_hash: String,
}

/// What becomes of an account's posts and comments when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// They are deleted, too.
    Goes,
    /// They are nobody's.
    Stays,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Database {
    /// Makes an account and gives its id; `None` when the name is taken.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn add_user(
        &self,
        name: &str,
        display_name: &str,
        password_hash: &str,
    ) -> Result<Option<u64>, Error> {
        self.ask(async |pool| {
            let insert = sqlx::query!(
                "INSERT INTO users (name, display_name, password_hash) VALUES (?, ?, ?)",
                name,
                display_name,
                password_hash
            );
            match insert.execute(pool).await {
                Ok(done) => Ok(Some(done.last_insert_id())),
                Err(sqlx::Error::Database(refusal)) if refusal.is_unique_violation() => Ok(None),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// The person of this name.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn user(&self, name: &str) -> Result<Option<User>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(
                User,
                "SELECT id, name, display_name, about, created_at FROM users WHERE name = ?",
                name
            )
            .fetch_optional(pool)
            .await
        })
        .await
    }

    /// What this name's password is checked against.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn credentials(&self, name: &str) -> Result<Option<Credentials>, Error> {
        self.ask(async |pool| {
            sqlx::query_as!(Credentials, "SELECT id, password_hash FROM users WHERE name = ?", name)
                .fetch_optional(pool)
                .await
        })
        .await
    }

    /// Changes how a person shows.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn set_profile(&self, id: u64, display_name: &str, about: &str) -> Result<(), Error> {
        self.ask(async |pool| {
            sqlx::query!("UPDATE users SET display_name = ?, about = ? WHERE id = ?", display_name, about, id)
                .execute(pool)
                .await
                .map(drop)
        })
        .await
    }

    /// Changes the password if it is still the one that `old_hash` was made of, and ends all sessions and
    /// tokens with it.
    /// `false`: it is another by now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn set_password(&self, id: u64, old_hash: &str, new_hash: &str) -> Result<bool, Error> {
        self.ask(async |pool| {
            let mut work = pool.begin().await?;
            let update = sqlx::query!(
                "UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?",
                new_hash,
                id,
                old_hash
            );
            let changed = update.execute(&mut *work).await?.rows_affected() == 1;
            if changed {
                sqlx::query!("DELETE FROM sessions WHERE user_id = ?", id).execute(&mut *work).await?;
                sqlx::query!("DELETE FROM tokens WHERE user_id = ?", id).execute(&mut *work).await?;
            }
            work.commit().await?;
            Ok(changed)
        })
        .await
    }

    /// Removes the account with its sessions and tokens, and blots out its addresses in the audit log. What it wrote goes
    /// with it or stays, without a name.
    ///
    /// # Errors
    /// When the database is away; all or nothing has then been done.
    pub async fn delete_user(&self, id: u64, wrote: Wrote) -> Result<(), Error> {
        self.ask(async |pool| {
            let mut work = pool.begin().await?;
            // From here on nobody writes in its name, and what was being written is there.
            sqlx::query!("DELETE FROM users WHERE id = ?", id).execute(&mut *work).await?;
            if wrote == Wrote::Goes {
                sqlx::query!("DELETE FROM posts WHERE author_id = ?", id).execute(&mut *work).await?;
                sqlx::query!("DELETE FROM comments WHERE author_id = ?", id).execute(&mut *work).await?;
            }
            sqlx::query!("UPDATE account_events SET address = '' WHERE user_id = ?", id)
                .execute(&mut *work)
                .await?;
            work.commit().await
        })
        .await
    }
}
