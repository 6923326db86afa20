//! Names of addresses, as DNS told them: what an address was called when a program asked for it.
//!
//! Only an answer to a question that was seen counts, from the server that was asked, to the one who asked, and of it only
//! what the question leads to. So a stranger's packets, and what a server adds unasked, name nothing. Whoever can put
//! packets on the interfaces of a namespace can both ask and answer, and give any address any name there; other namespaces
//! are not touched. So a name is what the programs of a namespace were told, no proof of whom they spoke with.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::Message;
use lru::LruCache;
use smallvec::SmallVec;

use super::dns::{self, Leads};
use super::teller::Route;
use crate::shelf::Shelf;

/// Addresses that have names, of all namespaces.
const ADDRESSES: usize = 8192;
/// Names that an address has at a time.
const NAMES: usize = 4;
/// Questions that wait for an answer.
const QUESTIONS: usize = 4096;
/// Aliases from the name that was asked for to the address.
const ALIASES: usize = 16;
/// Records of an answer that are looked at: more is no answer to a program's question, but work for us.
const RECORDS: usize = 256;
/// Answers come in this time, in ns, or are not taken: resolvers do not wait longer.
const PATIENCE: u64 = 30_000_000_000;
/// A name holds as long as its records say, in seconds, within these bounds: programs go on using an address for a while
/// after they asked, however short its records are to be kept.
const HOLDS: std::ops::RangeInclusive<u64> = 60..=86_400;

/// Bounded, and the oldest go first.
#[derive(Debug)]
pub struct Names {
    asked: LruCache<Question, u64>,
    known: LruCache<(u32, IpAddr), SmallVec<[Name; 1]>>,
    /// Names and questions that had to go before their time.
    pub lost: u64,
    /// For other threads.
    pub shown: Shown,
}

/// The last name asked for of an address in a network namespace, and until when it holds (ns since boot).
pub type Shown = Shelf<(u32, IpAddr), (Arc<[u8]>, u64)>;

impl Default for Names {
    fn default() -> Names {
        Names { asked: LruCache::unbounded(), known: LruCache::unbounded(), lost: 0, shown: Shown::new(ADDRESSES) }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Question {
    netns: u32,
    client: SocketAddr,
    server: SocketAddr,
    id: u16,
    kind: u16,
    /// In lower case: servers need not keep the case.
    name: Vec<u8>,
}

#[derive(Debug)]
struct Name {
    text: Arc<[u8]>,
    /// ns since boot
    until: u64,
}

impl Names {
    /// Learns from a message that went this way in a network namespace.
    pub fn learn(&mut self, netns: u32, route: Route, message: &Message<[u8]>, now: u64) {
        let Route { source, destination, .. } = route;
        let head = message.header();
        if head.opcode() != Opcode::QUERY {
            return;
        }
        let (client, server) = if head.qr() { (destination, source) } else { (source, destination) };
        // resolvers ask one thing at a time
        let Some(asked) = dns::questions(message).next().filter(|asked| asked.qclass() == Class::IN) else { return };
        let name = lower(asked.qname());
        let question = Question { netns, client, server, id: head.id(), kind: asked.qtype().to_int(), name };
        if !head.qr() {
            self.lost += put(&mut self.asked, QUESTIONS, question, now);
            return;
        }
        // the first answer counts, as it does for the one who asked
        let in_time = self.asked.pop(&question).is_some_and(|then| now.saturating_sub(then) <= PATIENCE);
        if in_time && head.rcode() == Rcode::NOERROR && [Rtype::A, Rtype::AAAA].contains(&asked.qtype()) {
            self.take_answer(netns, question.name, message, now);
        }
    }

    fn take_answer(&mut self, netns: u32, asked: Vec<u8>, message: &Message<[u8]>, now: u64) {
        // the name that was asked for, and its aliases, whatever order they stand in
        let mut chain = vec![asked];
        let mut seconds = *HOLDS.end();
        while chain.len() <= ALIASES {
            let of_last = dns::records(message, 0).take(RECORDS).find_map(|record| match dns::leads(&record)? {
                Leads::Name(alias) if chain.last() == Some(&lower(&record.owner())) => {
                    Some((lower(&alias), u64::from(record.ttl().as_secs())))
                }
                _ => None,
            });
            match of_last {
                Some((alias, ttl)) if !chain.contains(&alias) => {
                    chain.push(alias);
                    seconds = seconds.min(ttl);
                }
                _ => break,
            }
        }
        let texts: Vec<Arc<[u8]>> = chain.iter().take(NAMES).map(|name| name.as_slice().into()).collect();
        for record in dns::records(message, 0).take(RECORDS) {
            let Some(Leads::Address(address)) = dns::leads(&record) else { continue };
            if chain.last() == Some(&lower(&record.owner())) {
                let seconds = seconds.min(record.ttl().as_secs().into()).clamp(*HOLDS.start(), *HOLDS.end());
                self.name(netns, address, &texts, now.saturating_add(seconds * 1_000_000_000));
            }
        }
    }

    fn name(&mut self, netns: u32, address: IpAddr, texts: &[Arc<[u8]>], until: u64) {
        let mut names = self.known.pop(&(netns, address)).unwrap_or_default();
        names.retain(|name| !texts.contains(&name.text));
        names.insert_many(0, texts.iter().map(|text| Name { text: text.clone(), until }));
        names.truncate(NAMES);
        if let Some(name) = names.first() {
            self.shown.put((netns, address), (name.text.clone(), name.until));
        }
        self.lost += put(&mut self.known, ADDRESSES, (netns, address), names);
    }

    /// The names of an address, the latest first; the one that was asked for before what it is an alias of.
    pub fn of(&self, netns: u32, address: IpAddr, now: u64) -> impl Iterator<Item = &Arc<[u8]>> {
        let names = if self.known.is_empty() { None } else { self.known.peek(&(netns, address)) };
        names.into_iter().flatten().filter(move |name| now < name.until).map(|name| &name.text)
    }
}

/// Puts the latest; how many of the oldest had to go for it.
fn put<K: std::hash::Hash + Eq, V>(cache: &mut LruCache<K, V>, room: usize, key: K, value: V) -> u64 {
    cache.put(key, value);
    let surplus = cache.len().saturating_sub(room);
    (0..surplus).for_each(|_| drop(cache.pop_lru()));
    surplus as u64
}

fn lower(name: &impl domain::base::name::ToLabelIter) -> Vec<u8> {
    let mut text = Vec::new();
    dns::name(&mut text, name);
    text.make_ascii_lowercase();
    text
}
