//! Session tickets across machines.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tls::rustls::HandshakeKind;

use super::authority::Ways;
use super::machine::{request, sql, visitor, wait_until};
use super::sites::Two;
use crate::fixture::{Fixture, HOST, run};

/// Enough for a look each 20 ms until every machine has looked for keys.
const RETURNS: usize = 150;

pub(crate) fn a_session_of_one_machine_resumes_at_another(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let two = Two::issued(fixture, Ways::default()).await?;
        let root = two.pebble.root().await?;
        let ports = [two.first.https.port(), two.second.https.port()];
        wait_until(Duration::from_secs(10), async || resumes(&root, ports).await).await?;
        // Without the shared keys every machine is a stranger to the other's sessions.
        // Each comes back once: at a return a visitor is given new tickets, which may be sealed with the new key already.
        let mut visitors = Vec::new();
        for _ in 0..RETURNS {
            let client = visitor(&root)?;
            request(ports[0], &client, HOST, "/healthz").await?;
            visitors.push(client);
        }
        let visitors = Mutex::new(visitors);
        ensure!(
            sql(fixture, "UPDATE ticket_keys SET created_at = created_at - INTERVAL 13 HOUR").await? > 0,
            "no keys"
        );
        let next = || visitors.lock().unwrap_or_else(PoisonError::into_inner).pop();
        wait_until(Duration::from_secs(10), async || {
            let client = next().context("every session resumed")?;
            Ok(!resumed(&client, ports[1]).await?)
        })
        .await?;
        // A new key is in its place.
        wait_until(Duration::from_secs(10), async || resumes(&root, ports).await).await
    })
}

async fn resumes(root: &str, [one, other]: [u16; 2]) -> anyhow::Result<bool> {
    let client = visitor(root)?;
    request(one, &client, HOST, "/healthz").await?;
    resumed(&client, other).await
}

async fn resumed(client: &std::sync::Arc<tls::rustls::ClientConfig>, port: u16) -> anyhow::Result<bool> {
    Ok(request(port, client, HOST, "/healthz").await?.handshake == Some(HandshakeKind::Resumed))
}
