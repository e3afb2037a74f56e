//! One authoritative server, asked directly.
//!
//! It changes nothing. Invariant: only what a server says with authority counts; a resolver's memory does not.
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, ensure};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::wire::Wire;
use super::{Kind, Records, Set};

/// A server that visitors' resolvers may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// As it is called in messages.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name == self.address.to_string() {
            formatter.write_str(&self.name)
        } else {
            write!(formatter, "{} ({})", self.name, self.address)
        }
    }
}

/// The port of name servers (RFC 1035, 4.2).
const PORT: u16 = 53;

impl Server {
    /// A server from `name`, `name:port`, or an address with or without a port.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let without_port = || (text, PORT).to_socket_addrs();
        let found = match text.parse::<IpAddr>() {
            Ok(_) => without_port(),
            Err(_) if text.contains(':') => text.to_socket_addrs(),
            Err(_) => without_port(),
        };
        let mut found = found.with_context(|| format!("the name server {text} has no address"))?;
        let address = found.next().with_context(|| format!("the name server {text} has no address"))?;
        Ok(Self { name: text.to_owned(), address })
    }

    /// What this server says of `names`, in every kind.
    pub(crate) fn records(&self, names: &[String]) -> Result<Records> {
        let mut wire = Wire::open(self.address)?;
        let mut sets = Vec::new();
        for name in names {
            for kind in Kind::ALL {
                sets.push(self.set(&mut wire, name, kind)?);
            }
        }
        Ok(sets.into_iter().collect())
    }

    fn set(&self, wire: &mut Wire, name: &str, kind: Kind) -> Result<Set> {
        let (mut ttl_s, mut values) = (0, BTreeSet::new());
        for record in self.ask(wire, name, record_type(kind))? {
            ttl_s = record.ttl;
            values.extend(text(&record.data));
        }
        Ok(Set { name: name.to_owned(), kind, ttl_s, values })
    }

    /// The texts (TXT) that this server gives for a name.
    pub(crate) fn texts(&self, name: &str) -> Result<BTreeSet<String>> {
        let records = self.ask(&mut Wire::open(self.address)?, name, RecordType::TXT)?;
        Ok(records.iter().filter_map(|record| text(&record.data)).collect())
    }

    fn ask(&self, wire: &mut Wire, name: &str, kind: RecordType) -> Result<Vec<Record>> {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name)?, kind));
        let (answer, _) = wire.exchange(&question)?;
        let code = answer.response_code;
        let answered = matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
        ensure!(answered, "{self} answers {kind} {name} with {code}");
        ensure!(answer.authoritative, "{self} has no authority over {name}: is it a server of the zone?");
        // Asked for an address, a server adds the alias and what it leads to: only the very records count.
        let mut records = answer.answers.clone();
        records.retain(|record| {
            record.record_type() == kind && record.name.to_ascii().eq_ignore_ascii_case(name)
        });
        Ok(records)
    }
}

pub(super) fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Cname => RecordType::CNAME,
    }
}

fn text(data: &RData) -> Option<String> {
    match data {
        RData::A(address) => Some(address.0.to_string()),
        RData::AAAA(address) => Some(address.0.to_string()),
        RData::CNAME(name) => Some(name.0.to_ascii().to_ascii_lowercase()),
        RData::TXT(parts) => Some(parts.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect()),
        _ => None,
    }
}
