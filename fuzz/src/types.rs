//! The kernel's type information.

mod builder;

use procwatch::kernel::{
    btf::Btf,
    layout::{self, Wanted},
};
use procwatch_common::layout::ABSENT;

use self::builder::Builder;

/// Any bytes are type information or not, and every question has an answer that is within them.
pub(crate) fn btf(bytes: &[u8]) {
    // What a test can name beside what the agent asks for.
    const OTHERS: &[&str] = &["outer", "inner", "a"];
    let names = [layout::NAMES, OTHERS].concat();
    let Ok(btf) = Btf::parse(bytes.to_vec(), &names) else {
        return;
    };
    for name in &names {
        for path in ["a", "b", "in", "in.c", "a.b.c.d", "", ".", "tgid"] {
            let member = btf.member(name, path);
            if let Some(member) = member {
                let _ = btf.array_element(member);
            }
            assert_eq!(btf.member(name, path), member);
        }
        let _ = btf.enumerator(name, "I_DIRTY_PAGES");
        let tracepoint = name.strip_prefix("btf_trace_").unwrap_or(name);
        let arguments = btf.tracepoint_arguments(tracepoint);
        assert!(arguments.is_none_or(|arguments| arguments < 1 << 16));
    }
    for at in btf.array_lengths_at(4) {
        assert_eq!(bytes.get(at..at + 4), Some(&4_u32.to_ne_bytes()[..]));
    }
    if let Ok(found) = layout::resolve(&btf, 2, 4096, Wanted::default()) {
        assert_ne!(found.task_tgid, ABSENT);
    }
}

/// Structures as the bytes ask for them, written as type information, are read back: every member of them,
/// also through anonymous ones and typedefs, is where it was put.
pub(crate) fn btf_members(bytes: &[u8]) {
    let built = Builder::from_plan(bytes);
    let btf =
        Btf::parse(built.bytes, &["outer"]).expect("well-formed type information was refused");
    for (name, expected) in &built.members {
        let found = btf.member("outer", name).map(|member| member.offset);
        assert_eq!(found, *expected, "{name}");
    }
    assert_eq!(btf.member("outer", "no such member"), None);
    assert_eq!(
        btf.member("inner", "a"),
        None,
        "it was not asked for by its name"
    );
}
