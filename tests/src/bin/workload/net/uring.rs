//! io_uring by its raw system calls: one request at a time, see io_uring(7).

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::atomic::{AtomicU32, Ordering},
};

use super::socket::{moved, owned};

pub mod op {
    pub const SENDMSG: u8 = 9;
    pub const RECVMSG: u8 = 10;
    pub const ACCEPT: u8 = 13;
    pub const CONNECT: u8 = 16;
    pub const READ: u8 = 22;
    pub const WRITE: u8 = 23;
    pub const SEND: u8 = 26;
    pub const RECV: u8 = 27;
    pub const SPLICE: u8 = 30;
    pub const PROVIDE_BUFFERS: u8 = 31;
    pub const SEND_ZC: u8 = 47;
    pub const SENDMSG_ZC: u8 = 48;
}

/// A kernel thread of the process polls the queue.
pub const SETUP_SQPOLL: u32 = 1 << 1;
/// Completions run in the waiting thread only.
pub const SETUP_DEFERRED: u32 = 1 << 12 | 1 << 13;
/// A worker thread of the kernel does it.
pub const ASYNC: u8 = 1 << 4;
pub const BUFFER_SELECT: u8 = 1 << 5;
pub const RECV_MULTISHOT: u16 = 1 << 1;
pub const CQE_MORE: u32 = 1 << 1;
pub const CQE_BUFFER_SHIFT: u32 = 16;

const ENTER_GETEVENTS: u32 = 1;
const ENTER_SQ_WAKEUP: u32 = 1 << 1;
const REGISTER_PROBE: u32 = 8;
const OFFSET_CQ: i64 = 0x800_0000;
const OFFSET_SQES: i64 = 0x1000_0000;
const ENTRIES: u32 = 32;

/// `struct io_uring_sqe`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Request {
    pub opcode: u8,
    pub flags: u8,
    pub ioprio: u16,
    pub fd: i32,
    pub offset: u64,
    pub address: u64,
    pub length: u32,
    pub op_flags: u32,
    pub user_data: u64,
    pub buffer_group: u16,
    pub personality: u16,
    pub splice_fd_in: i32,
    pub reserved: [u64; 2],
}

/// `struct io_uring_cqe`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    pub user_data: u64,
    pub result: i32,
    pub flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    // Of the submission queue, or of the completion queue.
    flags_or_overflow: u32,
    dropped_or_cqes: u32,
    array_or_flags: u32,
    reserved: [u32; 3],
}

#[repr(C)]
#[derive(Default)]
struct Parameters {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle_ms: u32,
    features: u32,
    wq_fd: u32,
    reserved: [u32; 3],
    sq: Offsets,
    cq: Offsets,
}

/// A ring. Its mappings stay for as long as the process lives.
pub struct Ring {
    fd: OwnedFd,
    is_polled: bool,
    parameters: Parameters,
    sq: *mut u8,
    cq: *mut u8,
    requests: *mut Request,
}

