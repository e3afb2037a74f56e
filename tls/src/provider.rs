//! The one cryptography provider of the stack, the same on the host and in the guest.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Graviola's algorithms, for every rustls configuration made here.
///
/// - It is Rust and inline assembly: the guest is built without a C compiler or an assembler of the host's.
/// - It offers X25519MLKEM768 first, so that recorded traffic stays closed to a later quantum computer, then X25519
///   for everybody else.
/// - Its suites are AEAD with forward secrecy only; TLS 1.2 keeps ECDHE, so no RSA key exchange and no CBC exist here.
/// - It needs AES, AVX2, ADX, BMI2 and PCLMULQDQ, which every server CPU since 2015 has, and stops where they lack.
///
/// The provider is handed over explicitly and never installed as the process default by this crate, because a
/// library must not decide for its process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls_graviola::default_provider())
}
