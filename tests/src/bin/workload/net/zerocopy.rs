//! Sending and receiving without a copy, and the error queue that tells of the former.

use std::os::fd::{AsRawFd as _, OwnedFd};

use super::socket::{self, moved};

const TCP_ZEROCOPY_RECEIVE: i32 = 35;
const WINDOW: usize = 1 << 20;

/// `struct tcp_zerocopy_receive`.
#[repr(C)]
#[derive(Default)]
struct Request {
    address: u64,
    length: u32,
    recv_skip_hint: u32,
    inq: u32,
    error: i32,
    copy_address: u64,
    copy_length: i32,
    flags: u32,
    control: [u64; 2],
    reserved: [u32; 2],
}

/// Where a socket's pages are mapped.
pub struct Window {
    address: u64,
    /// Bytes that came without a copy.
    pub mapped: u64,
}

impl Window {
    pub fn of(fd: &OwnedFd) -> Self {
        // SAFETY: a new mapping.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                WINDOW,
                libc::PROT_READ,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        let error = std::io::Error::last_os_error();
        assert_ne!(memory, libc::MAP_FAILED, "mmap of a socket: {error}");
        Self {
            address: memory as u64,
            mapped: 0,
        }
    }

    /// Takes what is there: pages by mapping them, what is between them by the kernel's copy into
    /// `copy` where one is given, else by recv(2). 0 at the end of the stream.
    pub fn receive(&mut self, fd: &OwnedFd, mut copy: Option<&mut [u8]>) -> u64 {
        socket::poll(fd, libc::POLLIN);
        let mut request = Request {
            address: self.address,
            length: WINDOW as u32,
            ..Request::default()
        };
        if let Some(copy) = &mut copy {
            request.copy_address = copy.as_mut_ptr() as u64;
            request.copy_length = copy.len() as i32;
        }
        let mut length = size_of::<Request>() as libc::socklen_t;
        // SAFETY: an object of ours in the kernel's layout.
        let error = unsafe {
            libc::getsockopt(
                fd.as_raw_fd(),
                libc::IPPROTO_TCP,
                TCP_ZEROCOPY_RECEIVE,
                (&raw mut request).cast(),
                &raw mut length,
            )
        };
        // Some kernels tell the end of the stream so.
        let is_at_end =
            error < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EIO);
        if is_at_end {
            return 0;
        }
        moved("zerocopy receive", error as isize);
        self.mapped += u64::from(request.length);
        let copied = copy.map_or(0, |_| request.copy_length.max(0).unsigned_abs());
        let taken = u64::from(request.length) + u64::from(copied);
        if taken > 0 && request.recv_skip_hint == 0 {
            return taken;
        }
        // At the end of the stream there is no hint, and this receives nothing.
        let mut buffer = vec![0; request.recv_skip_hint.clamp(1, 50_021) as usize];
        taken + socket::receive(fd, &mut buffer, 0)
    }
}

/// Waits until the kernel has told of so many calls with MSG_ZEROCOPY that their bytes are free again.
pub fn await_completions(fd: &OwnedFd, calls: u32) {
    let mut told = 0;
    while told < calls {
        if socket::poll(fd, 0) & libc::POLLERR == 0 {
            continue;
        }
        let mut control = [0_u64; 32];
        let (bytes, report) = error_queue(fd, &mut [0; 64], &mut control);
        assert_eq!(bytes, 0, "a completion has no bytes");
        told += report.ee_data - report.ee_info + 1;
    }
}

/// One message of the error queue: its bytes and what it reports.
pub fn error_queue(
    fd: &OwnedFd,
    buffer: &mut [u8],
    control: &mut [u64],
) -> (u64, libc::sock_extended_err) {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: plain data, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(control);
    // SAFETY: a message whose parts live.
    let bytes = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE) };
    let bytes = moved("recvmsg of the error queue", bytes);
    // SAFETY: the kernel has filled the control messages, which lie in `control`.
    let report = unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        loop {
            assert!(!header.is_null(), "the error queue has no report");
            let kind = ((*header).cmsg_level, (*header).cmsg_type);
            if matches!(
                kind,
                (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)
            ) {
                break libc::CMSG_DATA(header)
                    .cast::<libc::sock_extended_err>()
                    .read_unaligned();
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    };
    (bytes, report)
}
