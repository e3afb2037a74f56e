//! The way to an authority: its directory, and the account there, whose key is in the database.
//!
//! Invariant: a key is in the database before the authority hears of it, so that none is lost with a machine.

use std::sync::Arc;

use tls::Key;
use tls::acme::{Account, Binding, Client};

use super::transport::Https;
use super::{Certificates, Error};
use config::Secret;

impl Certificates {
    /// Reads an authority's directory.
    pub(super) async fn authority(&self, authority: &config::Authority) -> Result<Client<Https>, Error> {
        let roots = match &authority.roots {
            Some(roots) => tls::client::root_store(roots)?,
            None => tls::client::public_roots(),
        };
        let tls = tls::client::config_at(roots, &[b"http/1.1"], Arc::new(self.0.clock.clone()))?;
        Ok(Client::open(Https::new(tls), &authority.directory).await?)
    }

    /// The account at an authority, made if there is none.
    pub(super) async fn account<'a>(
        &self,
        client: &'a Client<Https>,
        authority: &config::Authority,
    ) -> Result<Account<'a, Https>, Error> {
        let row = self.account_row(client.url()).await?;
        let key = self.account_key(client.url(), &row.sealed_key)?;
        match row.url {
            None => self.open_account(client, authority, key).await,
            Some(url) => match row.next_sealed_key {
                None => Ok(client.known_account(key, url)),
                Some(next) => self.finish_change(client, key, url, &next).await,
            },
        }
    }

    async fn account_row(&self, url: &str) -> Result<db::certificates::Account, Error> {
        if let Some(row) = self.0.database.acme_account(url).await? {
            return Ok(row);
        }
        let sealed = self.seal(&purpose(url), &Key::generate()?.to_pem()?)?;
        self.0.database.add_acme_account(url, &sealed).await?;
        let row = self.0.database.acme_account(url).await?;
        row.ok_or_else(|| Error::Order("the account's row is gone".to_owned()))
    }

    fn account_key(&self, url: &str, sealed: &[u8]) -> Result<Key, Error> {
        let key = Key::from_pem(&self.unseal(&purpose(url), sealed)?);
        Ok(key.ok_or_else(|| tls::Error::Sealed { purpose: purpose(url) })?)
    }

    async fn open_account<'a>(
        &self,
        client: &'a Client<Https>,
        authority: &config::Authority,
        key: Key,
    ) -> Result<Account<'a, Https>, Error> {
        let external = authority.external_account_id.as_deref().zip(authority.external_account_key.as_ref());
        let binding = external.map(|(id, key)| Binding { id, key: Secret::reveal(key) });
        let contact = self.0.config.acme.as_ref().map(|acme| acme.contact.as_slice()).unwrap_or_default();
        let account = client.account(key, contact, binding.as_ref()).await?;
        self.0.database.set_acme_account_url(client.url(), Some(account.url())).await?;
        Ok(account)
    }

    /// A change of the key was begun, and nobody knows whether the authority heard of it: it does if it takes the new key.
    async fn finish_change<'a>(
        &self,
        client: &'a Client<Https>,
        key: Key,
        url: String,
        next: &[u8],
    ) -> Result<Account<'a, Https>, Error> {
        let next = self.account_key(client.url(), next)?;
        let with_next = client.known_account(next, url.clone());
        match with_next.confirm().await {
            Ok(()) => {
                self.0.database.take_next_account_key(client.url()).await?;
                Ok(with_next)
            }
            Err(tls::acme::Error::Refused { .. }) => {
                self.0.database.set_next_account_key(client.url(), None).await?;
                Ok(client.known_account(key, url))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Gives the account another key.
    pub(super) async fn roll_key(
        &self,
        client: &Client<Https>,
        account: &Account<'_, Https>,
    ) -> Result<(), Error> {
        let next = Key::generate()?;
        let sealed = self.seal(&purpose(client.url()), &next.to_pem()?)?;
        self.0.database.set_next_account_key(client.url(), Some(&sealed)).await?;
        account.change_key(&next).await?;
        self.0.database.take_next_account_key(client.url()).await?;
        tracing::info!(authority = client.url(), "the account has another key");
        Ok(())
    }
}

fn purpose(url: &str) -> String {
    format!("acme_accounts {url}")
}
