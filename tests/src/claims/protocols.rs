//! Which protocols are spoken, and that they say the same.

use anyhow::{Result, ensure};
use http::{StatusCode, Version};

use crate::{Client, Protocol, Request};

pub(super) fn http_1_1_answers(client: &Client) -> Result<()> {
    answers(client, Protocol::Http1, Version::HTTP_11)
}

pub(super) fn http_2_answers(client: &Client) -> Result<()> {
    answers(client, Protocol::Http2, Version::HTTP_2)
}

pub(super) fn a_browser_is_given_http_2(client: &Client) -> Result<()> {
    answers(client, Protocol::Browser, Version::HTTP_2)
}

fn answers(client: &Client, protocol: Protocol, version: Version) -> Result<()> {
    let answer = client.send(&Request::get("/").over(protocol))?.expect(StatusCode::OK)?;
    ensure!(answer.version == version, "{version:?} wanted, got {:?} from {}", answer.version, answer.asked);
    let kind = answer.header("content-type")?;
    ensure!(kind == "text/html; charset=utf-8", "the page's content type is {kind}");
    Ok(())
}

pub(super) fn head_has_the_headers_and_no_body(client: &Client) -> Result<()> {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let head = client.send(&Request::head("/healthz").over(protocol))?.expect(StatusCode::OK)?;
        head.expect_empty()?;
        let get = client.send(&Request::get("/healthz").over(protocol))?.expect(StatusCode::OK)?;
        ensure!(!get.body.is_empty(), "GET has no body either: {get}");
        let (of_head, of_get) = (head.header("content-type")?, get.header("content-type")?);
        ensure!(of_head == of_get, "HEAD says content-type {of_head}, GET says {of_get}");
    }
    Ok(())
}
