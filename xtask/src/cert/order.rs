//! A certificate by dns-01: for wildcards, and for a site whose record does not lead to a machine yet.
//!
//! Invariant: a text that was put into the zone is taken out again, whatever happens; a key and its chain replace the ones
//! before only when both are there and fit.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::image::wait::{Status as Waited, wait_until};
use ::image::{Layout, Stack, layout, progress};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tls::acme::{Account, Authorization, Client, Order, Status, Wish, key_authorization, record, request};
use tls::rustls::pki_types::UnixTime;
use tls::{Identity, Key};

use super::carrier::{Carrier, done};
use crate::dns::{self, Form, Names, Server, Text, Zone, absolute};
use crate::release::config::Config;
use crate::site::write_secret;

/// The authority that most sites take.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// How often an authority is asked whether it is done, and how long it may take.
const ASK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Order a certificate by dns-01: for wildcards, and before the A record leads to a machine
#[derive(Debug, Args)]
pub(super) struct Command {
    /// What the certificate is for, such as `*.foobar.com`. Left out: the site's host name
    names: Vec<String>,
    /// Where `chain.pem`, `key.pem` and the account's key `account.pem` are written
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The zone, its servers and the key to change it, instead of xtask/release.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The authority
    #[arg(long, value_name = "URL", default_value = DIRECTORY)]
    directory: String,
    /// Trust the roots in this PEM file at the authority, instead of those that browsers trust
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where the authority can reach you
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,
    /// Replace a certificate that is there already
    #[arg(long)]
    replace: bool,
}

impl Command {
    pub(super) fn run(&self) -> Result<()> {
        let layout = Layout::here()?;
        let names = match self.names.as_slice() {
            [] => vec![Stack::load(&layout)?.host],
            names => names.to_vec(),
        };
        let config = self.config.clone().unwrap_or_else(|| layout.root().join("xtask/release.toml"));
        let zone = zone(&config, &names)?;
        let roots = self
            .ca
            .as_ref()
            .map(|path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())));
        let chain = self.out.join("chain.pem");
        ensure!(
            self.replace || !chain.exists(),
            "{} is there already: --replace orders another",
            chain.display()
        );
        fs::create_dir_all(&self.out).with_context(|| format!("cannot create {}", self.out.display()))?;
        let authority =
            Authority { directory: &self.directory, roots: roots.transpose()?, contact: self.contact() };
        let issued = obtain(&authority, &account_key(&self.out)?, &names, &zone)?;
        write_secret(&self.out.join("key.pem"), issued.key.as_bytes())?;
        layout::replace_with(&chain, issued.chain.as_bytes())?;
        println!(
            "{} and key.pem beside it: give both in the section [tls] of the machines' configuration, and to machines \
             that run by `cargo xtask cert bring`",
            chain.display()
        );
        Ok(())
    }

    fn contact(&self) -> Vec<String> {
        self.contact
            .iter()
            .map(|address| format!("mailto:{}", address.trim_start_matches("mailto:")))
            .collect()
    }
}

/// The zone that the names are in, and that this host may change.
fn zone(path: &Path, names: &[String]) -> Result<Zone> {
    let records = Config::read(path)?.records;
    let key = records.key.as_deref().with_context(|| {
        format!("{}: dns-01 needs records.servers and records.key (`tsig-keygen`)", path.display())
    })?;
    ensure!(!records.servers.is_empty(), "{}: records.servers names no server", path.display());
    let zone = absolute(&records.zone);
    for name in names {
        let inside = absolute(name) == zone || absolute(name).ends_with(&format!(".{zone}"));
        ensure!(inside, "{name} is not in the zone {zone} of {}", path.display());
    }
    let servers = records.servers.iter().map(|text| Server::parse(text)).collect::<Result<_>>()?;
    let names = Names { host: zone.clone(), apex: None, form: Form::Address };
    Ok(Zone { name: zone, servers, key: Some(dns::Key::read(key)?), names })
}

/// The account's key: the one of the last order, or a new one.
fn account_key(folder: &Path) -> Result<Key> {
    let path = folder.join("account.pem");
    if let Ok(text) = fs::read_to_string(&path) {
        return Key::from_pem(&text).with_context(|| format!("{} is no key", path.display()));
    }
    let key = Key::generate()?;
    write_secret(&path, key.to_pem()?.as_bytes())?;
    Ok(key)
}

/// Whom to order from.
pub(super) struct Authority<'a> {
    pub(super) directory: &'a str,
    /// PEM; those that browsers trust if none are given.
    pub(super) roots: Option<String>,
    pub(super) contact: Vec<String>,
}

/// What was ordered, PEM.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) key: String,
}

