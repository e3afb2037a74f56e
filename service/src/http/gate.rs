//! How often a client may try: limits on registration, sign-in and writing, which all machines share and a restart keeps.
//!
//! Invariant: nobody at one address can lock another person out. A try is counted for the name only when its address had
//! one left for that name, and one address gets fewer than a name has. Whoever is signed in needs none of the name's.

use std::net::IpAddr;
use std::time::Duration;

use super::Site;
use super::error::Error;
use db::rates::{Rate, bucket};
use edge::Peer;

/// For one name from one address: a person who tries to remember.
const NAME_AND_ADDRESS: Rate = Rate { burst: 10, every: Duration::from_secs(60) };
/// For one name from everywhere: a search from many addresses.
const NAME: Rate = Rate { burst: 200, every: Duration::from_secs(18) };
/// For one browser that is signed in.
const SESSION: Rate = NAME_AND_ADDRESS;
/// Of what an account may write in an hour, so much at once.
const WRITTEN_AT_ONCE: u32 = 12;

/// Before an account is made.
pub(super) async fn registration(site: &Site, peer: Peer) -> Result<(), Error> {
    let rate = Rate::per_hour(site.shared.registrations_per_hour);
    take(site, "registration", &network(peer.0), rate).await
}

/// Before the password of a sign-in is looked at.
pub(super) async fn password(site: &Site, peer: Peer, name: &str) -> Result<(), Error> {
    let network = network(peer.0);
    address(site, &network).await?;
    take(site, "sign-in", &format!("{network} {name}"), NAME_AND_ADDRESS).await?;
    take(site, "sign-in name", name, NAME).await
}

/// After the right password: the tries before it are forgotten.
pub(super) async fn right_password(site: &Site, peer: Peer, name: &str) -> Result<(), Error> {
    let subject = format!("{} {name}", network(peer.0));
    Ok(site.database.forgive(&bucket("sign-in", &subject)).await?)
}

/// Before somebody who is signed in gives the password again. A session that was stolen leaves the owner's others theirs.
pub(super) async fn confirmation(site: &Site, peer: Peer, session: u64) -> Result<(), Error> {
    address(site, &network(peer.0)).await?;
    take(site, "confirmation", &session.to_string(), SESSION).await
}

/// After the right password again.
pub(super) async fn confirmed(site: &Site, session: u64) -> Result<(), Error> {
    Ok(site.database.forgive(&bucket("confirmation", &session.to_string())).await?)
}

/// A look at a password costs a processor's time, so whoever asks for it has a share.
async fn address(site: &Site, network: &str) -> Result<(), Error> {
    take(site, "sign-in address", network, Rate::per_hour(site.shared.sign_ins_per_hour)).await
}

/// Before somebody, or a program in their name, writes a post, a comment or their profile.
pub(super) async fn writing(site: &Site, user: u64) -> Result<(), Error> {
    let hourly = site.shared.writes_per_hour;
    let rate = Rate { burst: (hourly / WRITTEN_AT_ONCE).max(1), ..Rate::per_hour(hourly) };
    take(site, "writing", &user.to_string(), rate).await
}

async fn take(site: &Site, purpose: &str, subject: &str, rate: Rate) -> Result<(), Error> {
    if site.database.take(&bucket(purpose, subject), rate).await? {
        Ok(())
    } else {
        let whole = rate.every.as_secs().max(1);
        Err(Error::TooMany { retry_after_s: u32::try_from(whole).unwrap_or(u32::MAX) })
    }
}

/// What one customer of a provider has: an IPv4 address, or a /64 of IPv6 (RFC 6177).
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_counted_once_whatever_address_they_take() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("203.0.113.7"), of("::ffff:203.0.113.7"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
