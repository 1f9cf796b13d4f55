//! The whole way: records become observations, those become accounts and events, and those are shown.

use std::{collections::HashSet, sync::Arc};

use procwatch::{
    cli::{event_line, json::EventLine},
    collector::Now,
    model::{
        event::{Event, EventKind},
        identity::ProcessId,
        ledger::{Ledger, Names},
        observation::PassScope,
    },
};
use serde_json::Value as Json;

use crate::{records::decoder, screen::Screen, shown::check_harmless};

pub(crate) const NOW: Now = Now {
    boot_ns: 1_000_000_000_000,
    wall_ns: 1_795_000_000_000_000_000,
};

struct NoNames;

impl Names for NoNames {
    fn user(&mut self, uid: u32) -> Option<Arc<str>> {
        (uid == 0).then(|| "root".into())
    }

    fn cgroup(&mut self, _: u64) -> (Option<Arc<str>>, Option<Arc<str>>) {
        (None, None)
    }
}

/// A history: parts of a length in two bytes and so many bytes. An odd length is that of a pass over threads,
/// an even one that of a record. Ends are told once, and what is told, and the table after each pass, can be
/// shown.
pub(crate) fn lives(bytes: &[u8]) {
    let decoder = decoder();
    let mut ledger = Ledger::watching_since(0, &[]);
    let mut told = Told::default();
    let mut tell = |event: Event| told.take(&event);
    let mut rest = bytes;
    let mut now_ns = NOW.boot_ns;
    let mut screen = Screen::default();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u16::from_le_bytes(*length);
        let (part, after) = after.split_at(after.len().min(usize::from(length)));
        rest = after;
        now_ns += 100_000_000;
        if length % 2 == 0 {
            if let Ok(observation) = decoder.record(part) {
                ledger.observe(observation, &mut NoNames, &mut tell);
            }
        } else {
            ledger.begin_pass(PassScope::All, now_ns);
            decoder.threads(part, &mut |thread| {
                ledger.thread_seen(&thread, &mut NoNames);
            });
            for missing in ledger.end_pass(now_ns, &mut NoNames, &mut tell) {
                ledger.vanished(missing, &mut tell);
            }
            screen.show(now_ns, ledger.take_processes());
        }
    }
    ledger.settle(&mut tell);
    screen.show(now_ns + 1, ledger.take_processes());
    for ended in &screen.ended {
        assert!(told.ended.contains(ended), "an end was not told");
    }
}

#[derive(Default)]
struct Told {
    ended: HashSet<ProcessId>,
}

impl Told {
    fn take(&mut self, event: &Event) {
        check_harmless(&event_line::text(event, NOW));
        let json = serde_json::to_string(&EventLine { event, now: NOW }).expect("no JSON");
        let json: Json = serde_json::from_str(&json).expect("JSON that does not parse");
        assert_eq!(json["type"].as_str(), Some(event.kind.name()));
        if let EventKind::Exit(account) = &event.kind {
            assert_eq!(account.id, event.id);
            assert!(self.ended.insert(event.id), "an end was told twice");
        }
    }
}
