//! Which encoding a client wants (RFC 9110, 12.5.3).

use crate::assets::Encoded;

/// The first of these representations that the client accepts at all, by its own preference and then by our order.
/// A header that forbids everything, or is no list at all, gets the plain file, which is the last.
pub(super) fn choose(offered: &[Encoded], accepted: Option<&str>) -> usize {
    let mut best = (0, offered.len() - 1);
    let Some(accepted) = accepted else { return best.1 };
    for (place, encoded) in offered.iter().enumerate() {
        let weight = weight(accepted, encoded.encoding);
        if weight > best.0 {
            best = (weight, place);
        }
    }
    best.1
}

/// Whether a client wants this encoding rather than the plain bytes.
pub(super) fn wants(accepted: &str, encoding: &str) -> bool {
    weight(accepted, encoding) > 0
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OFFERED: &[Encoded] = &[
        Encoded { encoding: "br", bytes: b"" },
        Encoded { encoding: "zstd", bytes: b"" },
        Encoded { encoding: "gzip", bytes: b"" },
        Encoded { encoding: "identity", bytes: b"" },
    ];

    fn chosen(accepted: &str) -> &'static str {
        OFFERED[choose(OFFERED, Some(accepted))].encoding
    }

    #[test]
    fn the_clients_weights_come_before_our_order() {
        for (accepted, encoding) in [
            ("gzip, deflate, br, zstd", "br"),
            ("gzip, br;q=0.5", "gzip"),
            ("gzip, zstd", "zstd"),
            ("br;q=0, *", "zstd"),
            ("*", "br"),
            ("*;q=0", "identity"),
            ("BR", "br"),
            ("deflate", "identity"),
            ("", "identity"),
            ("br;q=0.001", "br"),
            ("br;q=1.001", "identity"),
            ("br;q=nan", "identity"),
        ] {
            assert_eq!(chosen(accepted), encoding, "{accepted:?}");
        }
    }

    #[test]
    fn without_a_header_the_plain_file_is_sent() {
        assert_eq!(OFFERED[choose(OFFERED, None)].encoding, "identity");
    }

    proptest! {
        #[test]
        fn an_excluded_encoding_is_never_chosen(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            // A duplicate before the exclusion counts first, as a list header says nothing about repetitions.
            prop_assume!(!before.to_ascii_lowercase().contains("br"));
            let accepted = format!("{before},br;q=0,{after}");
            prop_assert_ne!(chosen(&accepted), "br");
        }

        #[test]
        fn any_header_gets_one_of_the_representations(accepted in "\\PC*") {
            prop_assert!(["br", "zstd", "gzip", "identity"].contains(&chosen(&accepted)));
        }
    }
}
