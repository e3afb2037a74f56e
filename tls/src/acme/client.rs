//! One CA: its directory, the nonces of its requests, and what all answers have in common.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::jws::Signer;
use super::window::Window;
use super::wire::{Directory, Problem};
use super::{Account, Binding, Error, account};
use crate::Key;

/// How often a request is sent again because the CA did not take its nonce (RFC 8555, 6.5 asks for retries). Pebble, the
/// CA for tests, refuses one in twenty on purpose.
const NONCE_TRIES: u32 = 6;

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// For the directory and renewal information.
    Get,
    /// For a nonce.
    Head,
    /// For everything else: a signed body of type `application/jose+json`.
    Post,
}

/// A request to carry to the CA.
#[derive(Debug)]
pub struct Request<'a> {
    /// How.
    pub method: Method,
    /// Where, as the CA or the configuration said: the transport refuses anything but `https`.
    pub url: &'a str,
    /// What, if anything.
    pub body: Vec<u8>,
}

/// What the CA answered, whatever the status.
#[derive(Debug, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header `replay-nonce`.
    pub nonce: Option<String>,
    /// The header `location`.
    pub location: Option<String>,
    /// The header `retry-after`, in seconds.
    pub retry_after_s: Option<u64>,
    /// The body, which the transport has limited.
    pub body: Vec<u8>,
}

/// Carries requests over HTTPS, with the CA's certificate verified, with a limit on time and size.
pub trait Transport: Send + Sync {
    /// Sends one request and reads its whole answer.
    fn send(
        &self,
        request: Request<'_>,
    ) -> impl Future<Output = Result<Answer, Box<dyn std::error::Error + Send + Sync>>> + Send;
}

/// A certificate authority.
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
    url: String,
    pub(super) directory: Directory,
    /// The CA gives one with each answer, for the next request.
    nonce: Mutex<Option<String>>,
}

impl<T: Transport> Client<T> {
    /// Reads the CA's directory.
    ///
    /// # Errors
    /// When the CA is away or answers with something else.
    pub async fn open(transport: T, url: &str) -> Result<Self, Error> {
        let answer = send(&transport, Method::Get, url, Vec::new()).await?;
        let directory = parsed(url, &checked(url, answer)?.body, "a directory")?;
        Ok(Self { transport, url: url.to_owned(), directory, nonce: Mutex::default() })
    }

    /// The directory's address, which names the CA.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The account of this key, made if it does not exist. It agrees to the CA's terms of service.
    ///
    /// # Errors
    /// When the CA refuses, or wants an external account that was not given.
    pub async fn account(
        &self,
        key: Key,
        contact: &[String],
        binding: Option<&Binding<'_>>,
    ) -> Result<Account<'_, T>, Error> {
        account::open(self, key, contact, binding).await
    }

    /// The account that is known by this address.
    pub fn known_account(&self, key: Key, url: String) -> Account<'_, T> {
        Account::new(self, key, url)
    }

    /// When the CA wants this certificate renewed, and in how many seconds to ask again; `None` where it says nothing.
    /// Anybody may ask (RFC 9773, 4.1).
    ///
    /// # Errors
    /// When the CA is away or answers with something else.
    pub async fn renewal_window(&self, renewal_id: &str) -> Result<Option<(Window, Option<u64>)>, Error> {
        let Some(base) = &self.directory.renewal_info else { return Ok(None) };
        let url = format!("{}/{renewal_id}", base.trim_end_matches('/'));
        let answer = self.get(&url).await?;
        let window = Window::parse(&answer.body).ok_or(Error::Answer { url, missing: "a renewal window" })?;
        Ok(Some((window, answer.retry_after_s)))
    }

    /// An answer to an unsigned request.
    pub(super) async fn get(&self, url: &str) -> Result<Answer, Error> {
        checked(url, send(&self.transport, Method::Get, url, Vec::new()).await?)
    }

    /// An answer to a signed request, sent again where only its nonce was refused.
    pub(super) async fn post(
        &self,
        signer: Signer<'_>,
        url: &str,
        payload: Option<&Value>,
    ) -> Result<Answer, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let nonce = self.nonce().await?;
            let mut answer =
                send(&self.transport, Method::Post, url, signer.body(&nonce, url, payload)?).await?;
            self.keep(answer.nonce.take());
            match checked(url, answer) {
                Err(error) if error.is_problem("badNonce") && tries < NONCE_TRIES => {}
                other => return other,
            }
        }
    }

    async fn nonce(&self) -> Result<String, Error> {
        let kept = self.nonce.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(nonce) = kept {
            return Ok(nonce);
        }
        let url = &self.directory.new_nonce;
        let answer = send(&self.transport, Method::Head, url, Vec::new()).await?;
        answer.nonce.ok_or_else(|| Error::Answer { url: url.clone(), missing: "a nonce" })
    }

    fn keep(&self, nonce: Option<String>) {
        *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = nonce;
    }
}

async fn send<T: Transport>(
    transport: &T,
    method: Method,
    url: &str,
    body: Vec<u8>,
) -> Result<Answer, Error> {
    let answer = transport.send(Request { method, url, body }).await;
    answer.map_err(|source| Error::Away { url: url.to_owned(), source })
}

/// An answer that is none of success is the CA's refusal, with or without its words.
fn checked(url: &str, answer: Answer) -> Result<Answer, Error> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let wordless = || Problem { detail: format!("status {}", answer.status), ..Problem::default() };
    let problem = serde_json::from_slice(&answer.body).unwrap_or_else(|_| wordless());
    Err(Error::Refused {
        url: url.to_owned(),
        problem: Box::new(problem),
        retry_after_s: answer.retry_after_s,
    })
}

pub(super) fn parsed<V: DeserializeOwned>(url: &str, body: &[u8], missing: &'static str) -> Result<V, Error> {
    serde_json::from_slice(body).map_err(|_| Error::Answer { url: url.to_owned(), missing })
}
