//! What an account may ask of its CA: orders, proofs, certificates, revocation, another key.

use serde_json::{Value, json};

use super::client::parsed;
use super::jws::{self, Signer};
use super::{Answer, Authorization, Client, Error, Order, Transport};
use crate::Key;

/// An account with another of the CA's systems, which some CAs want.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The key's identifier.
    pub id: &'a str,
    /// The key, base64url, as the CA gives it.
    pub key: &'a str,
}

/// What a certificate shall be like.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The DNS names.
    pub names: &'a [String],
    /// One of the CA's kinds of certificate, by name.
    pub profile: Option<&'a str>,
    /// The [`renewal_id`](super::renewal_id) of the certificate that this one replaces.
    pub replaces: Option<&'a str>,
}

/// An account at a CA.
#[derive(Debug)]
pub struct Account<'a, T> {
    client: &'a Client<T>,
    key: Key,
    url: String,
}

/// Finds the account of a key, or makes it: the CA answers both in the same way (RFC 8555, 7.3).
pub(super) async fn open<'a, T: Transport>(
    client: &'a Client<T>,
    key: Key,
    contact: &[String],
    binding: Option<&Binding<'_>>,
) -> Result<Account<'a, T>, Error> {
    let url = &client.directory.new_account;
    let mut wish = json!({ "termsOfServiceAgreed": true, "contact": contact });
    match binding {
        Some(binding) => wish["externalAccountBinding"] = bound(client, &key, binding)?,
        None if client.directory.meta.external_account_required => {
            return Err(unfit(client, "it wants an external account: configure its key"));
        }
        None => {}
    }
    let answer = client.post(Signer::Key(&key), url, Some(&wish)).await?;
    let missing = || Error::Answer { url: url.clone(), missing: "the account's address" };
    let account = answer.location.ok_or_else(missing)?;
    Ok(Account::new(client, key, account))
}

fn bound<T: Transport>(client: &Client<T>, key: &Key, binding: &Binding<'_>) -> Result<Value, Error> {
    let mac_key = jws::from_base64url(binding.key)
        .ok_or_else(|| unfit(client, "the external account's key is not base64url"))?;
    Ok(jws::binding(key, &client.directory.new_account, binding.id, &mac_key))
}

fn unfit<T: Transport>(client: &Client<T>, reason: &str) -> Error {
    Error::Unfit { directory: client.url().to_owned(), reason: reason.to_owned() }
}

impl<'a, T: Transport> Account<'a, T> {
    pub(super) fn new(client: &'a Client<T>, key: Key, url: String) -> Self {
        Self { client, key, url }
    }

    /// The account's address, by which the CA knows it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The account's key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Reads the account, to see whether the CA takes this key for it.
    ///
    /// # Errors
    /// When it does not, or is away.
    pub async fn confirm(&self) -> Result<(), Error> {
        self.post(&self.url, None).await.map(drop)
    }

    /// Orders a certificate. Returns the order's address too, by which it is found again.
    ///
    /// # Errors
    /// When the CA refuses, or has no such profile.
    pub async fn order(&self, wish: Wish<'_>) -> Result<(String, Order), Error> {
        let url = &self.client.directory.new_order;
        let answer = match self.post(url, Some(&self.wish(wish)?)).await {
            // Another order has replaced it already, or the CA does not know it as this account's (RFC 9773, 5): this one
            // replaces nothing then. Without a certificate a site has nothing; without the hint a CA has a little less.
            Err(error) if wish.replaces.is_some() && error.is_of_the_order() => {
                self.post(url, Some(&self.wish(Wish { replaces: None, ..wish })?)).await?
            }
            other => other?,
        };
        let order = parsed(url, &answer.body, "an order")?;
        let missing = || Error::Answer { url: url.clone(), missing: "the order's address" };
        Ok((answer.location.ok_or_else(missing)?, order))
    }

    fn wish(&self, wish: Wish<'_>) -> Result<Value, Error> {
        let directory = &self.client.directory;
        let identifiers: Vec<Value> =
            wish.names.iter().map(|name| json!({ "type": "dns", "value": name })).collect();
        let mut order = json!({ "identifiers": identifiers });
        if let Some(profile) = wish.profile {
            if !directory.meta.profiles.contains_key(profile) {
                let known = directory.meta.profiles.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                return Err(unfit(self.client, &format!("it has no profile {profile:?}, but: {known}")));
            }
            order["profile"] = profile.into();
        }
        if let Some(replaced) = wish.replaces.filter(|_| directory.renewal_info.is_some()) {
            order["replaces"] = replaced.into();
        }
        Ok(order)
    }

    /// How far an order is.
    ///
    /// # Errors
    /// When the CA is away or does not know it.
    pub async fn read_order(&self, url: &str) -> Result<Order, Error> {
        parsed(url, &self.post(url, None).await?.body, "an order")
    }

    /// How far the proof of a name is.
    ///
    /// # Errors
    /// When the CA is away or does not know it.
    pub async fn authorization(&self, url: &str) -> Result<Authorization, Error> {
        parsed(url, &self.post(url, None).await?.body, "an authorization")
    }

    /// Tells the CA that the answer to a challenge is in its place.
    ///
    /// # Errors
    /// When the CA refuses.
    pub async fn answered(&self, challenge_url: &str) -> Result<(), Error> {
        self.post(challenge_url, Some(&json!({}))).await.map(drop)
    }

    /// Hands in the certificate request (DER) of an order whose names are proven.
    ///
    /// # Errors
    /// When the CA refuses it.
    pub async fn finalize(&self, url: &str, request: &[u8]) -> Result<Order, Error> {
        let payload = json!({ "csr": jws::base64url(request) });
        parsed(url, &self.post(url, Some(&payload)).await?.body, "an order")
    }

    /// The certificate chain as PEM, leaf first.
    ///
    /// # Errors
    /// When the CA is away, or answers with something that is no text.
    pub async fn certificate(&self, url: &str) -> Result<String, Error> {
        let body = self.post(url, None).await?.body;
        String::from_utf8(body).map_err(|_| Error::Answer { url: url.to_owned(), missing: "a PEM text" })
    }

    /// Revokes a certificate (DER) for a reason (RFC 5280, 5.3.1: 1 is a key that leaked, 4 one that was superseded).
    ///
    /// # Errors
    /// When the CA refuses. That it is revoked already is none.
    pub async fn revoke(&self, certificate: &[u8], reason: u8) -> Result<(), Error> {
        let payload = json!({ "certificate": jws::base64url(certificate), "reason": reason });
        match self.post(&self.client.directory.revoke_cert, Some(&payload)).await {
            Err(error) if !error.is_problem("alreadyRevoked") => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives the account another key. The old one is worthless from then on (RFC 8555, 7.3.5).
    ///
    /// # Errors
    /// When the CA refuses; then the old key is still the account's.
    pub async fn change_key(&self, new: &Key) -> Result<(), Error> {
        let url = &self.client.directory.key_change;
        let inner = json!({ "account": self.url, "oldKey": jws::jwk(&self.key) });
        let payload = Signer::Key(new).inner(url, &inner)?;
        self.post(url, Some(&payload)).await.map(drop)
    }

    async fn post(&self, url: &str, payload: Option<&Value>) -> Result<Answer, Error> {
        self.client.post(Signer::Account { key: &self.key, url: &self.url }, url, payload).await
    }
}
