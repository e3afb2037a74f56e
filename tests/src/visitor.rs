//! A person with an account of their own, made on the endpoint by the forms that everybody uses.
//!
//! Invariant: the account is new and nobody else's, so a claim may write with it on any endpoint, the public one too.

use anyhow::{Context, Result};
use http::{StatusCode, header};

use crate::page::Form;
use crate::{Client, Request, unique};

/// Signed in; the cookie is all a browser would have.
#[derive(Clone, Debug)]
pub struct Visitor {
    cookie: String,
}

impl Visitor {
    /// Registers.
    ///
    /// # Errors
    /// When the site does not give a session for the form.
    pub fn register(client: &Client) -> Result<Self> {
        Self::register_as(client, &unique::name("smoke"), &unique::word("password"))
    }

    /// Registers by this name.
    ///
    /// # Errors
    /// When the site does not give a session for the form.
    pub fn register_as(client: &Client, name: &str, password: &str) -> Result<Self> {
        let page = client.get("/register")?.expect(StatusCode::OK)?;
        let form = Form::to("/register", page.text()?)?;
        let form = form.with("name", name).with("password", password);
        let answer = client.send(&form.filled(&client.endpoint().host, ""))?.expect(StatusCode::SEE_OTHER)?;
        let cookie = answer.header("set-cookie")?.split(';').next().context("an empty cookie")?;
        Ok(Self { cookie: cookie.to_owned() })
    }

    /// The request with this person's cookie.
    #[must_use]
    pub fn signed(&self, request: Request) -> Request {
        request.header(header::COOKIE, self.cookie.clone())
    }

    /// A new token for a program in this person's name.
    ///
    /// # Errors
    /// When the account's page does not show one.
    pub fn token(&self, client: &Client) -> Result<String> {
        let page = client.send(&self.signed(Request::get("/account")))?.expect(StatusCode::OK)?;
        let form = Form::to("/account/tokens", page.text()?)?.with("days", "30");
        let made = client.send(&self.signed(form.filled(&client.endpoint().host, "programs")))?;
        let made = made.expect(StatusCode::OK)?;
        let token = made.text()?.split("<code>").nth(1).and_then(|rest| rest.split('<').next());
        Ok(token.context("the page shows no token")?.to_owned())
    }

    /// The form that writes a post, with a tag that a post may have.
    ///
    /// # Errors
    /// When there is none.
    pub fn post_form(&self, client: &Client) -> Result<Form> {
        let page = client.send(&self.signed(Request::get("/posts/new")))?.expect(StatusCode::OK)?;
        Ok(Form::to("/posts", page.text()?)?.with("tags", "smoke"))
    }
}
