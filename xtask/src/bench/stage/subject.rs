//! Who is measured: the web machine, the same service on Linux, and nginx on Linux.
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};

/// A server under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::bench) enum Subject {
    /// The web machine.
    Web,
    /// The same service in the yardstick.
    Linux,
    /// nginx in the yardstick.
    Nginx,
}

/// A machine on the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Place {
    /// The web machine.
    Web,
    /// The yardstick.
    Yardstick,
}

impl Subject {
    pub(in crate::bench) fn place(self) -> Place {
        match self {
            Self::Web => Place::Web,
            Self::Linux | Self::Nginx => Place::Yardstick,
        }
    }

    /// `http://10.0.2.16:81`, for example.
    pub(in crate::bench) fn origin(self, scheme: &str) -> String {
        let address = match (self, scheme) {
            (_, "https") => self.https(),
            (Self::Nginx, _) => (self.place().address(), 81).into(),
            _ => (self.place().address(), 80).into(),
        };
        format!("{scheme}://{address}")
    }

    /// Where it is spoken to over TLS.
    pub(in crate::bench) fn https(self) -> SocketAddr {
        let port = if self == Self::Nginx { 444 } else { 443 };
        (self.place().address(), port).into()
    }
}

impl Place {
    pub(in crate::bench) const ALL: [Self; 2] = [Self::Web, Self::Yardstick];

    pub(in crate::bench) fn interface(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Yardstick => "yardstick",
        }
    }

    /// Locally administered, in QEMU's own range.
    pub(in crate::bench) fn mac(self) -> &'static str {
        match self {
            Self::Web => "52:54:00:00:02:0f",
            Self::Yardstick => "52:54:00:00:02:10",
        }
    }

    pub(in crate::bench) fn address(self) -> Ipv4Addr {
        match self {
            Self::Web => Ipv4Addr::new(10, 0, 2, 15),
            Self::Yardstick => Ipv4Addr::new(10, 0, 2, 16),
        }
    }
}
