//! A browser without JavaScript: it keeps its cookie and sends forms.

use anyhow::{Context as _, ensure};
use axum::body::Body;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::request::Builder;
use http::response::Parts;
use http::{Request, StatusCode};

use edge::Peer;
use service::http::Front;

use crate::fixture::{HOST, send};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// One browser.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) router: Front,
    /// As in the header `Cookie`.
    pub(crate) cookie: Option<String>,
    /// From where it comes.
    pub(crate) peer: Peer,
}

/// An answer and its page.
pub(crate) struct Answer {
    pub(crate) parts: Parts,
    pub(crate) page: String,
}

impl Answer {
    pub(crate) fn expect(self, status: StatusCode) -> anyhow::Result<Self> {
        ensure!(self.parts.status == status, "{status} wanted, got {:?}: {}", self.parts, self.page);
        Ok(self)
    }

    pub(crate) fn location(&self) -> anyhow::Result<&str> {
        Ok(self.parts.headers.get(LOCATION).context("no location")?.to_str()?)
    }

    /// The page must say this.
    pub(crate) fn says(self, text: &str) -> anyhow::Result<Self> {
        ensure!(self.page.contains(text), "{text:?} is not in {}", self.page);
        Ok(self)
    }

    /// The page must not say this.
    pub(crate) fn hides(self, text: &str) -> anyhow::Result<Self> {
        ensure!(!self.page.contains(text), "{text:?} is in {}", self.page);
        Ok(self)
    }
}

impl Visitor {
    pub(crate) fn new(router: &Front) -> Self {
        Self { router: router.clone(), cookie: None, peer: Peer::default() }
    }

    /// The same from another address.
    pub(crate) fn at(self, address: [u8; 4]) -> Self {
        Self { peer: Peer(address.into()), ..self }
    }

    /// A new account, signed in.
    pub(crate) async fn registered(router: &Front, name: &str) -> anyhow::Result<Self> {
        let mut visitor = Self::new(router);
        let answer = visitor.post("/register", &[("name", name), ("password", PASSWORD)]).await?;
        answer.expect(StatusCode::SEE_OTHER)?;
        ensure!(visitor.cookie.is_some(), "no session");
        Ok(visitor)
    }

    /// The same at a site that is configured in another way.
    pub(crate) fn on(self, router: &Front) -> Self {
        Self { router: router.clone(), ..self }
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send(Request::get(path), Body::empty()).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Answer> {
        self.post_raw(path, serde_urlencoded::to_string(fields)?).await
    }

    /// A form's bytes as they are.
    pub(crate) async fn post_raw(&mut self, path: &str, form: impl Into<Body>) -> anyhow::Result<Answer> {
        self.post_as(path, "application/x-www-form-urlencoded", form).await
    }

    /// A body of another kind.
    pub(crate) async fn post_as(
        &mut self,
        path: &str,
        media_type: &str,
        body: impl Into<Body>,
    ) -> anyhow::Result<Answer> {
        self.send(Request::post(path).header(CONTENT_TYPE, media_type), body.into()).await
    }

    /// Writes a post and gives its path.
    pub(crate) async fn write(&mut self, title: &str, body: &str, tags: &str) -> anyhow::Result<String> {
        let answer = self.post("/posts", &[("title", title), ("body", body), ("tags", tags)]).await?;
        Ok(answer.expect(StatusCode::SEE_OTHER)?.location()?.to_owned())
    }

    async fn send(&mut self, request: Builder, body: Body) -> anyhow::Result<Answer> {
        let mut request = request.header("host", HOST).extension(self.peer);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let (parts, page) = send(&self.router, request.body(body)?).await?;
        if let Some(set) = parts.headers.get(SET_COOKIE) {
            let pair = set.to_str()?.split(';').next().unwrap_or_default();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        Ok(Answer { parts, page })
    }
}
