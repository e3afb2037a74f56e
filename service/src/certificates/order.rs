//! From an order to a stored certificate. Every step can be the last of this machine: the next one goes on from there.
//!
//! Invariant: the order and its key are in the database before a name is proven, so an order is finished by whoever
//! comes, and a second is made only when the first came to nothing.

use std::time::Duration;

use tls::Key;
use tls::acme::{Account, Authorization, Order, Status, Wish, key_authorization, request};
use tokio::time::Instant;

use super::renewal::LEASE_S;
use super::transport::Https;
use super::{Certificates, Error};
use config::Way;
use db::certificates::{Challenge, Order as Row};
use db::renewals::Renewal;

/// How often an authority is asked whether it is done: at first, and at most.
const ASK: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(5)];

/// How long an authority may take for one thing. Let's Encrypt takes seconds; Pebble, for tests, up to a minute.
const PATIENCE: Duration = Duration::from_secs(300);

impl Certificates {
    /// Has a certificate and stores it. Returns its chain.
    pub(super) async fn obtain(
        &self,
        renewal: &Renewal,
        authority: &config::Authority,
        account: &Account<'_, Https>,
        replaces: Option<&str>,
    ) -> Result<String, Error> {
        let (row, order) = self.begin(authority, account, replaces).await?;
        let way = self.way(renewal.failures);
        let order = match order.status {
            Status::Pending => {
                let proven = self.prove(&order, account, way).await;
                self.0.database.forget_acme_challenges(&self.0.host).await?;
                self.keep_or_forget(proven).await?;
                self.order_until(account, &row.url, |status| status != Status::Pending).await?
            }
            _ => order,
        };
        let finished = self.finish(&row, order, account).await;
        let chain = self.keep_or_forget(finished).await?;
        self.store(authority, &row, chain).await
    }

    /// The order that was begun, by whatever machine, or a new one.
    async fn begin(
        &self,
        authority: &config::Authority,
        account: &Account<'_, Https>,
        replaces: Option<&str>,
    ) -> Result<(Row, Order), Error> {
        let names = self.0.names.join(" ");
        if let Some(row) = self.0.database.acme_order(&self.0.host).await?
            && row.authority == authority.directory
            && row.names == names
            && let Ok(order) = account.read_order(&row.url).await
            && !matches!(order.status, Status::Invalid | Status::Over)
        {
            tracing::info!(order = row.url, "an order is continued");
            return Ok((row, order));
        }
        // What an order that came to nothing has left would be taken for the new one's answers.
        self.0.database.forget_acme_challenges(&self.0.host).await?;
        let wish = Wish { names: &self.0.names, profile: authority.profile.as_deref(), replaces };
        let (url, order) = account.order(wish).await?;
        let sealed_key = self.seal(&self.order_purpose(), &Key::generate()?.to_pem()?)?;
        let row = Row { authority: authority.directory.clone(), url, names, sealed_key };
        self.0.database.set_acme_order(&self.0.host, &row).await?;
        tracing::info!(order = row.url, "a certificate is ordered");
        Ok((row, order))
    }

    /// Ways take turns with failures, so that a closed port 80 or a proxy before port 443 is no end.
    fn way(&self, failures: u32) -> Way {
        let ways = self.0.config.acme.as_ref().map(|acme| acme.challenges.as_slice()).unwrap_or_default();
        ways.get(failures as usize % ways.len().max(1)).copied().unwrap_or(Way::Http01)
    }

    async fn prove(&self, order: &Order, account: &Account<'_, Https>, way: Way) -> Result<(), Error> {
        for url in &order.authorizations {
            let authorization = account.authorization(url).await?;
            if authorization.status == Status::Pending {
                self.lay_out(&authorization, account, way).await?;
            }
        }
        for url in &order.authorizations {
            self.proven(url, account, way).await?;
        }
        Ok(())
    }

    async fn lay_out(
        &self,
        authorization: &Authorization,
        account: &Account<'_, Https>,
        way: Way,
    ) -> Result<(), Error> {
        self.hold().await?;
        let name = authorization.identifier.value.clone();
        let challenge = authorization.challenges.iter().find(|challenge| challenge.kind == way.as_str());
        let unoffered =
            || Error::Unproven { name: name.clone(), way: way.as_str(), reason: "not offered".to_owned() };
        let challenge = challenge.ok_or_else(unoffered)?;
        if challenge.token.len() > tls::acme::TOKEN_MAX {
            return Err(Error::Unproven { name, way: way.as_str(), reason: "an overlong token".to_owned() });
        }
        let row = Challenge {
            token: challenge.token.clone(),
            name,
            key_authorization: key_authorization(account.key(), &challenge.token),
        };
        self.0.database.add_acme_challenge(&self.0.host, &row).await?;
        if matches!(challenge.status, None | Some(Status::Pending)) {
            account.answered(&challenge.url).await?;
        }
        Ok(())
    }

