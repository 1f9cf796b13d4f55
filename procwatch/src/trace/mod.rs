//! What traced processes do, in order, and what it adds up to.
//!
//! [`record`] is what happened, as the programs told it; [`calls`] knows system calls, and [`arguments`] writes what they
//! are passed; [`names`] says what descriptors stand for; [`cause`] why a thread did not run; [`field`] what filters
//! compare; [`split`] and [`summary`] add up. Pure: no clock, no file; what has to be looked up is asked of a
//! [`names::Lookup`].

pub mod arguments;
pub mod calls;
pub mod cause;
pub mod field;
pub mod histogram;
pub mod names;
pub mod record;
pub mod split;
pub mod summary;
