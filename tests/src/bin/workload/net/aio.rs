//! Asynchronous I/O of the old kind: io_submit(2).

use std::os::fd::{AsRawFd as _, OwnedFd};

use super::socket::moved;

const READ: u16 = 0;
const WRITE: u16 = 1;

/// `struct iocb`, little-endian.
#[repr(C)]
#[derive(Default)]
struct Control {
    data: u64,
    key: u32,
    flags: u32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    result_flags: u32,
    result_fd: u32,
}

/// `struct io_event`.
#[repr(C)]
#[derive(Default)]
struct Event {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

pub fn write(fd: &OwnedFd, bytes: &[u8]) -> u64 {
    run(fd, WRITE, bytes.as_ptr() as u64, bytes.len())
}

pub fn read(fd: &OwnedFd, buffer: &mut [u8]) -> u64 {
    run(fd, READ, buffer.as_mut_ptr() as u64, buffer.len())
}

fn run(fd: &OwnedFd, opcode: u16, buffer: u64, bytes: usize) -> u64 {
    let control = Control {
        opcode,
        fd: fd.as_raw_fd().unsigned_abs(),
        buffer,
        bytes: bytes as u64,
        ..Control::default()
    };
    let controls = [&raw const control];
    let mut context = 0_u64;
    let mut event = Event::default();
    let forever = std::ptr::null::<libc::timespec>();
    // SAFETY: objects of ours in the kernel's layout, which live until the request has completed.
    unsafe {
        let call = libc::syscall(libc::SYS_io_setup, 1, &raw mut context);
        moved("io_setup", call as isize);
        let call = libc::syscall(libc::SYS_io_submit, context, 1, controls.as_ptr());
        moved("io_submit", call as isize);
        let call = libc::syscall(
            libc::SYS_io_getevents,
            context,
            1,
            1,
            &raw mut event,
            forever,
        );
        moved("io_getevents", call as isize);
        libc::syscall(libc::SYS_io_destroy, context);
    }
    assert!(event.result >= 0, "io_submit of {opcode}: {}", event.result);
    event.result.unsigned_abs()
}
