//! Two small header parsers: which encoding a client wants (RFC 9110, 12.5.3), and whether it has a file (13.1.2).

use crate::assets::Encoded;

/// The first of these representations that the client accepts at all, by its own preference and then by our order.
/// A header that forbids everything, or is no list at all, gets the plain file.
pub(super) fn choose<'a>(offered: &'a [Encoded], accepted: Option<&str>) -> &'a Encoded {
    let plain = &offered[offered.len() - 1];
    let Some(accepted) = accepted else { return plain };
    let mut best = (0, plain);
    for encoded in offered {
        let weight = weight(accepted, encoded.encoding);
        if weight > best.0 {
            best = (weight, encoded);
        }
    }
    best.1
}

/// The weight of an encoding in thousandths; 0 means not acceptable. `identity` is acceptable unless it is excluded,
/// but never preferred to a compressed form.
fn weight(accepted: &str, encoding: &str) -> u16 {
    let mut wildcard = None;
    for item in accepted.split(',') {
        let (name, weight) =
            item.split_once(';').map_or((item, Some(1000)), |(name, rest)| (name, quality(rest)));
        let name = name.trim();
        if name.eq_ignore_ascii_case(encoding) {
            return weight.unwrap_or(0);
        }
        if name == "*" {
            wildcard = weight;
        }
    }
    wildcard.unwrap_or(u16::from(encoding == "identity"))
}

/// `q=0.5` as 500. Anything that is not such a weight makes the item count for nothing.
fn quality(text: &str) -> Option<u16> {
    let value = text.trim().strip_prefix("q=").or_else(|| text.trim().strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// Whether the list in `If-None-Match` names this entity tag (weak comparison) or any (`*`).
pub(super) fn matches(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|item| item == "*" || item.strip_prefix("W/").unwrap_or(item) == etag)
}
