//! Certificates that need no authority: brought by the configuration, or made here for development.
//!
//! A brought one is read again when its file changes. Where there is no file that could, in a machine, an operator brings the
//! next one by way of the database (`keeper.rs`). Invariant: a file that is not fit changes nothing but the log.

use super::{Certificates, Error};
use crate::log::chain;
use config::Config;

impl Certificates {
    /// Presents what the configuration holds, if it holds something.
    pub(super) fn present_own(&self) -> Result<(), Error> {
        let config = &self.0.config;
        if config.development_self_signed {
            let (chain, key) = tls::self_signed(&self.0.names)?;
            tracing::warn!("a self-signed certificate is presented: for development only");
            return self.check_and_present(&chain, &key);
        }
        self.present_brought(config)
    }

    fn present_brought(&self, config: &config::Tls) -> Result<(), Error> {
        match (&config.certificate_chain, &config.private_key) {
            (Some(chain), Some(key)) => self.check_and_present(chain, key.reveal()),
            _ => Ok(()),
        }
    }

    fn check_and_present(&self, chain: &str, key: &str) -> Result<(), Error> {
        let names: Vec<&str> = self.0.names.iter().map(String::as_str).collect();
        let (identity, facts) = self.judge(chain, key, &names)?;
        self.present(identity, &facts, 0);
        Ok(())
    }

    /// Looks whether the configuration file has another certificate than last time.
    pub(super) fn reload(&self, last: &mut Option<String>) {
        let Some(path) = self.0.file.as_deref().filter(|_| self.0.config.certificate_chain.is_some()) else {
            return;
        };
        let text = std::fs::read_to_string(path).ok();
        let before = std::mem::replace(last, text);
        if before.is_none() || before == *last {
            return;
        }
        let reread = Config::read(path).map_err(|error| chain(&error));
        let presented = reread.and_then(|config| {
            self.present_brought(&config.tls)
                .map_err(|error| format!("{}: `tls`: {}", path.display(), chain(&error)))
        });
        let error = presented.err();
        if let Some(error) = &error {
            tracing::error!(error, "the changed certificate is refused: the old one is presented still");
        }
        self.0.status.error(error);
    }
}
