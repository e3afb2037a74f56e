//! The service as a whole: its parts put together, started, and ended in order.
//!
//! Invariant: the ports are taken before anything is migrated or renewed, and the database is left last.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use config::{Config, Limits};
use edge::drain::{self, Drain};
use edge::{Connection, Door, Load};
use tokio::net::TcpListener;

use crate::certificates::{self, Certificates};
use crate::http::{self, Site};
use db::Database;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configured certificate or key is not fit for the site.
    #[error("{}: `tls`", file.display())]
    Identity {
        /// The configuration file.
        file: PathBuf,
        /// Why.
        #[source]
        source: certificates::Error,
    },
    /// rustls refuses the configuration made here.
    #[error("cannot serve TLS")]
    Tls(#[source] certificates::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A service that holds its listeners and is ready to run.
#[derive(Debug)]
pub struct Server {
    http: TcpListener,
    https: TcpListener,
    certificates: Certificates,
    database: Database,
    site: Site,
    limits: Limits,
}

impl Server {
    /// Checks the certificate and takes the ports. The database is not needed yet.
    ///
    /// # Errors
    /// When the certificate, key or names do not fit, or a port is taken.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let database = Database::new(&config);
        let certificates = Certificates::new(&config, database.clone());
        let identity = |source| Error::Identity { file: config.file.clone().unwrap_or_default(), source };
        Self::with_certificates(&config, database, certificates.map_err(identity)?).await
    }

    /// As [`bind`](Self::bind), with certificates of the caller's.
    ///
    /// # Errors
    /// When a port is taken.
    pub async fn with_certificates(
        config: &Config,
        database: Database,
        certificates: Certificates,
    ) -> Result<Self, Error> {
        Ok(Self {
            http: listen(config.listen.http).await?,
            https: listen(config.listen.https).await?,
            site: Site::new(config, database.clone()).with_certificates(certificates.clone()),
            certificates,
            database,
            limits: config.limits.clone(),
        })
    }

    /// The addresses of the HTTP and the HTTPS listener: of use when port 0 was asked for.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.http.local_addr()?, self.https.local_addr()?))
    }

    /// Serves until the drain, then until the last connection is closed or the drain's deadline is over.
    ///
    /// # Errors
    /// When rustls refuses what it is configured with, which it has no reason to.
    pub async fn run(self, drain: Drain) -> Result<(), Error> {
        let tls = self.certificates.server_config().map_err(Error::Tls)?;
        let version = env!("CARGO_PKG_VERSION");
        match self.addresses() {
            Ok((http, https)) => tracing::info!(%http, %https, version, "serving"),
            // Whoever waits for this line must not miss it over a port number.
            Err(error) => tracing::info!(%error, version, "serving"),
        }
        let database = self.database.clone();
        let migrating = database.clone();
        let certificates = self.certificates.clone();
        let migration = tokio::spawn(async move { migrating.migrate().await });
        let renewal = tokio::spawn(async move { certificates.run().await });
        let attending = database.clone();
        let attendance = tokio::spawn(async move { attending.attend().await });
        let load = self.site.load();
        let closing = announced(drain, Arc::clone(&load), &self.limits);
        let limits = self.limits;
        let moved = Arc::new(http::plain(self.site.clone()));
        let plain = Connection::plain(moved, limits.clone(), closing.clone(), Arc::clone(&load));
        let secure = Connection::secure(tls, Arc::new(http::secure(self.site)), limits, closing, load)
            .with_challenges(Arc::new(self.certificates));
        let doors = [Door::new(self.http, plain), Door::new(self.https, secure)];
        let [plain, secure] = doors.map(Door::open);
        let _ = tokio::join!(plain, secure);
        for background in [migration, renewal, attendance] {
            background.abort();
            // Only then are its connections given up.
            let _ = background.await;
        }
        database.leave().await;
        database.close().await;
        tracing::info!("drained");
        Ok(())
    }
}

/// The drain as the listeners see it: `/readyz` says no first, and the doors close after the notice, so that a load
/// balancer has sent its visitors elsewhere before anybody is turned away.
fn announced(drain: Drain, load: Arc<Load>, limits: &Limits) -> Drain {
    let notice = Duration::from_millis(limits.notice_ms.into());
    let (trigger, closing) = drain::channel();
    tokio::spawn(async move {
        drain.started().await;
        tracing::info!("draining");
        load.drain();
        tokio::time::sleep(notice).await;
        trigger.start();
    });
    closing
}

/// std's backlog of 128 holds: each place in it is a socket with buffers on some systems.
async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    bound.map_err(|source| Error::Listen { address, source })
}
