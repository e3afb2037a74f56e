//! How often a client may try: limits on registration, sign-in and writing, which all machines share and a restart keeps.
//!
//! Invariant: nobody can lock another person out from their own address: what is counted for a name alone is far wider
//! than what is counted for a name from one address.

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
/// Of what an account may write in an hour, so much at once.
const WRITTEN_AT_ONCE: u32 = 12;

/// Before an account is made.
pub(super) async fn registration(site: &Site, peer: Peer) -> Result<(), Error> {
    let rate = Rate::per_hour(site.shared.registrations_per_hour);
    take(site, "registration", &network(peer.0), rate).await
}

/// Before a password is looked at.
pub(super) async fn password(site: &Site, peer: Peer, name: &str) -> Result<(), Error> {
    let network = network(peer.0);
    take(site, "sign-in address", &network, Rate::per_hour(site.shared.sign_ins_per_hour)).await?;
    take(site, "sign-in name", name, NAME).await?;
    take(site, "sign-in", &format!("{network} {name}"), NAME_AND_ADDRESS).await
}

/// After the right password: the tries before it are forgotten.
pub(super) async fn right_password(site: &Site, peer: Peer, name: &str) -> Result<(), Error> {
    let subject = format!("{} {name}", network(peer.0));
    Ok(site.database.forgive(&bucket("sign-in", &subject)).await?)
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
