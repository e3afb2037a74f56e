//! The secret that a name server knows us by (TSIG, RFC 8945), from the file that `tsig-keygen` and `keymgr -t` write.
//!
//! Invariant: the secret is never shown, and a file that others can read is refused.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, TSigner};

/// How far the clocks of both sides may differ, in seconds: RFC 8945, 10 recommends 300.
const FUDGE_S: u16 = 300;

/// A shared secret with its name.
#[derive(Clone)]
pub(crate) struct Key(TSigner);

impl Key {
    /// Reads `key "NAME" { algorithm hmac-sha256; secret "BASE64"; };` or Knot's `id:`, `algorithm:`, `secret:`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let metadata =
            fs::metadata(path).with_context(|| format!("cannot read the key {}", path.display()))?;
        let others = metadata.permissions().mode() & 0o077;
        ensure!(others == 0, "others may read the key {}: chmod 600 it", path.display());
        let text = fs::read_to_string(path)?;
        Self::parse(&text).with_context(|| format!("{} is no TSIG key", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let words = words(text);
        let name = after(&words, &["key", "id"]).context("no name")?;
        let algorithm = algorithm(after(&words, &["algorithm"]).context("no algorithm")?)?;
        let secret = after(&words, &["secret"]).context("no secret")?;
        // The decoder's words would quote a part of the secret.
        let Ok(secret) = STANDARD.decode(secret) else { bail!("the secret is not base64") };
        let name = Name::from_ascii(name).context("the name is no name")?;
        Ok(Self(TSigner::new(secret, algorithm, name, FUDGE_S)?))
    }

    pub(super) fn signer(&self) -> &TSigner {
        &self.0
    }

    /// The key's name, as the server knows it.
    pub(crate) fn name(&self) -> String {
        self.0.signer_name().to_string()
    }
}

fn words(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.split(['#']).next().unwrap_or_default());
    let is_gap = |c: char| c.is_whitespace() || "{};:\"".contains(c);
    lines.flat_map(|line| line.split(is_gap)).filter(|word| !word.is_empty() && *word != "-").collect()
}

fn after<'a>(words: &[&'a str], names: &[&str]) -> Option<&'a str> {
    let at = words.iter().rposition(|word| names.contains(word))?;
    words.get(at + 1).copied()
}

fn algorithm(name: &str) -> Result<TsigAlgorithm> {
    Ok(match name {
        "hmac-sha256" => TsigAlgorithm::HmacSha256,
        "hmac-sha384" => TsigAlgorithm::HmacSha384,
        "hmac-sha512" => TsigAlgorithm::HmacSha512,
        _ => bail!(
            "algorithm {name}: use hmac-sha256, hmac-sha384 or hmac-sha512 (`tsig-keygen -a hmac-sha256`)"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_servers_own_formats_are_read() {
        let bind = "key \"release\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0\";\n};\n";
        let knot = "# hmac-sha256:release:c2VjcmV0\nkey:\n  - id: release\n    algorithm: hmac-sha256\n    secret: c2VjcmV0\n";
        for text in [bind, knot] {
            let key = Key::parse(text).unwrap();
            assert_eq!((key.name().as_str(), key.signer().key()), ("release.", &b"secret"[..]));
        }
    }

    #[test]
    fn a_refusal_never_quotes_the_secret() {
        let error = Key::parse("key k { algorithm hmac-sha256; secret \"hunter2!\"; };").err().unwrap();
        assert!(!format!("{error:#}").contains("hunter2"), "{error:#}");
        let weak = Key::parse("key k { algorithm hmac-md5; secret \"c2VjcmV0\"; };").err().unwrap();
        assert!(format!("{weak:#}").contains("use hmac-sha256"));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "key k { algorithm hmac-sha256; secret \"c2VjcmV0\"; };").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Key::read(&path).err().unwrap().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Key::read(&path).unwrap();
    }
}
