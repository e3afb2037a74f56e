//! A program of somebody's: it sends JSON and a token.

use anyhow::{Context as _, ensure};
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde_json::Value;

use service::http::Front;

use crate::fixture::{HOST, send};
use crate::visitor::{Answer, Visitor};

/// One program.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) router: Front,
    /// As in the header `Authorization`.
    pub(crate) authorization: Vec<String>,
}

impl Program {
    /// With a token that this visitor makes.
    pub(crate) async fn of(visitor: &mut Visitor) -> anyhow::Result<Self> {
        let token = make(visitor, "test").await?;
        Ok(Self { router: visitor.router.clone(), authorization: vec![format!("Bearer {token}")] })
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: &str) -> anyhow::Result<Answer> {
        self.ask_as(method, path, "application/json", body.to_owned().into_bytes()).await
    }

    pub(crate) async fn ask_as(
        &self,
        method: Method,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        request = request.header(CONTENT_TYPE, media_type);
        for line in &self.authorization {
            request = request.header(AUTHORIZATION, line);
        }
        let (parts, page) = send(&self.router, request.body(Body::from(body))?).await?;
        Ok(Answer { parts, page })
    }

    /// Writes a post and gives what the site answers.
    pub(crate) async fn write(&self, body: &Value) -> anyhow::Result<Value> {
        let answer = self.ask(Method::POST, "/api/v1/posts", &body.to_string()).await?;
        Ok(serde_json::from_str(&answer.expect(StatusCode::CREATED)?.page)?)
    }
}

/// A new token of this visitor's, as the page shows it.
pub(crate) async fn make(visitor: &mut Visitor, name: &str) -> anyhow::Result<String> {
    let answer = visitor.post("/account/tokens", &[("name", name), ("days", "30")]).await?;
    let answer = answer.expect(StatusCode::OK)?;
    ensure!(answer.parts.headers["cache-control"] == "no-store", "a cache may keep the token");
    let token = answer.page.split("<code>").nth(1).and_then(|rest| rest.split('<').next());
    Ok(token.context("no token on the page")?.to_owned())
}
