//! Plain HTTP leads to the same place over TLS, and nowhere else.

use anyhow::{Result, ensure};
use http::StatusCode;

use super::trust::ANOTHER_HOST;
use crate::{Client, Protocol, Request};

/// Both say "for ever"; 308 also keeps the method.
const PERMANENT: [StatusCode; 2] = [StatusCode::MOVED_PERMANENTLY, StatusCode::PERMANENT_REDIRECT];

pub(super) fn plain_http_redirects_keeping_path_and_query(client: &Client) -> Result<()> {
    for path in ["/", "/posts/new?a=1&b=%C3%BC", "/no/such/page?next=https://elsewhere.example/"] {
        let answer = client.send(&Request::get(path).over(Protocol::Plain))?.expect_one_of(&PERMANENT)?;
        let location = answer.header("location")?;
        let wanted = homes(client).map(|home| format!("{home}{path}"));
        ensure!(
            wanted.iter().any(|wanted| wanted == location),
            "redirected to {location}, not to {wanted:?}"
        );
    }
    Ok(())
}

pub(super) fn the_redirect_never_leaves_the_host(client: &Client) -> Result<()> {
    let homes = homes(client).map(|home| format!("{home}/"));
    for request in [
        Request::get("/").authority(ANOTHER_HOST),
        Request::get("//elsewhere.example/%2e%2e"),
        Request::get("/@elsewhere.example"),
    ] {
        let answer = client.send(&request.over(Protocol::Plain))?;
        let Some(location) = answer.headers.get("location") else { continue };
        let at_home = homes.iter().any(|home| location.as_bytes().starts_with(home.as_bytes()));
        ensure!(at_home, "redirected away from {homes:?}: {answer}");
    }
    Ok(())
}

/// The site's own address: with the usual port unsaid, or with the port by which this endpoint is reached.
fn homes(client: &Client) -> [String; 2] {
    let endpoint = client.endpoint();
    let port = endpoint.https.rsplit_once(':').map_or("443", |(_, port)| port);
    [format!("https://{}", endpoint.host), format!("https://{}:{port}", endpoint.host)]
}
