//! Signed requests (JWS, RFC 7515, flattened) with ES256, and with HS256 for external accounts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use graviola::hashing::hmac::Hmac;
use graviola::hashing::{Hash, Sha256};
use serde_json::{Value, json};

use crate::{Error, Key};

/// base64url without padding, as all of JOSE.
pub(super) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The inverse; `None` for anything else.
pub(super) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).ok()
}

/// Who signs: an account that the CA knows, or a key that it does not know yet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signer<'a> {
    Key(&'a Key),
    Account { key: &'a Key, url: &'a str },
}

impl Signer<'_> {
    fn key(&self) -> &Key {
        match self {
            Self::Key(key) | Self::Account { key, .. } => key,
        }
    }

    /// The body of a request. Without a payload it is a reading one (RFC 8555, 6.3).
    pub(super) fn body(&self, nonce: &str, url: &str, payload: Option<&Value>) -> Result<Vec<u8>, Error> {
        self.signed(json!({ "nonce": nonce, "url": url }), payload).map(|body| body.to_string().into_bytes())
    }

    /// A JWS without a nonce, to stand inside another (RFC 8555, 7.3.5).
    pub(super) fn inner(&self, url: &str, payload: &Value) -> Result<Value, Error> {
        self.signed(json!({ "url": url }), Some(payload))
    }

    fn signed(&self, mut header: Value, payload: Option<&Value>) -> Result<Value, Error> {
        header["alg"] = "ES256".into();
        match self {
            Self::Key(key) => header["jwk"] = jwk(key),
            Self::Account { url, .. } => header["kid"] = (*url).into(),
        }
        let (protected, payload) = encoded(&header, payload);
        let signature = self.key().sign_fixed(format!("{protected}.{payload}").as_bytes())?;
        Ok(json!({ "protected": protected, "payload": payload, "signature": base64url(&signature) }))
    }
}

/// The key's public half (RFC 7518, 6.2.1).
pub(super) fn jwk(key: &Key) -> Value {
    let (x, y) = key.coordinates();
    json!({ "crv": "P-256", "kty": "EC", "x": base64url(x), "y": base64url(y) })
}

/// The key's name (RFC 7638): the hash of its public half, written in one particular way.
pub(super) fn thumbprint(key: &Key) -> String {
    let (x, y) = key.coordinates();
    let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url(x), base64url(y));
    base64url(Sha256::hash(text.as_bytes()).as_ref())
}

/// Proof that the holder of an external account wants this key's account bound to it (RFC 8555, 7.3.4).
pub(super) fn binding(key: &Key, url: &str, id: &str, mac_key: &[u8]) -> Value {
    let header = json!({ "alg": "HS256", "kid": id, "url": url });
    let (protected, payload) = encoded(&header, Some(&jwk(key)));
    let mut mac = Hmac::<Sha256>::new(mac_key);
    mac.update(format!("{protected}.{payload}").as_bytes());
    json!({ "protected": protected, "payload": payload, "signature": base64url(mac.finish().as_ref()) })
}

fn encoded(header: &Value, payload: Option<&Value>) -> (String, String) {
    let payload = payload.map(|payload| base64url(payload.to_string().as_bytes())).unwrap_or_default();
    (base64url(header.to_string().as_bytes()), payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_over_header_and_payload_and_by_the_key_in_the_header() {
        let key = Key::generate().unwrap();
        let body = Signer::Key(&key).body("nonce", "https://ca/new", Some(&json!({ "a": 1 }))).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let message = format!("{}.{}", text("protected"), text("payload"));
        let header: Value = serde_json::from_slice(&from_base64url(&text("protected")).unwrap()).unwrap();
        let coordinate = |name: &str| from_base64url(header["jwk"][name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let public =
            graviola::signing::ecdsa::VerifyingKey::<graviola::signing::ecdsa::P256>::from_x962_uncompressed(
                &point,
            )
            .unwrap();
        let signature = from_base64url(&text("signature")).unwrap();
        public.verify::<Sha256>(&[message.as_bytes()], &signature).unwrap();
        assert!(public.verify::<Sha256>(&[b"other", message.as_bytes()], &signature).is_err());
        assert_eq!(
            (header["nonce"].as_str(), header["url"].as_str()),
            (Some("nonce"), Some("https://ca/new"))
        );
    }

    #[test]
    fn a_reading_request_has_an_empty_payload() {
        let key = Key::generate().unwrap();
        let signer = Signer::Account { key: &key, url: "https://ca/account/1" };
        let body: Value = serde_json::from_slice(&signer.body("n", "https://ca/o", None).unwrap()).unwrap();
        assert_eq!(body["payload"], "");
    }
}
