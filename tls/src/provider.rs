//! The one cryptography provider of the stack, the same on the host and in the guest.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Graviola's algorithms, for every rustls configuration made here.
///
/// - It is Rust and inline assembly: the guest is built without a C compiler or an assembler of the host's.
/// - It offers X25519MLKEM768 first, so that recorded traffic stays closed to a later quantum computer, then X25519
///   for everybody else.
/// - Its suites are AEAD with forward secrecy only; TLS 1.2 keeps ECDHE, so no RSA key exchange and no CBC exist here.
/// - It costs the guest least. Measured there in November 2026, instructions of the whole machine (the least
///   of three counts each): a handshake 1.12 million, with ring 0.17 1.49; 1 MB over TLS 3.51 million, with ring 3.83; a small
///   answer 85,000 with either. ring has no X25519MLKEM768. aws-lc-rs does not build: its C wants a C library's headers
///   (`pthread_rwlock_t`), and target hermit has none.
/// - It needs AES, AVX2, ADX, BMI2 and PCLMULQDQ, which every server CPU since 2015 has, and stops where they lack.
///
/// The provider is handed over explicitly and never installed as the process default by this crate, because a
/// library must not decide for its process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls_graviola::default_provider())
}
