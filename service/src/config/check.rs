//! What serde cannot say: unknown keys with the one that was meant, and values out of range.

use toml::Table;

use super::{Config, Limits};

/// Every key of the file. A test compares this with the struct.
pub(super) const KEYS: [(&str, &[&str]); 5] = [
    ("", &["host", "listen", "tls", "database", "limits"]),
    ("listen", &["http", "https", "public_port"]),
    ("tls", &["certificate_chain", "private_key"]),
    ("database", &["host", "port", "name", "user", "password", "ca"]),
    (
        "limits",
        &[
            "connections",
            "streams",
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
            "drain_s",
        ],
    ),
];

/// The least similarity (Jaro-Winkler) at which a key is proposed; below, the list of keys says more.
const SIMILAR: f64 = 0.75;

pub(super) fn keys(table: &Table) -> Result<(), String> {
    for (section, known) in KEYS {
        let found = if section.is_empty() {
            Some(table)
        } else {
            table.get(section).and_then(|value| value.as_table())
        };
        for key in found.into_iter().flat_map(Table::keys) {
            if !known.contains(&key.as_str()) {
                return Err(unknown(section, key, known));
            }
        }
    }
    Ok(())
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
    limits(&config.limits)
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
        drain_s,
    } = *limits;
    // The smallest value that a site can work with, and the largest for which a time or a size makes sense.
    for (name, value, least, most) in [
        ("connections", connections, 1, 65_536),
        ("streams", streams, 1, 10_000),
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
        // GCRA counts in whole seconds.
        ("registrations_per_hour", registrations_per_hour, 1, 3600),
        ("sign_ins_per_hour", sign_ins_per_hour, 1, 3600),
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
    use crate::config::{Database, Listen, Tls};

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
            keys_of::<Database>(),
            keys_of::<Limits>(),
        ];
        for ((section, keys), fields) in KEYS.into_iter().zip(structs) {
            assert_eq!(fields, keys, "section {section:?}");
        }
    }
}
