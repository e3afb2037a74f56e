//! Answers that tell a browser to be careful, and errors that are of the right kind.

use anyhow::{Result, ensure};
use http::{Method, StatusCode};

use crate::{Client, Request};

/// A year in seconds: browsers' preload lists ask for at least that much.
const HSTS_AGE_S_MIN: u64 = 31_536_000;

pub(super) fn pages_carry_security_headers(client: &Client) -> Result<()> {
    for path in ["/", "/no-such-page"] {
        let answer = client.get(path)?;
        let age = hsts_age_s(answer.header("strict-transport-security")?);
        ensure!(age >= Some(HSTS_AGE_S_MIN), "HSTS of at least {HSTS_AGE_S_MIN} s wanted: {answer}");
        let policy = answer.header("content-security-policy")?;
        let strict = policy.contains("default-src") && !policy.contains("unsafe-inline");
        ensure!(strict, "a policy with default-src and without unsafe-inline wanted: {policy}");
        ensure!(policy.contains("frame-ancestors"), "the policy lets others frame the page: {policy}");
        let sniffing = answer.header("x-content-type-options")?;
        ensure!(sniffing == "nosniff", "x-content-type-options is {sniffing}");
    }
    Ok(())
}

fn hsts_age_s(value: &str) -> Option<u64> {
    value.split(';').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())
}

pub(super) fn a_missing_page_is_404(client: &Client) -> Result<()> {
    client.get("/no-such-page")?.expect(StatusCode::NOT_FOUND).map(drop)
}

pub(super) fn a_wrong_method_is_405(client: &Client) -> Result<()> {
    client.send(&Request::new(Method::DELETE, "/"))?.expect(StatusCode::METHOD_NOT_ALLOWED).map(drop)
}
