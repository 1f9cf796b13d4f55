//! The live view: what a person sees and does at a terminal.
//!
//! Three parts that do not mix. [`State`] is what the user has chosen, and changes by [`State::input`] alone.
//! [`Data`] is what was collected. [`draw`] is a pure function of the two: no clock, no file, no system call, so
//! that a frame is the same live, replayed, and in a test. [`terminal`] is the only part that touches the terminal.
//! What the user wants of the outside (a signal sent, a process looked at) leaves as an [`Effect`].

mod columns;
mod cursor;
mod data;
mod draw;
mod input;
pub mod keys;
mod menu;
mod scene;
mod state;
pub mod terminal;
mod theme;

pub use data::{Data, Recording, Told};
pub use draw::draw;
pub use state::{Effect, Layout, State, Travel};
pub use theme::{Depth, Palette, Theme};

#[cfg(test)]
mod tests;
