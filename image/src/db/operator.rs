//! An operator's way into a running db machine: to give MySQL another certificate without a restart.
//!
//! The machine has no shell and no port but MySQL's, so that is the way: an account that may lay files into one folder and
//! read them there. What is laid out is judged in the machine (`usr/lib/bootstack/certificate`). Invariant: no secret is in
//! a table or in a log of MySQL's.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::client::{Client, Login, hexadecimal};
use crate::Layout;
use crate::wait::{Status, wait_until};

/// Where the machine expects a certificate, and answers.
const FOLDER: &str = "/var/lib/mysql/exchange";
/// Under emulation the machine judges in some five seconds.
const DEADLINE: Duration = Duration::from_secs(120);

/// What MySQL shall present and trust.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Roots that clients' certificates and its own are checked against, PEM.
    pub ca: &'a str,
    /// Its chain, PEM.
    pub certificate: &'a str,
    /// Its key, PEM.
    pub key: &'a str,
}

/// The dates of what a new connection is shown, in MySQL's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The first day.
    pub not_before: String,
    /// The last day.
    pub not_after: String,
}

/// Who may give MySQL another certificate.
#[derive(Debug)]
pub struct Operator(Client);

impl Operator {
    /// Nothing is asked yet. Only the account `operator` may do what follows.
    ///
    /// # Errors
    /// When the client is not there and cannot be fetched, or the login cannot be written.
    pub fn new(layout: &Layout, login: &Login<'_>) -> Result<Self> {
        Ok(Self(Client::new(layout, login)?))
    }

    /// Gives MySQL another certificate, and returns when it presents it: connections stay, new ones see it.
    ///
    /// # Errors
    /// When the machine cannot be reached, another exchange is under way, or the machine refuses, with its reason: then
    /// all is as it was.
    pub fn give(&self, offer: &Offer<'_>) -> Result<()> {
        let id = identifier()?;
        let Offer { ca, certificate, key } = offer;
        let bundle = format!("{id}\n[ca]\n{ca}\n[certificate]\n{certificate}\n[key]\n{key}\n");
        // The second file is the word that the first is whole. MySQL overwrites none: two operators do not meet.
        let lay = format!(
            "SELECT X'{}' INTO DUMPFILE '{FOLDER}/bundle'; SELECT '' INTO DUMPFILE '{FOLDER}/go';",
            hexadecimal(without_blank_lines(&bundle).as_bytes())
        );
        if let Err(error) = self.0.ask(&lay) {
            ensure!(
                format!("{error:#}").contains("already exists"),
                error.context("nothing can be laid out")
            );
            self.clear()?;
            self.0.ask(&lay).context("the certificate cannot be laid out")?;
        }
        let answer = wait_until(DEADLINE, "the machine's answer", || {
            Ok(match self.0.ask(&format!("SELECT LOAD_FILE('{FOLDER}/answer')"))?.strip_prefix(&id) {
                Some(answer) => Status::Reached(answer.trim().to_owned()),
                None => Status::Pending("none yet".to_owned()),
            })
        })?;
        match answer.strip_suffix("\\n").unwrap_or(&answer) {
            "presented" => Ok(()),
            refused => bail!("the db machine keeps its certificate: {refused}"),
        }
    }

    /// Has the machine judge what an operator has laid out who was cut off before the word, or is about to give it.
    fn clear(&self) -> Result<()> {
        let _ = self.0.ask(&format!("SELECT '' INTO DUMPFILE '{FOLDER}/go'"));
        wait_until(DEADLINE, "the end of another's exchange", || {
            Ok(match self.0.ask(&format!("SELECT LOAD_FILE('{FOLDER}/go') IS NULL"))?.trim() {
                "1" => Status::Reached(()),
                _ => Status::Pending("it goes on".to_owned()),
            })
        })
    }

    /// What a new connection is shown.
    ///
    /// # Errors
    /// When it is not to be trusted, or the machine cannot be reached.
    pub fn shown(&self) -> Result<Shown> {
        let status = self.0.ask("SHOW SESSION STATUS LIKE 'Ssl_server_not_%'")?;
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned()).with_context(|| format!("MySQL tells no {name}"))
        };
        Ok(Shown { not_before: value("Ssl_server_not_before")?, not_after: value("Ssl_server_not_after")? })
    }
}

fn identifier() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    Ok(hexadecimal(&bytes))
}

/// The machine takes no line that is not PEM's.
fn without_blank_lines(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{}\n", line.trim_end())).collect()
}
