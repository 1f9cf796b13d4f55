//! The programs that `procwatch trace` attaches, and only while it traces.
//!
//! Each begins by asking whether the thread is one of those that are traced, and ends there for all others. They
//! hand over what has happened and decide nothing: what a time off the CPU was spent on, and what a descriptor is
//! called, is the agent's work.
//!
//! An object of its own, so that whoever only watches has none of its maps.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

#[path = "../atomic.rs"]
mod atomic;
mod block;
mod calls;
#[path = "../completion.rs"]
mod completion;
mod files;
#[allow(
    dead_code,
    unused_imports,
    reason = "views for all objects, each of which uses some"
)]
#[path = "../kernel/mod.rs"]
mod kernel;
mod lives;
mod scheduling;
mod signals;
mod stream;
#[path = "../switch.rs"]
mod switch;
mod threads;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// As in the other object.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
