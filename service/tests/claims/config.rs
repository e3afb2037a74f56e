//! Every mistake in a configuration file is refused with the key and the remedy; secrets are never shown.

use config::{Config, Limits};
use expect_test::{Expect, expect};

use crate::fixture::CONFIG;

fn refused(from: &str, to: &str, reason: &Expect) {
    assert!(CONFIG.contains(from), "the fixture has no {from:?}");
    let error = Config::parse(&CONFIG.replacen(from, to, 1)).unwrap_err();
    reason.assert_eq(&error);
}

#[test]
fn a_whole_file_is_accepted_with_default_limits() {
    let config = Config::parse(CONFIG).unwrap();
    assert_eq!((config.host.as_str(), config.listen.public_port), ("www.foobar.com", 443));
    assert_eq!(config.limits, Limits { body_kib: 1, url_bytes: 256, ..Limits::default() });
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    refused(
        "[listen]\nhttp ",
        "[listen]\nhtpp ",
        &expect!["unknown key `listen.htpp`: did you mean `listen.http`?"],
    );
    refused("host = \"www", "hots = \"www", &expect!["unknown key `hots`: did you mean `host`?"]);
    refused("[database]", "[databse]", &expect!["unknown key `databse`: did you mean `database`?"]);
    refused(
        "body_kib",
        "xyzzy",
        &expect![[
            r#"unknown key `limits.xyzzy`: known are connections, streams, requests, header_kib, url_bytes, body_kib, handshake_s, header_s, request_s, idle_s, database_connections, database_ms, registrations_per_hour, sign_ins_per_hour, writes_per_hour, notice_ms, drain_s"#
        ]],
    );
}

#[test]
fn a_missing_key_is_named() {
    refused("port = 1\n", "", &expect!["line 9: missing field `port`"]);
    refused("host = \"www.foobar.com\"\n", "", &expect!["line 1: missing field `host`"]);
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    refused(
        "port = 1",
        "port = ",
        &expect!["line 11: string values must be quoted, expected literal string"],
    );
}

#[test]
fn values_out_of_range_are_refused_with_the_range() {
    refused("port = 1", "port = 0", &expect!["`database.port` is 0: MySQL's is 3306"]);
    refused("port = 1", "port = 65536", &expect!["line 11: invalid value: integer `65536`, expected u16"]);
    refused("body_kib = 1", "body_kib = 0", &expect!["`limits.body_kib` is 0: it must be from 1 to 65536"]);
    refused(
        "body_kib = 1",
        "idle_s = 1",
        &expect!["`limits.idle_s` is 1: it must not be less than `limits.request_s`, 15"],
    );
    refused("127.0.0.1:0", "localhost", &expect!["line 4: invalid socket address syntax"]);
    let error = Config::parse(&CONFIG.replace("127.0.0.1:0", "127.0.0.1:443")).unwrap_err();
    assert_eq!(error, "`listen.http` and `listen.https` are both 127.0.0.1:443");
}

#[test]
fn a_token_that_could_be_guessed_is_refused() {
    let with = |token: &str| Config::parse(&format!("{CONFIG}[operations]\nmetrics_token = \"{token}\"\n"));
    let error = with("short").unwrap_err();
    assert_eq!(error, "`operations.metrics_token` has 5 characters: write 32 or more");
    assert!(with(&"x".repeat(32)).is_ok());
}

#[test]
fn a_host_is_a_plain_lower_case_name() {
    for wrong in
        ["WWW.foobar.com", "www.foobar.com:443", "https://www.foobar.com", "", "a..b", "-a.b", "ä.com", "a b"]
    {
        let error = Config::parse(&CONFIG.replacen("www.foobar.com", wrong, 1)).unwrap_err();
        assert!(error.contains("write the site's DNS name in lower case"), "{wrong:?}: {error}");
    }
}

#[test]
fn secrets_are_shown_neither_in_debug_nor_in_errors() {
    let shown = format!("{:?}", Config::parse(CONFIG).unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("sesame"), "{shown}");
    refused("\"hunter2hunter2\"", "12345678", &expect!["line 14: this value must be a string"]);
    refused("\"hunter2hunter2\"", "\"hunter2", &expect!["line 14: invalid basic string, expected `\"`"]);
}

/// The fixture with another section `[tls]`.
pub(crate) fn with_tls(section: &str) -> Result<Config, String> {
    let own = "[tls]\ncertificate_chain = \"chain\"\nprivate_key = \"open sesame\"\n";
    assert!(CONFIG.contains(own));
    Config::parse(&CONFIG.replacen(own, section, 1))
}

pub(crate) const AUTHORITY: &str = r#"
[tls]
storage_keys = ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]
[tls.acme]
names = ["foobar.com"]
[[tls.acme.authorities]]
directory = "https://ca.example.com/directory"
"#;

#[test]
fn certificates_come_from_one_source_and_it_is_whole() {
    let acme = with_tls(AUTHORITY).unwrap().tls.acme.unwrap();
    assert_eq!((acme.names.len(), acme.challenges.len(), acme.authorities.len()), (1, 2, 1));
    let refused = |section: &str, reason: &Expect| reason.assert_eq(&with_tls(section).unwrap_err());
    refused("[tls]\n", &expect!["`tls` names no source of certificates: `certificate_chain` or `acme`"]);
    refused("[tls]\ncertificate_chain = \"\"\n", &expect!["`tls.certificate_chain` needs `tls.private_key`"]);
    refused(
        "[tls]\ncertificate_chain = \"\"\nprivate_key = \"\"\ndevelopment_self_signed = true\n",
        &expect![
            "`tls` names several sources of certificates: keep one of `certificate_chain`, `acme` and `development_self_signed`"
        ],
    );
    refused(
        &AUTHORITY.replace("storage_keys", "#"),
        &expect!["`tls.acme` needs `tls.storage_keys`: `openssl rand -base64 32` makes one"],
    );
    refused(
        &AUTHORITY.replace("https://", "http://"),
        &expect!["`tls.acme.authorities.directory` must be an address with https://"],
    );
    refused(
        &AUTHORITY.replace("directory =", "profil = \"shortlived\"\ndirectory ="),
        &expect!["unknown key `tls.acme.authorities.profil`: did you mean `tls.acme.authorities.profile`?"],
    );
    refused(
        &AUTHORITY.replace("storage_keys", "poll_s = 61\nstorage_keys"),
        &expect!["`tls.poll_s` is 61: it must be from 1 to 60"],
    );
    refused(
        &AUTHORITY.replace("\"foobar.com\"", "\"*.foobar.com\""),
        &expect![[
            r#"`tls.acme.names` is "*.foobar.com": write the site's DNS name in lower case, without scheme or port"#
        ]],
    );
}
