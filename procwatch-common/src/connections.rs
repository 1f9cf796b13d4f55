//! Sockets: what the programs keep of each, and the records of connects, accepts and closes.

use crate::{COMM_LEN, lifecycle::RecordHeader, totals::RawProcessId};

record! {
    /// What is kept with a socket, for as long as the kernel keeps the socket.
    pub struct Connection {
        /// Who connected, or was the first to use what was accepted; until then whose the listener is. All
        /// zero when that is not known.
        pub owner: RawProcessId,
        /// When the SYN was sent; 0 for what was accepted, or is older than collection.
        pub connecting_ns: u64,
        /// When it was established; 0 before, and when that is older than collection.
        pub opened_ns: u64,
        /// When it reached `TCP_CLOSE`; 0 before.
        pub closed_ns: u64,
        /// Bytes that applications sent and received, since the socket was first seen. Of TCP, what was sent is in
        /// the kernel's own account of the socket, and comes here when it is closed.
        pub sent_bytes: u64,
        pub received_bytes: u64,
        /// TCP: bytes that had been written to the stream when the socket was first seen.
        pub written_before_bytes: u64,
        /// TCP: bytes that had been read off the stream when the socket was first seen.
        pub read_before_bytes: u64,
        /// TCP: bytes that have been read off the stream and that no call has told of, when that was last looked
        /// at: by `splice` and the like, or by a call that had not ended.
        pub untold_bytes: u64,
        pub flags: u32,
        pub reserved: u32,
        /// The owner's.
        pub comm: [u8; COMM_LEN],
        /// As they were when it was established, or closed; all zero before. Some ways to close a socket clear
        /// its addresses first.
        pub ends: Ends,
    }
}

const _: () = assert!(size_of::<Connection>() == 152);

impl Connection {
    /// It listens; the sockets it accepts begin as copies of it.
    pub const LISTENER: u32 = 1;
    /// The owner connected.
    pub const OUTGOING: u32 = 1 << 1;
    /// The owner accepted.
    pub const INCOMING: u32 = 1 << 2;
    /// The owner has used it, and is not just the listener's.
    pub const CLAIMED: u32 = 1 << 3;
    /// It was never established.
    pub const FAILED: u32 = 1 << 4;
    /// The end of what it sends is on its way, and counts as a byte.
    pub const ENDED: u32 = 1 << 5;
}

record! {
    /// The two ends of a socket. Ports in host order; addresses as on the wire, IPv4 ones in the first four
    /// bytes.
    pub struct Ends {
        pub local_address: [u8; 16],
        pub remote_address: [u8; 16],
        pub local_port: u16,
        /// 0 when it is not connected.
        pub remote_port: u16,
        /// `AF_INET` or `AF_INET6`.
        pub family: u16,
        /// `IPPROTO_TCP` or `IPPROTO_UDP`.
        pub protocol: u16,
        /// The inode of its network namespace.
        pub network_namespace: u32,
        /// A `TCP_*` state of the kernel's.
        pub state: u32,
    }
}

const _: () = assert!(size_of::<Ends>() == 48);

record! {
    /// A socket, as a pass over all of them and the records of connect, accept and close show it. In a
    /// record the header's process is the owner.
    pub struct ConnectionRecord {
        pub header: RecordHeader,
        /// Names the socket for as long as it lives.
        pub socket: u64,
        pub ends: Ends,
        pub connection: Connection,
        /// Segments sent again.
        pub retransmits: u32,
        /// Smoothed, microseconds; 0 when none was measured.
        pub rtt_us: u32,
        /// Of a connect that failed: the errno, positive; 0 when the kernel told none.
        pub error: u32,
        pub reserved: u32,
    }
}

const _: () = assert!(size_of::<ConnectionRecord>() == 256);
