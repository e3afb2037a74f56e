//! What serde cannot say: unknown keys with the one that was meant, and values out of range.

use toml::Table;

use super::{Acme, Config, Limits, Operations, Tls};

/// Every key of the file. A test compares this with the struct.
pub(super) const KEYS: [(&str, &[&str]); 8] = [
    ("", &["host", "listen", "tls", "database", "limits", "operations"]),
    ("listen", &["http", "https", "public_port"]),
    (
        "tls",
        &["certificate_chain", "private_key", "storage_keys", "poll_s", "development_self_signed", "acme"],
    ),
    ("tls.acme", &["names", "contact", "challenges", "authorities"]),
    (
        "tls.acme.authorities",
        &["directory", "profile", "roots", "external_account_id", "external_account_key"],
    ),
    ("database", &["host", "port", "name", "user", "password", "ca", "certificate", "key"]),
    (
        "limits",
        &[
            "connections",
            "streams",
            "requests",
            "header_kib",
            "url_bytes",
            "body_kib",
            "handshake_s",
            "header_s",
            "request_s",
            "idle_s",
            "database_connections",
            "database_ms",
            "registrations_per_hour",
            "sign_ins_per_hour",
            "writes_per_hour",
            "notice_ms",
            "drain_s",
        ],
    ),
    ("operations", &["metrics_token", "operators"]),
];

/// The least similarity (Jaro-Winkler) at which a key is proposed; below, the list of keys says more.
const SIMILAR: f64 = 0.75;

pub(super) fn keys(table: &Table) -> Result<(), String> {
    for (section, known) in KEYS {
        for key in tables(table, section).into_iter().flat_map(Table::keys) {
            if !known.contains(&key.as_str()) {
                return Err(unknown(section, key, known));
            }
        }
    }
    Ok(())
}

/// The tables at a path such as `tls.acme`: several where the last word is a list of tables.
fn tables<'a>(table: &'a Table, section: &str) -> Vec<&'a Table> {
    let inner = |table: &'a Table, word: &str| match table.get(word) {
        Some(toml::Value::Table(table)) => vec![table],
        Some(toml::Value::Array(items)) => items.iter().filter_map(toml::Value::as_table).collect(),
        _ => Vec::new(),
    };
    let words = section.split('.').filter(|word| !word.is_empty());
    words.fold(vec![table], |found, word| found.into_iter().flat_map(|table| inner(table, word)).collect())
}

