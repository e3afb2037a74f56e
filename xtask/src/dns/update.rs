//! Changing records by RFC 2136 with TSIG: one message, all or nothing, from exactly the state that was seen.
//!
//! Invariant: each set that could be in the way is a prerequisite, present with its values or absent, so a change that
//! anybody made in between makes the server refuse.
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use hickory_proto::op::{Message, OpCode, Query, ResponseCode, UpdateMessage};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::server::record_type;
use super::wire::Wire;
use super::{Key, Kind, Records, Server, Set, Text};

/// Nobody but an authority asks for it, once; the least that servers take.
const TEXT_TTL_S: u32 = 60;

/// Why a server did not make the change. Nothing was changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The records are no longer what they were: somebody else changed them.
    Changed,
    /// The server does not let this key do it.
    Denied(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => formatter.write_str(
                "the records were changed by somebody else since they were read: look who did it, then release again",
            ),
            Self::Denied(why) => write!(formatter, "the name server refuses the update: {why}"),
        }
    }
}

impl std::error::Error for Refused {}

/// Makes `before` into `after` for `names`, in one step.
pub(super) fn update(
    primary: &Server,
    zone: &str,
    key: &Key,
    names: &[String],
    before: &Records,
    after: &Records,
) -> Result<()> {
    send(primary, key, message(zone, names, before, after)?)
}

/// Adds a text to those of a name, or takes exactly that one away.
pub(super) fn text(primary: &Server, zone: &str, key: &Key, text: &Text<'_>, present: bool) -> Result<()> {
    let data = RData::TXT(TXT::new(vec![text.value.to_owned()]));
    let mut record = Record::from_rdata(Name::from_ascii(text.name)?, TEXT_TTL_S, data);
    if !present {
        // RFC 2136, 2.5.4.
        (record.dns_class, record.ttl) = (DNSClass::NONE, 0);
    }
    let mut message = blank(zone)?;
    message.add_update(record);
    send(primary, key, message)
}

fn send(primary: &Server, key: &Key, mut message: Message) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let verifier = message.finalize(key.signer(), now)?;
    let (answer, bytes) = Wire::open(primary.address)?.exchange(&message)?;
    judge(primary, key, &answer)?;
    // A forged "done" would pass for a release that never was.
    let mut verifier = verifier.context("the update has no signature")?;
    verifier.verify(&bytes).with_context(|| format!("{primary} signs its answer with another key"))?;
    Ok(())
}

fn judge(primary: &Server, key: &Key, answer: &Message) -> Result<()> {
    let why = match answer.response_code {
        ResponseCode::NoError => return Ok(()),
        ResponseCode::NXRRSet | ResponseCode::YXRRSet | ResponseCode::NXDomain | ResponseCode::YXDomain => {
            return Err(Refused::Changed.into());
        }
        ResponseCode::NotAuth => format!("{primary} does not know the key {} or its secret", key.name()),
        code => format!("{primary} answers {code} to the key {}", key.name()),
    };
    Err(Refused::Denied(why).into())
}

/// An update of the zone that changes nothing yet.
fn blank(zone: &str) -> Result<Message> {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_zone(Query::query(Name::from_ascii(zone)?, RecordType::SOA));
    Ok(message)
}

fn message(zone: &str, names: &[String], before: &Records, after: &Records) -> Result<Message> {
    let mut message = blank(zone)?;
    for name in names {
        for kind in Kind::ALL {
            message.add_pre_requisites(prerequisite(name, kind, before.get(name, kind))?);
        }
    }
    // All that goes, goes first: an address beside an alias is ignored (RFC 2136, 3.4.2.2).
    for set in before.iter().filter(|set| after.get(&set.name, set.kind) != Some(set)) {
        message.add_update(empty(&set.name, set.kind, DNSClass::ANY)?);
    }
    for set in after.iter().filter(|set| before.get(&set.name, set.kind) != Some(set)) {
        message.add_updates(records(set, set.ttl_s)?);
    }
    Ok(message)
}

/// RFC 2136, 2.4.2 and 2.4.3.
fn prerequisite(name: &str, kind: Kind, seen: Option<&Set>) -> Result<Vec<Record>> {
    match seen {
        Some(set) => records(set, 0),
        None => Ok(vec![empty(name, kind, DNSClass::NONE)?]),
    }
}

fn empty(name: &str, kind: Kind, class: DNSClass) -> Result<Record> {
    let mut record = Record::update0(Name::from_ascii(name)?, 0, record_type(kind));
    record.dns_class = class;
    Ok(record)
}

fn records(set: &Set, ttl_s: u32) -> Result<Vec<Record>> {
    let name = Name::from_ascii(&set.name)?;
    let record = |value: &String| Ok(Record::from_rdata(name.clone(), ttl_s, data(set.kind, value)?));
    set.values.iter().map(record).collect()
}

fn data(kind: Kind, value: &str) -> Result<RData> {
    Ok(match kind {
        Kind::A => RData::A(A(value.parse()?)),
        Kind::Aaaa => RData::AAAA(AAAA(value.parse()?)),
        Kind::Cname => RData::CNAME(CNAME(Name::from_ascii(value)?)),
    })
}