/// Has a certificate for the names, each proven by a text in the zone.
pub(super) fn obtain(authority: &Authority<'_>, key: &Key, names: &[String], zone: &Zone) -> Result<Issued> {
    let step = progress::start(format!("certificate for {}", names.join(", ")));
    let client = done(Client::open(Carrier::new(authority.roots.as_deref())?, authority.directory))?;
    let key = Key::from_pem(&key.to_pem()?).context("the account's key is no key")?;
    let account = done(client.account(key, &authority.contact, None))?;
    let (url, order) = done(account.order(Wish { names, profile: None, replaces: None }))?;
    step.update("the names are proven");
    prove(&account, &order, zone)?;
    let ready = until(&account, &url, |status| status != Status::Pending)?;
    ensure!(ready.status == Status::Ready, "the order came to nothing: {}", reason(&ready));
    step.update("the certificate is written");
    let own = Key::generate()?;
    done(account.finalize(&ready.finalize, &request(names, &own)?))?;
    let order = until(&account, &url, |status| !matches!(status, Status::Ready | Status::Processing))?;
    let Some(at) = order.certificate.as_ref().filter(|_| order.status == Status::Valid) else {
        bail!("the order came to nothing: {}", reason(&order));
    };
    let issued = Issued { chain: done(account.certificate(at))?, key: own.to_pem()? };
    // A wildcard is for any name in its place.
    let wanted: Vec<String> = names.iter().map(|name| name.replacen('*', "any", 1)).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    Identity::from_pem(&issued.chain, &issued.key, &wanted, UnixTime::now())?;
    step.done("");
    Ok(issued)
}

fn reason(order: &Order) -> String {
    order.error.as_ref().map_or_else(|| format!("{:?}", order.status), ToString::to_string)
}

/// All texts are laid out before the authority is told of any: two names may share one place.
fn prove(account: &Account<'_, Carrier>, order: &Order, zone: &Zone) -> Result<()> {
    let mut laid = Vec::new();
    let proven = lay_out(account, order, zone, &mut laid).and_then(|()| {
        for answer in &laid {
            answer.text().await_everywhere(zone, ASK.1)?;
        }
        for answer in &laid {
            done(account.answered(&answer.challenge))?;
        }
        order.authorizations.iter().try_for_each(|url| proven(account, url))
    });
    let cleared: Result<()> = laid.iter().try_for_each(|answer| answer.text().remove(zone));
    proven?;
    cleared.context("the names are proven, but a text was left in the zone")
}

/// An answer that lies in the zone.
struct Laid {
    name: String,
    value: String,
    challenge: String,
}

impl Laid {
    fn text(&self) -> Text<'_> {
        Text { name: &self.name, value: &self.value }
    }
}

fn lay_out(account: &Account<'_, Carrier>, order: &Order, zone: &Zone, laid: &mut Vec<Laid>) -> Result<()> {
    for url in &order.authorizations {
        let authorization = done(account.authorization(url))?;
        if authorization.status != Status::Pending {
            continue;
        }
        let name = &authorization.identifier.value;
        let challenge = authorization.challenges.iter().find(|challenge| challenge.kind == "dns-01");
        let challenge = challenge.with_context(|| format!("the authority offers no dns-01 for {name}"))?;
        let value = record(&key_authorization(account.key(), &challenge.token));
        // RFC 8555, 8.4: the same place for a name and the wildcard below it.
        let answer = Laid {
            name: absolute(&format!("_acme-challenge.{name}")),
            value,
            challenge: challenge.url.clone(),
        };
        answer.text().add(zone)?;
        laid.push(answer);
    }
    Ok(())
}

fn proven(account: &Account<'_, Carrier>, url: &str) -> Result<()> {
    let authorization: Authorization = ask(|| {
        let seen = done(account.authorization(url))?;
        Ok((seen.status != Status::Pending).then_some(seen))
    })?;
    if authorization.status == Status::Valid {
        return Ok(());
    }
    let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
    let reason = problem.map_or_else(|| "it does not say why".to_owned(), ToString::to_string);
    bail!("the authority does not take the proof for {}: {reason}", authorization.identifier.value)
}

fn until(account: &Account<'_, Carrier>, url: &str, is_done: impl Fn(Status) -> bool) -> Result<Order> {
    ask(|| {
        let order = done(account.read_order(url))?;
        Ok(is_done(order.status).then_some(order))
    })
}

/// Asks again and again, not too often, for as long as an authority may take.
fn ask<T>(mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let mut asked: Option<Instant> = None;
    wait_until(ASK.1, "the certificate authority", || {
        if asked.is_none_or(|at| at.elapsed() >= ASK.0) {
            asked = Some(Instant::now());
            if let Some(found) = look()? {
                return Ok(Waited::Reached(found));
            }
        }
        Ok(Waited::Pending("it is not done yet".to_owned()))
    })
}