    async fn proven(&self, url: &str, account: &Account<'_, Https>, way: Way) -> Result<(), Error> {
        let authorization = self
            .until(|| account.authorization(url), |authorization| authorization.status != Status::Pending)
            .await?;
        if authorization.status == Status::Valid {
            return Ok(());
        }
        let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        let reason = problem.map_or_else(|| "the authority does not say why".to_owned(), ToString::to_string);
        Err(Error::Unproven { name: authorization.identifier.value, way: way.as_str(), reason })
    }

    async fn finish(&self, row: &Row, order: Order, account: &Account<'_, Https>) -> Result<String, Error> {
        let key = self.order_key(row)?;
        if order.status == Status::Ready {
            self.hold().await?;
            account.finalize(&order.finalize, &request(&self.0.names, &key)?).await?;
        }
        let waits = |status| matches!(status, Status::Ready | Status::Processing);
        let order = self.order_until(account, &row.url, |status| !waits(status)).await?;
        match (order.status, order.certificate) {
            (Status::Valid, Some(url)) => Ok(account.certificate(&url).await?),
            (_, _) => {
                let reason =
                    order.error.map_or_else(|| format!("{:?}", order.status), |error| error.to_string());
                Err(Error::Order(reason))
            }
        }
    }

    /// Checks what came, stores it for all machines, and presents it here.
    async fn store(&self, authority: &config::Authority, row: &Row, chain: String) -> Result<String, Error> {
        let key = self.order_key(row)?.to_pem()?;
        let names: Vec<&str> = self.0.names.iter().map(String::as_str).collect();
        let checked = self.judge(&chain, &key, &names);
        self.keep_or_forget(checked).await?;
        let sealed = self.seal(&tls::seal::of_certificate(&self.0.host), &key)?;
        let (host, holder) = (&self.0.host, &self.0.holder);
        let database = &self.0.database;
        if !database.add_certificate(host, holder, &authority.directory, &chain, &sealed).await? {
            return Err(Error::LeaseLost);
        }
        self.take_newest().await?;
        Ok(chain)
    }

    /// An order that came to nothing is forgotten, so that the next attempt makes another. One that the authority or the
    /// database was only too slow for is kept.
    async fn keep_or_forget<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Order(_) | Error::Unproven { .. } | Error::Tls(_)) = &result {
            self.0.database.forget_acme_order(&self.0.host).await?;
        }
        if let Err(Error::Authority(tls::acme::Error::Refused { .. })) = &result {
            self.0.database.forget_acme_order(&self.0.host).await?;
        }
        result
    }

    async fn order_until(
        &self,
        account: &Account<'_, Https>,
        url: &str,
        is_done: impl Fn(Status) -> bool,
    ) -> Result<Order, Error> {
        self.until(|| account.read_order(url), |order| is_done(order.status)).await
    }

    /// Asks until it is done, holding the lease.
    async fn until<T, A: Future<Output = Result<T, tls::acme::Error>>>(
        &self,
        ask: impl Fn() -> A,
        is_done: impl Fn(&T) -> bool,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let mut pause = ASK[0];
        loop {
            self.hold().await?;
            let answer = ask().await?;
            if is_done(&answer) {
                return Ok(answer);
            }
            if begun.elapsed() > PATIENCE {
                return Err(Error::Slow(PATIENCE.as_secs()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ASK[1]);
        }
    }

    async fn hold(&self) -> Result<(), Error> {
        match self.0.database.extend_lease(&self.0.host, &self.0.holder, LEASE_S).await? {
            true => Ok(()),
            false => Err(Error::LeaseLost),
        }
    }

    fn order_purpose(&self) -> String {
        format!("acme_orders {}", self.0.host)
    }

    fn order_key(&self, row: &Row) -> Result<Key, Error> {
        let pem = self.unseal(&self.order_purpose(), &row.sealed_key)?;
        Ok(Key::from_pem(&pem).ok_or_else(|| tls::Error::Sealed { purpose: self.order_purpose() })?)
    }
}
