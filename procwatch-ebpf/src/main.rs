//! procwatch's kernel programs.
//!
//! They hand over what the kernel knows and decide nothing: which process a record belongs to, what a
//! loss means and how figures are merged is the agent's work. Offsets into kernel structures come
//! from the agent (see `procwatch_common::layout`), so that one object serves every kernel.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod added_up;
mod atomic;
mod block;
mod connections;
mod deaths;
mod exe_path;
mod flows;
#[allow(dead_code, reason = "views for both objects, each of which uses some")]
mod kernel;
mod lifecycle;
mod per_cpu;
mod quiet;
mod resident;
mod ring;
mod socket_calls;
mod socket_passes;
mod sockets;
mod switches;
mod task_storage;
mod tasks;
mod writeback;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// The helpers we call are marked GPL-only by the kernel; "Dual MIT/GPL" is the licence string that
// admits them, as it does for every program that reads kernel memory.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
