//! Session tickets across machines.

use std::time::Duration;

use anyhow::ensure;
use tls::rustls::HandshakeKind;

use super::authority::Ways;
use super::machine::{request, sql, visitor, wait_until};
use super::sites::Two;
use crate::fixture::{Fixture, HOST, run};

pub(crate) fn a_session_of_one_machine_resumes_at_another(fixture: &Fixture) -> anyhow::Result<()> {
    run(async {
        let two = Two::issued(fixture, Ways::default()).await?;
        let root = two.pebble.root().await?;
        let ports = [two.first.https.port(), two.second.https.port()];
        wait_until(Duration::from_secs(10), async || resumes(&root, ports).await).await?;
        // Without the shared keys every machine is a stranger to the other's sessions.
        let client = visitor(&root)?;
        request(ports[0], &client, HOST, "/healthz").await?;
        ensure!(
            sql(fixture, "UPDATE ticket_keys SET created_at = created_at - INTERVAL 13 HOUR").await? > 0,
            "no keys"
        );
        wait_until(Duration::from_secs(10), async || Ok(!resumed(&client, ports[1]).await?)).await?;
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
