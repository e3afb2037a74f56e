//! What a release relies on, judged with both makes of server.
use std::net::IpAddr;
use std::time::Duration;

use ::image::progress;

use super::super::{Form, Kind, Records, Refused, Zone, await_everywhere};
use super::servers::{Make, Servers};

const DEADLINE: Duration = Duration::from_secs(20);

fn each(claim: impl Fn(&mut Servers)) {
    for make in Make::ALL {
        claim(&mut Servers::start(make));
    }
}

fn wanted(zone: &Zone, addresses: &[&str], ttl_s: u32) -> Records {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    zone.names.records(&addresses, ttl_s)
}

fn arrive(zone: &Zone, records: &Records, deadline: Duration) -> anyhow::Result<()> {
    await_everywhere(&zone.servers, &zone.names.all(), records, deadline, &progress::start("records"))
}

#[test]
fn a_name_moves_to_several_addresses_on_every_server_and_its_ttl_is_restored() {
    each(|servers| {
        let zone = servers.zone(Form::Address, true);
        let before = zone.records().unwrap();
        assert_eq!(before.to_string(), "www.foobar.com. 300 IN A 192.0.2.1");
        let low = before.with_ttl(5);
        let moved = wanted(&zone, &["192.0.2.2", "192.0.2.3", "2001:db8::2"], 5);
        for (from, to) in [(&before, &low), (&low, &moved), (&moved, &moved.with_ttl(300))] {
            zone.update(from, to).unwrap();
            arrive(&zone, to, DEADLINE).unwrap();
            assert_eq!(&zone.records().unwrap(), to);
        }
    });
}

#[test]
fn the_alias_form_replaces_the_address_in_one_step() {
    each(|servers| {
        let zone = servers.zone(Form::Alias, true);
        let before = zone.records().unwrap();
        let after = wanted(&zone, &["192.0.2.7"], 60);
        zone.update(&before, &after).unwrap();
        arrive(&zone, &after, DEADLINE).unwrap();
        assert!(after.get("www.foobar.com.", Kind::Cname).is_some());
        zone.update(&after, &before).unwrap();
        arrive(&zone, &before, DEADLINE).unwrap();
    });
}

#[test]
fn a_record_that_another_tool_changed_is_not_touched() {
    each(|servers| {
        let zone = servers.zone(Form::Address, true);
        let seen = zone.records().unwrap();
        let theirs = wanted(&zone, &["192.0.2.99"], 300);
        zone.update(&seen, &theirs).unwrap();
        let refused = zone.update(&seen, &wanted(&zone, &["192.0.2.2"], 300)).unwrap_err();
        assert_eq!(refused.downcast_ref(), Some(&Refused::Changed), "{refused:#}");
        // An address of another kind beside the one that was seen is a change too.
        let both = wanted(&zone, &["192.0.2.99", "2001:db8::99"], 300);
        zone.update(&theirs, &both).unwrap();
        let refused = zone.update(&theirs, &wanted(&zone, &["192.0.2.2"], 300)).unwrap_err();
        assert_eq!(refused.downcast_ref(), Some(&Refused::Changed), "{refused:#}");
        arrive(&zone, &both, DEADLINE).unwrap();
    });
}

#[test]
fn a_wrong_key_changes_nothing_and_is_named() {
    each(|servers| {
        let zone = servers.zone(Form::Address, false);
        let before = zone.records().unwrap();
        let refused = zone.update(&before, &wanted(&zone, &["192.0.2.2"], 300)).unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(Refused::Denied(_))), "{refused:#}");
        assert!(refused.to_string().contains("does not know the key release."), "{refused:#}");
        assert_eq!(zone.records().unwrap(), before);
    });
}

#[test]
fn a_name_outside_the_servers_policy_is_refused() {
    let servers = Servers::start(Make::Knot);
    let mut zone = servers.zone(Form::Address, true);
    zone.names.host = "www.elsewhere.example.".to_owned();
    assert!(zone.records().unwrap_err().to_string().contains("REFUSED") || zone.records().is_err());
    let refused = zone.update(&Records::default(), &wanted(&zone, &["192.0.2.2"], 300)).unwrap_err();
    assert!(matches!(refused.downcast_ref(), Some(Refused::Denied(_))), "{refused:#}");
}

#[test]
fn a_secondary_that_is_behind_is_named_with_what_it_says() {
    for make in Make::ALL {
        let servers = Servers::start_deaf(make);
        let zone = servers.zone(Form::Address, true);
        let before = zone.records().unwrap();
        let after = wanted(&zone, &["192.0.2.2"], 300);
        zone.update(&before, &after).unwrap();
        let stale = servers.secondary.as_ref().unwrap().server.to_string();
        let error = format!("{:#}", arrive(&zone, &after, Duration::from_secs(1)).unwrap_err());
        assert!(error.contains(&format!("{stale}: www.foobar.com. 300 IN A 192.0.2.1")), "{error}");
        let error = zone.records().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{stale} is behind")), "{error}");
    }
}

#[test]
fn a_secondary_that_is_down_is_waited_for_and_named() {
    each(|servers| {
        let zone = servers.zone(Form::Address, true);
        let before = zone.records().unwrap();
        // Without its secondary the primary changes alone.
        let secondary = servers.secondary.take().unwrap();
        let stale = secondary.server.to_string();
        drop(secondary);
        let after = wanted(&zone, &["192.0.2.2"], 300);
        zone.update(&before, &after).unwrap();
        let error = format!("{:#}", arrive(&zone, &after, Duration::from_secs(1)).unwrap_err());
        assert!(error.contains(&stale), "{error}");
        assert!(format!("{:#}", zone.records().unwrap_err()).contains(&stale));
    });
}
