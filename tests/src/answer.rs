//! What came back, and the checks that every claim repeats, with errors that show the answer.

use std::fmt;

use anyhow::{Context, Result, ensure};
use http::{HeaderMap, StatusCode, Version};
use hyper::body::Bytes;

/// How much of a body an error shows.
const SHOWN_CHARS: usize = 300;

/// A whole response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked, for messages.
    pub asked: String,
    /// The status.
    pub status: StatusCode,
    /// The protocol that was spoken.
    pub version: Version,
    /// All headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
}

impl Answer {
    /// Passes this answer on when it has `status`.
    ///
    /// # Errors
    /// When it has another, with the answer.
    pub fn expect(self, status: StatusCode) -> Result<Self> {
        ensure!(self.status == status, "{} wanted, got {self}", status.as_u16());
        Ok(self)
    }

    /// Passes this answer on when its status is one of `statuses`.
    ///
    /// # Errors
    /// When it has another, with the answer.
    pub fn expect_one_of(self, statuses: &[StatusCode]) -> Result<Self> {
        ensure!(statuses.contains(&self.status), "one of {statuses:?} wanted, got {self}");
        Ok(self)
    }

    /// The header's value.
    ///
    /// # Errors
    /// When it is missing or not text.
    pub fn header(&self, name: &str) -> Result<&str> {
        let value = self.headers.get(name).with_context(|| format!("no {name} header in {self}"))?;
        value.to_str().with_context(|| format!("{name} of {} is not text", self.asked))
    }

    /// The body as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).with_context(|| format!("the body of {} is not UTF-8", self.asked))
    }

    /// Checks that the body is empty.
    ///
    /// # Errors
    /// When it is not, with the answer.
    pub fn expect_empty(&self) -> Result<()> {
        ensure!(self.body.is_empty(), "an empty body wanted, got {self}");
        Ok(())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let shown: String = body.chars().take(SHOWN_CHARS).collect();
        let rest = if shown.len() < body.len() { " …" } else { "" };
        write!(formatter, "{} to {}: {:?} {shown:?}{rest}", self.status, self.asked, self.headers)
    }
}
