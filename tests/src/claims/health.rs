//! The two answers that machines ask for, and what everybody reads.

use anyhow::{Result, ensure};
use http::StatusCode;

use crate::Client;

pub(super) fn the_process_lives(client: &Client) -> Result<()> {
    client.get("/healthz")?.expect(StatusCode::OK).map(drop)
}

pub(super) fn the_database_answers(client: &Client) -> Result<()> {
    client.get("/readyz")?.expect(StatusCode::OK).map(drop)
}

/// As a page and as a feed: rows, not only a database that answers.
pub(super) fn the_newest_posts_are_read(client: &Client) -> Result<()> {
    for (path, kind) in [("/", "text/html"), ("/feed.atom", "application/atom+xml")] {
        let answer = client.get(path)?.expect(StatusCode::OK)?;
        let given = answer.header("content-type")?;
        ensure!(given.starts_with(kind), "{path} is {given}, not {kind}");
    }
    Ok(())
}
