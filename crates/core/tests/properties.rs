//! What must hold for any bytes an attacker may bring about.

mod common;

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use tracee_core::catalogue::EVENTS;
use tracee_core::event::Event;
use tracee_core::filter::Filter;
use tracee_core::format::json::Json;
use tracee_core::format::table::Table;
use tracee_core::format::Shown;
use tracee_core::merge::{by_time, Queue};
use tracee_core::pattern::Pattern;
use tracee_core::pipeline::{Pipeline, Policies};
use tracee_core::record::{chunks, Head, Owned};
use tracee_core::{budget, names, text};

/// Any head of any event, followed by any bytes.
fn any_record() -> impl Strategy<Value = (u16, u32, i64, [u64; 6], Vec<u8>)> {
    let event = prop_oneof![0..EVENTS.len() as u16, 0xff00..=0xff02_u16, any::<u16>()];
    (event, 0..4_u32, any::<i64>(), any::<[u64; 6]>(), vec(any::<u8>(), 0..200))
}

/// Bytes that are often whole chunks.
fn chunky(raw: &[u8]) -> Vec<(Vec<u8>, u8)> {
    raw.chunks(17).map(|part| (part[1..].to_vec(), part[0] & 0x3f)).collect()
}

fn owned(event: u16, flags: u32, ret: i64, args: [u64; 6], raw: &[u8], whole: bool) -> Owned {
    let head = Head { event, flags, ret, args, slots: 1, task: common::task(), ..Head::default() };
    let mut record = Owned::new(&head);
    if whole {
        chunky(raw).iter().for_each(|(bytes, flags)| record.push_chunk(bytes, *flags));
    } else if let Some((flags, bytes)) = raw.split_first() {
        record.push_chunk(bytes, *flags);
    }
    record
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_record_is_written_as_one_line_of_json((event, flags, ret, args, raw) in any_record(), whole: bool, parse: bool) {
        let record = owned(event, flags, ret, args, &raw, whole);
        if Event::read(record.as_bytes()).is_some() {
            let line = common::write(&mut Json::new(Shown { parse_arguments: parse, ..Shown::default() }), &record);
            let parsed: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            prop_assert_eq!(parsed["eventName"].as_str(), Some(EVENTS[usize::from(event)].name));
            let row = common::write(&mut Table::new(Some(100), Shown::default()), &record);
            prop_assert_eq!(row.matches('\n').count(), 1);
            prop_assert!(!row.trim_end().chars().any(char::is_control));
        }
    }

    #[test]
    fn the_pipeline_takes_any_bytes(raw in vec(any::<u64>(), 0..80), cut in 0..8_usize) {
        let bytes: Vec<u8> = raw.iter().flat_map(|w| w.to_le_bytes()).collect();
        let bytes = &bytes[..bytes.len().saturating_sub(cut)];
        let mut pipeline = Pipeline::new(Policies { filter: Filter::new(), names: Arc::default() }, 0);
        pipeline.record(bytes);
        pipeline.flush();
    }

    #[test]
    fn chunks_never_reach_outside(raw in vec(any::<u8>(), 0..300)) {
        let total: usize = chunks(&raw).map(|c| c.bytes.len() + 4).sum();
        prop_assert!(total <= raw.len());
    }

    #[test]
    fn text_comes_back_whole(bytes in vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(text::unescape(&text::escape(&bytes)), Some(bytes.clone()));
        let mut json = vec![b'"'];
        text::json(&mut json, &bytes);
        json.push(b'"');
        let parsed: String = serde_json::from_slice(&json).expect("JSON");
        prop_assert_eq!(text::unescape(&parsed), Some(bytes));
    }

    #[test]
    fn unescape_takes_any_text(text in ".{0,40}") {
        if let Some(bytes) = text::unescape(&text) {
            prop_assert!(bytes.len() <= text.len());
        }
    }

    #[test]
    fn patterns_agree_with_the_plain_way(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
        fn plain(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|i| plain(rest, &text[i..])),
                Some((byte, rest)) => text.first() == Some(byte) && plain(rest, &text[1..]),
            }
        }
        prop_assert_eq!(Pattern::new(&pattern).matches(text.as_bytes()), plain(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn flags_written_by_name_are_the_same_number(value in any::<u32>()) {
        // open flags: each name printed stands for bits that are set, and the rest is told in hex
        let mut out = Vec::new();
        names::write(&mut out, tracee_core::catalogue::family::OPEN_FLAGS, i64::from(value));
        let text = String::from_utf8(out).expect("names are UTF-8");
        let family = &tracee_core::catalogue::FAMILIES[usize::from(tracee_core::catalogue::family::OPEN_FLAGS)];
        let sum = text.split('|').fold(0, |sum, word| {
            let named = family.values.iter().find(|(name, _, _)| *name == word).map(|(_, value, _)| *value as u64);
            sum | named.or_else(|| names::number(word).map(|n| n as u64)).expect("a name or a number")
        });
        prop_assert_eq!(sum, u64::from(value));
    }

    #[test]
    fn rings_keep_to_the_budget(cpus in 1..=512_u32, pages in 1..=1_u64 << 20, limit in proptest::option::of(1_u64 << 20..1 << 40)) {
        let plan = budget::rings(cpus, pages * 4096, limit);
        let budget = limit.map_or(budget::MOST, |l| (l / 4).min(budget::MOST));
        prop_assert!(plan.bytes.is_power_of_two() && plan.bytes >= budget::LEAST_RING);
        prop_assert!(plan.rings >= 1 && plan.rings <= cpus);
        prop_assert!(plan.bytes * u64::from(plan.rings) <= budget.max(budget::LEAST_RING));
        prop_assert!(plan.reduced || (plan.rings == cpus && plan.bytes >= pages * 4096));
    }

    #[test]
    fn merging_keeps_every_record_and_the_order_of_time(mut rings in vec(vec(0..1000_u64, 0..40), 0..6), until in 0..1000_u64) {
        struct Times(std::collections::VecDeque<u64>);
        impl Queue for Times {
            fn first_time(&mut self) -> Option<u64> {
                self.0.front().copied()
            }
            fn take_first(&mut self, take: &mut dyn FnMut(&[u8])) {
                if let Some(time) = self.0.pop_front() {
                    take(&time.to_le_bytes());
                }
            }
        }
        rings.iter_mut().for_each(|ring| ring.sort_unstable());
        let mut expected: Vec<u64> = rings.iter().flatten().copied().filter(|t| *t <= until).collect();
        expected.sort_unstable();
        let mut queues: Vec<Times> = rings.iter().map(|r| Times(r.iter().copied().collect())).collect();
        let mut seen = Vec::new();
        let taken = by_time(&mut queues, until, &mut |bytes| {
            seen.push(u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
        });
        prop_assert_eq!(taken, expected.len());
        prop_assert_eq!(seen, expected);
        let left: usize = queues.iter().map(|q| q.0.len()).sum();
        prop_assert_eq!(left + taken, rings.iter().map(Vec::len).sum::<usize>());
    }
}

#[test]
fn the_default_budget_on_machines_of_every_size() {
    let asked = 1024 * 4096;
    let at = |cpus| {
        let plan = budget::rings(cpus, asked, None);
        (plan.rings, plan.bytes >> 10, plan.reduced)
    };
    assert_eq!(at(1), (1, 4096, false));
    assert_eq!(at(2), (2, 4096, false));
    assert_eq!(at(64), (64, 4096, false));
    assert_eq!(at(128), (128, 2048, true));
    assert_eq!(at(256), (256, 1024, true));
    assert_eq!(at(512), (256, 1024, true));
    let small = budget::rings(4, asked, Some(8 << 20));
    assert_eq!((small.rings, small.bytes), (4, 512 << 10));
}
