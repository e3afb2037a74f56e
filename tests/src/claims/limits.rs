//! Everything a stranger sends has a limit, and the next visitor does not notice.

use anyhow::{Context, Result, ensure};
use http::{HeaderName, StatusCode};

use crate::page::Form;
use crate::{Client, Protocol, Request};

/// Larger than any text a person posts.
const BODY_BYTES: usize = 4 << 20;
/// Larger than any set of cookies a browser sends.
const HEADER_BYTES: usize = 1 << 20;

pub(super) fn a_body_beyond_the_limit_is_refused(client: &Client) -> Result<()> {
    let form = Form::to("/login", client.get("/login")?.expect(StatusCode::OK)?.text()?)?;
    let request = form.filled(&client.endpoint().host, &"x".repeat(BODY_BYTES));
    client.send(&request)?.expect(StatusCode::PAYLOAD_TOO_LARGE)?;
    still_answers(client)
}

/// The server may answer or hang up; it may not accept.
pub(super) fn an_endless_header_is_refused(client: &Client) -> Result<()> {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let header = HeaderName::from_static("x-endless");
        let request = Request::get("/healthz").over(protocol).header(header, "x".repeat(HEADER_BYTES));
        if let Ok(answer) = client.send(&request) {
            ensure!(answer.status.is_client_error(), "{HEADER_BYTES} bytes of header accepted: {answer}");
        }
        still_answers(client)?;
    }
    Ok(())
}

fn still_answers(client: &Client) -> Result<()> {
    client.get("/healthz").context("afterwards")?.expect(StatusCode::OK).map(drop)
}