impl Ring {
    pub fn open(flags: u32) -> io::Result<Self> {
        let mut parameters = Parameters {
            flags,
            sq_thread_idle_ms: 50,
            ..Parameters::default()
        };
        // SAFETY: an object of ours in the kernel's layout.
        let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, &raw mut parameters) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = owned("io_uring_setup", fd as i32);
        let sq_length = parameters.sq.array_or_flags as usize + parameters.sq_entries as usize * 4;
        let cq_length = parameters.cq.dropped_or_cqes as usize
            + parameters.cq_entries as usize * size_of::<Completion>();
        let requests_length = parameters.sq_entries as usize * size_of::<Request>();
        Ok(Self {
            sq: map(&fd, sq_length, 0),
            cq: map(&fd, cq_length, OFFSET_CQ),
            requests: map(&fd, requests_length, OFFSET_SQES).cast(),
            is_polled: flags & SETUP_SQPOLL != 0,
            fd,
            parameters,
        })
    }

    fn word(queue: *mut u8, offset: u32) -> &'static AtomicU32 {
        // SAFETY: the kernel's offset of a word of that mapping, which stays.
        unsafe { AtomicU32::from_ptr(queue.add(offset as usize).cast()) }
    }

    /// Hands a request over.
    pub fn submit(&mut self, request: Request) {
        let tail = Self::word(self.sq, self.parameters.sq.tail);
        let at = tail.load(Ordering::Relaxed);
        let slot = at & (self.parameters.sq_entries - 1);
        // SAFETY: a slot within the mapping; the kernel has taken what was in it, for we submit one by
        // one.
        unsafe { self.requests.add(slot as usize).write(request) };
        let array = self.parameters.sq.array_or_flags + slot * 4;
        Self::word(self.sq, array).store(slot, Ordering::Relaxed);
        tail.store(at.wrapping_add(1), Ordering::Release);
        if self.is_polled {
            // Waking a thread that is awake does no harm.
            self.enter(0, 0, ENTER_SQ_WAKEUP);
            let head = Self::word(self.sq, self.parameters.sq.head);
            crate::child::until("the polling thread", || {
                head.load(Ordering::Acquire) == at.wrapping_add(1)
            });
        } else {
            let taken = self.enter(1, 0, 0);
            assert_eq!(taken, 1, "io_uring_enter takes the request");
        }
    }

    /// The next completion.
    pub fn completion(&mut self) -> Completion {
        let head = Self::word(self.cq, self.parameters.cq.head);
        let tail = Self::word(self.cq, self.parameters.cq.tail);
        let at = head.load(Ordering::Relaxed);
        while tail.load(Ordering::Acquire) == at {
            self.enter(0, 1, ENTER_GETEVENTS);
        }
        let slot = (at & (self.parameters.cq_entries - 1)) as usize;
        let first = self.parameters.cq.dropped_or_cqes as usize;
        // SAFETY: a slot within the mapping that the kernel has filled.
        let completion = unsafe { self.cq.add(first).cast::<Completion>().add(slot).read() };
        head.store(at.wrapping_add(1), Ordering::Release);
        completion
    }

    /// A request and its completion.
    pub fn run(&mut self, request: Request) -> Completion {
        self.submit(request);
        self.completion()
    }

    fn enter(&self, submit: u32, wait: u32, flags: u32) -> u64 {
        let null = std::ptr::null::<u8>();
        // SAFETY: plain numbers, and no signal mask.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.fd.as_raw_fd(),
                submit,
                wait,
                flags,
                null,
                0,
            )
        };
        moved("io_uring_enter", result as isize)
    }

    /// Whether this kernel knows the operation; else why not.
    pub fn supports(operation: u8) -> Result<(), String> {
        // `struct io_uring_probe`: 16 bytes, then eight for each operation, whose flags are at 2.
        const HEAD: usize = 16;
        const COUNT: u32 = 64;
        let ring = Self::open(0).map_err(|error| format!("io_uring_setup: {error}"))?;
        let mut probe = [0_u64; HEAD / 8 + COUNT as usize];
        // SAFETY: an array of ours in the kernel's layout.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                ring.fd.as_raw_fd(),
                REGISTER_PROBE,
                probe.as_mut_ptr(),
                COUNT,
            )
        };
        if result < 0 {
            return Err(format!("io_uring probe: {}", io::Error::last_os_error()));
        }
        let flags = probe[HEAD / 8 + usize::from(operation)].to_ne_bytes()[2];
        if flags & 1 == 1 {
            Ok(())
        } else {
            Err(format!("this kernel has no io_uring operation {operation}"))
        }
    }
}

fn map(fd: &OwnedFd, length: usize, offset: i64) -> *mut u8 {
    // SAFETY: a new mapping of the ring's memory.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_POPULATE,
            fd.as_raw_fd(),
            offset,
        )
    };
    assert_ne!(memory, libc::MAP_FAILED, "{}", io::Error::last_os_error());
    memory.cast()
}

/// The bytes that a completed request has moved.
pub fn completed(what: &str, completion: Completion) -> u64 {
    assert!(
        completion.result >= 0,
        "{what}: {}",
        io::Error::from_raw_os_error(-completion.result)
    );
    u64::from(completion.result.unsigned_abs())
}