fn unknown(section: &str, key: &str, known: &[&str]) -> String {
    let dot = if section.is_empty() { "" } else { "." };
    let nearest =
        known.iter().map(|name| (strsim::jaro_winkler(key, name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((score, name)) if score >= SIMILAR => {
            format!("unknown key `{section}{dot}{key}`: did you mean `{section}{dot}{name}`?")
        }
        _ => format!("unknown key `{section}{dot}{key}`: known are {}", known.join(", ")),
    }
}

pub(super) fn values(config: &Config) -> Result<(), String> {
    host(&config.host)?;
    if config.listen.http == config.listen.https && config.listen.http.port() != 0 {
        return Err(format!("`listen.http` and `listen.https` are both {}", config.listen.http));
    }
    if config.database.port == 0 {
        return Err("`database.port` is 0: MySQL's is 3306".to_owned());
    }
    if config.database.certificate.is_some() != config.database.key.is_some() {
        return Err("`database.certificate` and `database.key` are given both or not at all".to_owned());
    }
    tls(&config.tls)?;
    operations(&config.operations)?;
    limits(&config.limits)
}

/// Exactly one source of certificates, and whole.
fn tls(tls: &Tls) -> Result<(), String> {
    let brought = match (&tls.certificate_chain, &tls.private_key) {
        (None, Some(_)) => return Err("`tls.private_key` needs `tls.certificate_chain`".to_owned()),
        (Some(_), None) => return Err("`tls.certificate_chain` needs `tls.private_key`".to_owned()),
        (chain, _) => chain.is_some(),
    };
    match [brought, tls.acme.is_some(), tls.development_self_signed].iter().filter(|is| **is).count() {
        1 => {}
        0 => return Err("`tls` names no source of certificates: `certificate_chain` or `acme`".to_owned()),
        _ => {
            return Err(
                "`tls` names several sources of certificates: keep one of `certificate_chain`, `acme` and \
                        `development_self_signed`"
                    .to_owned(),
            );
        }
    }
    if !(1..=60).contains(&tls.poll_s) {
        return Err(format!("`tls.poll_s` is {}: it must be from 1 to 60", tls.poll_s));
    }
    tls.acme.as_ref().map_or(Ok(()), |acme| authorities(acme, tls.storage_keys.is_empty()))
}

fn authorities(acme: &Acme, without_key: bool) -> Result<(), String> {
    if without_key {
        return Err("`tls.acme` needs `tls.storage_keys`: `openssl rand -base64 32` makes one".to_owned());
    }
    if acme.authorities.is_empty() || acme.challenges.is_empty() {
        return Err("`tls.acme` needs at least one of `authorities` and of `challenges`".to_owned());
    }
    acme.names
        .iter()
        .try_for_each(|name| host(name).map_err(|error| error.replace("`host`", "`tls.acme.names`")))?;
    for authority in &acme.authorities {
        if !authority.directory.starts_with("https://") || authority.directory.len() > 255 {
            return Err("`tls.acme.authorities.directory` must be an address with https://".to_owned());
        }
        if authority.external_account_id.is_some() != authority.external_account_key.is_some() {
            return Err("`tls.acme.authorities`: an external account has both an id and a key".to_owned());
        }
    }
    Ok(())
}

/// A token that could be guessed would be none.
const TOKEN_CHARS: usize = 32;

fn operations(operations: &Operations) -> Result<(), String> {
    let token = operations.metrics_token.as_ref().map(|token| token.reveal().len());
    match token {
        Some(length) if length < TOKEN_CHARS => {
            Err(format!("`operations.metrics_token` has {length} characters: write {TOKEN_CHARS} or more"))
        }
        _ => Ok(()),
    }
}

/// A DNS name as browsers send it (RFC 1123, 2.1): compared byte for byte with each request's host.
fn host(host: &str) -> Result<(), String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if host.len() <= 253 && host.split('.').all(label) {
        Ok(())
    } else {
        Err(format!("`host` is {host:?}: write the site's DNS name in lower case, without scheme or port"))
    }
}

fn limits(limits: &Limits) -> Result<(), String> {
    let Limits {
        connections,
        streams,
        requests,
        header_kib,
        url_bytes,
        body_kib,
        handshake_s,
        header_s,
        request_s,
        idle_s,
        database_connections,
        database_ms,
        registrations_per_hour,
        sign_ins_per_hour,
        writes_per_hour,
        notice_ms,
        drain_s,
    } = *limits;
    // The smallest value that a site can work with, and the largest for which a time or a size makes sense.
    for (name, value, least, most) in [
        ("connections", connections, 1, 65_536),
        ("streams", streams, 1, 10_000),
        ("requests", requests, 1, 100_000),
        // hyper's own least buffer for a head is 8 KiB.
        ("header_kib", header_kib, 8, 1024),
        ("url_bytes", url_bytes, 64, 65_534),
        ("body_kib", body_kib, 1, 65_536),
        ("handshake_s", handshake_s, 1, 3600),
        ("header_s", header_s, 1, 3600),
        ("request_s", request_s, 1, 3600),
        ("idle_s", idle_s, 1, 86_400),
        ("database_connections", database_connections, 1, 1024),
        ("database_ms", database_ms, 10, 60_000),
        ("registrations_per_hour", registrations_per_hour, 1, 3600),
        ("sign_ins_per_hour", sign_ins_per_hour, 1, 3600),
        ("writes_per_hour", writes_per_hour, 1, 10_000_000),
        ("notice_ms", notice_ms, 0, 600_000),
        ("drain_s", drain_s, 0, 3600),
    ] {
        if !(least..=most).contains(&value) {
            return Err(format!("`limits.{name}` is {value}: it must be from {least} to {most}"));
        }
    }
    // Nothing moves on a connection while its request is worked on.
    if idle_s < request_s {
        return Err(format!(
            "`limits.idle_s` is {idle_s}: it must not be less than `limits.request_s`, {request_s}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::{Authority, Database, Listen};

    /// serde's refusal of an unknown key lists the keys of the struct.
    fn keys_of<T: DeserializeOwned>() -> Vec<String> {
        let error = toml::from_str::<T>("no_such_key = 1").err().map(|error| error.message().to_owned());
        let (_, names) =
            error.as_deref().and_then(|text| text.split_once("expected ")).expect("an unknown field");
        names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_known_keys_are_those_of_the_structs() {
        let structs = [
            keys_of::<Config>(),
            keys_of::<Listen>(),
            keys_of::<Tls>(),
            keys_of::<Acme>(),
            keys_of::<Authority>(),
            keys_of::<Database>(),
            keys_of::<Limits>(),
            keys_of::<Operations>(),
        ];
        for ((section, keys), fields) in KEYS.into_iter().zip(structs) {
            assert_eq!(fields, keys, "section {section:?}");
        }
    }
}
