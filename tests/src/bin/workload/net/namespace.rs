//! Network namespaces of our own, and links into them.

use std::{
    io,
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use super::socket::{self, Family, Transport, moved};
use crate::child::text;

const TUNSETIFF: libc::c_ulong = 0x4004_54ca;

/// Moves the calling process into a new namespace, in which loopback is up.
pub fn enter_new() {
    // SAFETY: has no preconditions.
    let error = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    moved("unshare", error as isize);
    let socket = socket::open(Family::V4, Transport::Udp);
    bring_up(&socket, &mut named("lo"));
}

/// A link whose other end is the descriptor: packets are read from it and written to it.
pub fn open_tun(address: Ipv4Addr) -> io::Result<OwnedFd> {
    let path = text("/dev/net/tun");
    // SAFETY: a NUL-ended path.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = socket::owned("tun", fd);
    let mut request = named("tun0");
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    control(&fd, "TUNSETIFF", TUNSETIFF, &mut request);
    let socket = socket::open(Family::V4, Transport::Udp);
    request.ifr_ifru.ifru_addr = ipv4(address);
    control(&socket, "SIOCSIFADDR", libc::SIOCSIFADDR, &mut request);
    request.ifr_ifru.ifru_netmask = ipv4(Ipv4Addr::new(255, 255, 255, 0));
    control(
        &socket,
        "SIOCSIFNETMASK",
        libc::SIOCSIFNETMASK,
        &mut request,
    );
    bring_up(&socket, &mut request);
    Ok(fd)
}

fn bring_up(socket: &OwnedFd, request: &mut libc::ifreq) {
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    control(socket, "SIOCSIFFLAGS", libc::SIOCSIFFLAGS, request);
}

fn named(name: &str) -> libc::ifreq {
    // SAFETY: plain data, for which zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request
}

fn ipv4(address: Ipv4Addr) -> libc::sockaddr {
    let address = socket::Address::v4(address, 0);
    // SAFETY: an address of at least that size.
    unsafe { address.pointer().read() }
}

fn control(fd: &OwnedFd, what: &str, request: libc::c_ulong, argument: &mut libc::ifreq) {
    // SAFETY: a request of ours that lives.
    let error = unsafe { libc::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(argument)) };
    moved(what, error as isize);
}
