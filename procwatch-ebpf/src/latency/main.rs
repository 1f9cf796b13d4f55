//! The programs that `procwatch latency` attaches, and only while it measures.
//!
//! They run at every switch of the host, so each does as little as can be: what a thread has added up lies in its own
//! task storage, which nobody else writes to, and when it came to its CPU is when that CPU switched last. How long it
//! had waited for it is the kernel's own sum, so that nothing has to be done when threads are woken.
//!
//! An object of its own, so that whoever only watches has none of its maps.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

#[path = "../atomic.rs"]
mod atomic;
mod block;
mod calls;
#[allow(dead_code, reason = "for both objects, each of which uses some")]
#[path = "../completion.rs"]
mod completion;
mod durations;
#[allow(
    dead_code,
    unused_imports,
    reason = "views for all objects, each of which uses some"
)]
#[path = "../kernel/mod.rs"]
mod kernel;
mod losses;
mod scheduling;
#[path = "../switch.rs"]
mod switch;
#[allow(dead_code, reason = "for all objects, each of which uses some")]
#[path = "../task_storage.rs"]
mod task_storage;
mod threads;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// As in the other objects.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
