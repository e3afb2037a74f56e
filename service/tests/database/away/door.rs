//! A door between the service and MySQL that can be shut, or let nothing through. It stands for a cut network.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to connections, those that are open included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They go through.
    Open,
    /// They are closed.
    Shut,
    /// They stay, and no byte moves.
    Silent,
}

pub(crate) struct Door {
    port: u16,
    way: watch::Sender<Way>,
}

impl Door {
    /// On a port of its own, to MySQL's port on this host.
    pub(crate) async fn open(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (way, watched) = watch::channel(Way::Open);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass(near, target, watched.clone()));
            }
        });
        Ok(Self { port, way })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn pass(mut near: TcpStream, target: u16, mut way: watch::Receiver<Way>) {
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    loop {
        let now = *way.borrow_and_update();
        let moved = async {
            match now {
                Way::Open => drop(copy_bidirectional(&mut near, &mut far).await),
                Way::Silent => std::future::pending().await,
                Way::Shut => {}
            }
        };
        tokio::select! {
            () = moved => return,
            changed = way.changed() => if changed.is_err() { return },
        }
    }
}
