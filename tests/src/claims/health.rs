//! The two answers that machines ask for.

use anyhow::Result;
use http::StatusCode;

use crate::Client;

pub(super) fn the_process_lives(client: &Client) -> Result<()> {
    client.get("/healthz")?.expect(StatusCode::OK).map(drop)
}

pub(super) fn the_database_answers(client: &Client) -> Result<()> {
    client.get("/readyz")?.expect(StatusCode::OK).map(drop)
}
