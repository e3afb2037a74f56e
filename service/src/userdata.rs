//! The configuration from a cloud's metadata service, for machines whose boot disk holds none.
//!
//! Two forms: the EC2 style at 169.254.169.254, with a session token where the cloud has one (IMDSv2), and NoCloud, a folder on
//! a web server. It is read once. Invariant: nothing is served before a whole, checked configuration was had; what is
//! wrong is said on the console by its key, never by its value.

mod http;

use std::time::Duration;

use zeroize::Zeroizing;

use config::Config;

pub use http::Fault;

/// Where EC2 and those that follow it have their metadata (a link-local address, RFC 3927).
const EC2: &str = "169.254.169.254:80";
/// The token is used once, at once.
const TOKEN_SECONDS: &str = "60";
/// The first pause after a failure; doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause: a person who has mended the user-data waits no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Who has the user-data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The EC2 style at this address and port.
    Ec2(String),
    /// NoCloud: the file `user-data` in a folder of the web server at this address and port.
    NoCloud {
        /// Address and port.
        server: String,
        /// The folder's path, with a slash at both ends.
        folder: String,
    },
}

impl Source {
    /// The cloud's usual place, or the folder that a boot argument names: `http://10.0.0.1:8000/web/`.
    ///
    /// # Errors
    /// When the argument is no such URL.
    pub fn from_argument(seed: Option<&str>) -> Result<Self, String> {
        let Some(seed) = seed else { return Ok(Self::Ec2(EC2.to_owned())) };
        let rest = seed.strip_prefix("http://").filter(|rest| !rest.starts_with('/') && !rest.is_empty());
        let rest = rest.ok_or_else(|| format!("{seed:?} is no seed: write http://ADDRESS[:PORT]/FOLDER/"))?;
        let (server, folder) = rest.split_once('/').unwrap_or((rest, ""));
        let server = if server.contains(':') { server.to_owned() } else { format!("{server}:80") };
        let folder = folder.trim_end_matches('/');
        let folder = if folder.is_empty() { "/".to_owned() } else { format!("/{folder}/") };
        Ok(Self::NoCloud { server, folder })
    }

    async fn fetch(&self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        match self {
            Self::Ec2(server) => {
                let token = match token(server).await {
                    Ok(token) => Some(token),
                    // Clouds that follow EC2 without sessions: OpenStack among them.
                    Err(Fault::Status(403..=405)) => None,
                    Err(fault) => return Err(fault),
                };
                let header = token.as_ref().map(|token| ("x-aws-ec2-metadata-token", token.as_str()));
                http::send("GET", server, "/latest/user-data", header).await
            }
            Self::NoCloud { server, folder } => {
                http::send("GET", server, &format!("{folder}user-data"), None).await
            }
        }
    }
}

async fn token(server: &str) -> Result<Zeroizing<String>, Fault> {
    let header = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
    let token = http::send("PUT", server, "/latest/api/token", Some(header)).await?;
    let text = std::str::from_utf8(&token).map_err(|_| Fault::NotText)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Asks until a whole, checked configuration is there; `tell` is told of each failure.
pub async fn wait(source: &Source, tell: impl Fn(&str)) -> Config {
    let mut pause = PAUSE_MIN;
    loop {
        match read(source).await {
            Ok(config) => return config,
            Err(reason) => tell(&format!("{reason}; asking again in {} s", pause.as_secs_f32())),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn read(source: &Source) -> Result<Config, String> {
    let bytes =
        source.fetch().await.map_err(|fault| format!("no user-data: {}", crate::log::chain(&fault)))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "the user-data is not text".to_owned())?;
    Config::parse(text).map_err(|reason| format!("the user-data is refused: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_folder_on_a_web_server() {
        let no_cloud = |server: &str, folder: &str| {
            Ok(Source::NoCloud { server: server.to_owned(), folder: folder.to_owned() })
        };
        assert_eq!(Source::from_argument(None), Ok(Source::Ec2(EC2.to_owned())));
        for (seed, server, folder) in [
            ("http://10.0.0.1:8000/web/", "10.0.0.1:8000", "/web/"),
            ("http://10.0.0.1/a/b", "10.0.0.1:80", "/a/b/"),
            ("http://10.0.0.1", "10.0.0.1:80", "/"),
        ] {
            assert_eq!(Source::from_argument(Some(seed)), no_cloud(server, folder), "{seed}");
        }
        for seed in ["https://10.0.0.1/", "http:///web/", "10.0.0.1", "http://"] {
            assert!(Source::from_argument(Some(seed)).is_err(), "{seed}");
        }
    }
}
