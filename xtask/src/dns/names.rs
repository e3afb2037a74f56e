//! Which names a site has, and the records that they need for given addresses: a pure function.
//!
//! Invariant: the zone's apex never becomes an alias (RFC 1034, 3.6.2: a CNAME stands alone, and an apex has SOA and NS).
use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Deserialize;

use super::{Kind, Records, Set};

/// How the site's name leads to its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    /// The site's name has the addresses; so has the apex, if it is served.
    Address,
    /// The site's name is an alias of the apex, which has the addresses.
    Alias,
}

/// The names of a site.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// What visitors type: absolute, in lower case.
    pub(crate) host: String,
    /// The zone's own name, if the site answers there too.
    pub(crate) apex: Option<String>,
    /// How `host` leads to addresses.
    pub(crate) form: Form,
}

impl Names {
    /// Every name whose records are the site's.
    pub(crate) fn all(&self) -> Vec<String> {
        let mut names = vec![self.host.clone()];
        names.extend(self.apex.clone().filter(|apex| *apex != self.host));
        names
    }

    /// The records that lead visitors to `addresses`.
    pub(crate) fn records(&self, addresses: &[IpAddr], ttl_s: u32) -> Records {
        let sets = self.all().into_iter().flat_map(|name| match (&self.apex, self.form) {
            (Some(apex), Form::Alias) if *apex != name => vec![alias(name, apex, ttl_s)],
            _ => of_addresses(&name, addresses, ttl_s),
        });
        sets.collect()
    }
}

/// An absolute name in lower case: `www.foobar.com.`.
pub(crate) fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}

fn alias(name: String, target: &str, ttl_s: u32) -> Set {
    Set { name, kind: Kind::Cname, ttl_s, values: BTreeSet::from([target.to_owned()]) }
}

fn of_addresses(name: &str, addresses: &[IpAddr], ttl_s: u32) -> Vec<Set> {
    let of = |kind: Kind| {
        let values = addresses.iter().filter(|address| address.is_ipv6() == (kind == Kind::Aaaa));
        Set { name: name.to_owned(), kind, ttl_s, values: values.map(ToString::to_string).collect() }
    };
    vec![of(Kind::A), of(Kind::Aaaa)]
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(form: Form, apex: bool, expected: Expect) {
        let apex = apex.then(|| "foobar.com.".to_owned());
        let names = Names { host: "www.foobar.com.".to_owned(), apex, form };
        let addresses = ["192.0.2.2", "192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap());
        expected.assert_eq(&names.records(&addresses, 300).to_string().replace("; ", "\n"));
    }

    #[test]
    fn a_name_has_every_address_of_both_kinds() {
        check(
            Form::Address,
            false,
            expect![[r#"
            www.foobar.com. 300 IN A 192.0.2.1
            www.foobar.com. 300 IN A 192.0.2.2
            www.foobar.com. 300 IN AAAA 2001:db8::1"#]],
        );
    }

    #[test]
    fn an_alias_leads_to_the_apex_which_has_the_addresses() {
        check(
            Form::Alias,
            true,
            expect![[r#"
            foobar.com. 300 IN A 192.0.2.1
            foobar.com. 300 IN A 192.0.2.2
            foobar.com. 300 IN AAAA 2001:db8::1
            www.foobar.com. 300 IN CNAME foobar.com."#]],
        );
    }

    #[test]
    fn an_apex_that_is_served_has_the_addresses_too() {
        let names = Names {
            host: "www.foobar.com.".to_owned(),
            apex: Some("foobar.com.".to_owned()),
            form: Form::Address,
        };
        let records = names.records(&["192.0.2.1".parse().unwrap()], 300);
        assert!(
            records.get("foobar.com.", Kind::A).is_some()
                && records.get("www.foobar.com.", Kind::A).is_some()
        );
    }
}
