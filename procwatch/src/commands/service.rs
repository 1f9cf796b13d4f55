//! What a service manager wants to know: sd_notify(3).

use std::os::{
    linux::net::SocketAddrExt as _,
    unix::{
        ffi::OsStrExt as _,
        net::{SocketAddr, UnixDatagram},
    },
};

/// The service manager, if one has started us. Connected before rights are given up: there is no opening a socket
/// afterwards.
#[derive(Debug)]
pub(super) struct Service(Option<UnixDatagram>);

impl Service {
    pub(super) fn of_environment() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET");
        Self(name.and_then(|name| {
            let address = match name.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
                _ => SocketAddr::from_pathname(&name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.connect_addr(&address.ok()?).ok()?;
            socket.set_nonblocking(true).ok()?;
            Some(socket)
        }))
    }

    /// One that does not listen is not waited for.
    pub(super) fn tell(&self, state: &str) {
        if let Some(socket) = &self.0 {
            let _ = socket.send(state.as_bytes());
        }
    }
}
