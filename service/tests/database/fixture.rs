//! The MySQL that was given, a configuration for it, and requests to a site over it.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::body::Body;
use config::Config;
use db::Database;
use edge::Answers as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use service::http::{Front, Site};
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions as _, MySql, MySqlConnection, Row as _};

pub(crate) const HOST: &str = "www.foobar.com";

const VARIABLE: &str = "BOOTSTACK_TEST_DATABASE";

pub(crate) struct Fixture {
    /// The section `[database]` as it was given.
    section: toml::Table,
}

impl Fixture {
    pub(crate) fn from_environment() -> anyhow::Result<Self> {
        let path = std::env::var_os(VARIABLE)
            .with_context(|| format!("{VARIABLE} is not set: run `cargo xtask test`"))?;
        let path = PathBuf::from(path);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(Self { section: text.parse().with_context(|| path.display().to_string())? })
    }

    /// A configuration with this MySQL, with some keys of `[database]` changed.
    pub(crate) fn config(&self, changes: &[(&str, toml::Value)]) -> Config {
        let tls = r#"certificate_chain = ""
            private_key = """#;
        self.config_with(tls.parse().unwrap(), changes)
    }

    /// The same with another section `[tls]`.
    pub(crate) fn config_with(&self, tls: toml::Table, changes: &[(&str, toml::Value)]) -> Config {
        Config::parse(&self.config_text(tls, changes)).unwrap()
    }

    /// The same as a file has it.
    pub(crate) fn config_text(&self, tls: toml::Table, changes: &[(&str, toml::Value)]) -> String {
        let mut database = self.section.clone();
        database.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        let mut table: toml::Table = r#"
            host = "www.foobar.com"
            listen = { http = "127.0.0.1:0", https = "127.0.0.1:0" }
            limits = { database_ms = 1000 }
        "#
        .parse()
        .unwrap();
        table.insert("tls".to_owned(), tls.into());
        table.insert("database".to_owned(), database.into());
        table.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.config(&[]).database.port
    }

    /// A connection past the service, to look and to break things.
    pub(crate) async fn connection(&self) -> anyhow::Result<MySqlConnection> {
        let database = self.config(&[]).database;
        Ok(db::options(&database).connect().await?)
    }

    /// A migrated database without rows, and the site over it.
    pub(crate) async fn empty_site(&self) -> anyhow::Result<(Database, Front)> {
        let (database, router) = site(&self.config(&[]));
        database.migrate().await;
        let mut connection = self.connection().await?;
        // Sessions, comments, versions and the posts' tags go with what they belong to.
        for table in ["posts", "users", "tags", "rate_limits", "account_events"] {
            let delete = AssertSqlSafe(format!("DELETE FROM {table}"));
            sqlx::query(delete).execute(&mut connection).await?;
        }
        Ok((database, router))
    }

    /// The same, for requests that a claim holds up.
    pub(crate) async fn patient_site(&self) -> anyhow::Result<Front> {
        drop(self.empty_site().await?);
        let mut config = self.config(&[]);
        config.limits.database_ms = 30_000;
        let (database, router) = site(&config);
        database.migrate().await;
        Ok(router)
    }

    /// Lets `second` happen while `first` is held at a statement that begins with these words, by the rows that `locked`
    /// reads: in this order, however fast the machine is.
    pub(crate) async fn meet<A, B>(
        &self,
        locked: Query<'_, MySql, MySqlArguments>,
        statement: &str,
        first: impl Future<Output = anyhow::Result<A>>,
        second: impl Future<Output = anyhow::Result<B>>,
    ) -> anyhow::Result<(A, B)> {
        let mut lock = self.connection().await?;
        sqlx::raw_sql("BEGIN").execute(&mut lock).await?;
        ensure!(!locked.fetch_all(&mut lock).await?.is_empty(), "nothing is locked");
        let meanwhile = async {
            self.until_at(statement).await?;
            let happened = second.await?;
            sqlx::raw_sql("COMMIT").execute(&mut lock).await?;
            Ok(happened)
        };
        tokio::try_join!(first, meanwhile)
    }

    /// Waits until a connection runs a statement that begins with these words.
    async fn until_at(&self, statement: &str) -> anyhow::Result<()> {
        let mut connection = self.connection().await?;
        let asking = async {
            loop {
                let running = sqlx::raw_sql("SHOW PROCESSLIST").fetch_all(&mut connection).await?;
                let begins = |row: &MySqlRow| {
                    row.try_get_unchecked("Info").is_ok_and(|info: String| info.starts_with(statement))
                };
                if running.iter().any(begins) {
                    return anyhow::Ok(());
                }
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), asking).await;
        in_time.with_context(|| format!("nobody came to {statement}"))?
    }

    /// As it was before the first migration.
    pub(crate) async fn empty_schema(&self) -> anyhow::Result<()> {
        let mut connection = self.connection().await?;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()",
        )
        .fetch_all(&mut connection)
        .await?;
        sqlx::query("SET foreign_key_checks = 0").execute(&mut connection).await?;
        for table in tables {
            let drop = AssertSqlSafe(format!("DROP TABLE {table}"));
            sqlx::query(drop).execute(&mut connection).await?;
        }
        Ok(())
    }

    /// The number of rows that `query` counts.
    pub(crate) async fn count(&self, query: &'static str) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(query).fetch_one(&mut self.connection().await?).await?)
    }

    /// Changes rows past the service.
    pub(crate) async fn execute(&self, statement: &'static str) -> anyhow::Result<()> {
        sqlx::query(statement).execute(&mut self.connection().await?).await?;
        Ok(())
    }
}

/// Somebody who writes posts past the forms.
pub(crate) async fn writer(database: &Database) -> anyhow::Result<u64> {
    database.add_user("writer", "writer", "no password").await?.context("there is a writer already")
}

pub(crate) fn site(config: &Config) -> (Database, Front) {
    let database = Database::new(config);
    (database.clone(), service::http::secure(Site::new(config, database)))
}

/// Runs a claim on one thread, as the service runs, and not for ever.
pub(crate) fn run(claim: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    run_for(Duration::from_secs(60), claim)
}

/// The same with another limit.
pub(crate) fn run_for(
    limit: Duration,
    claim: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let in_time = async { tokio::time::timeout(limit, claim).await };
    runtime.block_on(in_time).with_context(|| format!("no end after {limit:?}"))?
}

pub(crate) async fn get(router: &Front, path: &str) -> anyhow::Result<(http::response::Parts, String)> {
    send(router, Request::get(path).header("host", HOST).body(Body::empty())?).await
}

/// What the site answers to this request, from the address that is among its extensions.
pub(crate) async fn send(
    router: &Front,
    request: Request<Body>,
) -> anyhow::Result<(http::response::Parts, String)> {
    let peer = request.extensions().get().copied().unwrap_or_default();
    let (parts, body) = router.answer(request, peer).await?.into_parts();
    let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
    Ok((parts, text))
}

/// Asks for a page until it has this status, but no longer than the deadline.
pub(crate) async fn wait_for(router: &Front, path: &str, status: StatusCode) -> anyhow::Result<()> {
    let mut seen = None;
    let asking = async {
        while seen != Some(status) {
            seen = Some(get(router, path).await?.0.status);
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), asking).await;
    in_time.unwrap_or_else(|_| Err(anyhow::anyhow!("{path} is not {status} after 10 s: last {seen:?}")))
}
