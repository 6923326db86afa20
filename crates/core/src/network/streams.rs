//! The TCP connections whose messages are followed. A connection is what one of its sockets sees: where both ends are on
//! this machine there are two. Bounded in all; those that were silent longest go first.

use std::net::SocketAddr;

use lru::LruCache;

use super::messages::{Found, Messages, Shared};
use super::packet::Payload;
use super::segments::{Piece, Segments};
use super::teller::Route;
use super::{Counters, Direction};

const CONNECTIONS: usize = 4096;
/// Bytes that all connections hold together.
const HELD: usize = 16 << 20;

/// A connection, by the socket that sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub netns: u32,
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

impl Key {
    pub fn new(netns: u32, route: Route) -> Key {
        let (local, remote) = match route.direction {
            Direction::Ingress => (route.destination, route.source),
            Direction::Egress => (route.source, route.destination),
        };
        Key { netns, local, remote }
    }
}

#[derive(Debug)]
pub struct Streams {
    connections: LruCache<Key, Box<Connection>>,
    held: usize,
}

#[derive(Debug, Default)]
struct Connection {
    /// What comes in, what goes out.
    halves: [Half; 2],
    shared: Shared,
}

#[derive(Debug, Default)]
struct Half {
    segments: Segments,
    messages: Messages,
    begun: bool,
    ended: bool,
}

/// A segment of a connection.
pub struct Segment<'a> {
    pub direction: Direction,
    pub head: &'a etherparse::TcpHeaderSlice<'a>,
    pub payload: Payload<'a>,
    pub dns: bool,
}

impl Default for Streams {
    fn default() -> Streams {
        Streams { connections: LruCache::unbounded(), held: 0 }
    }
}

impl Streams {
    /// Takes a segment, and hands on the messages that are whole with it: its own side's, or those of the other side that
    /// it acknowledges.
    pub fn take(
        &mut self,
        key: Key,
        segment: &Segment,
        counters: &mut Counters,
        found: &mut dyn FnMut(Direction, Found),
    ) {
        let head = segment.head;
        if self.resets(&key, segment) {
            self.remove(&key);
        }
        let begins = head.syn() && head.ack() || segment.payload.length > 0 && !head.rst();
        let Some(mut connection) = self.connections.pop(&key).or_else(|| begins.then(|| Connection::new(segment.dns)))
        else {
            return;
        };
        self.held -= connection.held().min(self.held);
        counters.lost_bytes += connection.take(segment, found) as u64;
        self.held += connection.held();
        if connection.halves.iter().all(|half| half.ended) {
            self.held -= connection.held().min(self.held);
            return;
        }
        self.connections.put(key, connection);
        while self.connections.len() > CONNECTIONS || self.held > HELD {
            let Some((_, oldest)) = self.connections.pop_lru() else { break };
            self.held -= oldest.held().min(self.held);
            counters.lost_connections += 1;
        }
    }

    /// Whether a segment ends what was known under this key. Our own side's does; of the other side's, only what our own
    /// takes: else a stray packet would hide the messages of a connection.
    fn resets(&self, key: &Key, segment: &Segment) -> bool {
        let head = segment.head;
        match segment.direction {
            Direction::Egress => head.rst() || head.syn(),
            Direction::Ingress => {
                let is_next = |connection: &Connection| connection.halves[0].segments.is_next(head.sequence_number());
                head.rst() && self.connections.peek(key).is_some_and(|connection| is_next(connection))
            }
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(connection) = self.connections.pop(key) {
            self.held -= connection.held().min(self.held);
        }
    }
}

impl Connection {
    fn new(dns: bool) -> Box<Connection> {
        let mut connection = Box::<Connection>::default();
        if dns {
            connection.halves.iter_mut().for_each(|half| half.messages = Messages::of_dns());
        }
        connection
    }

    fn held(&self) -> usize {
        self.halves.iter().map(|half| half.segments.held() + half.messages.held()).sum()
    }

    /// Returns the bytes that were lost.
    fn take(&mut self, segment: &Segment, found: &mut dyn FnMut(Direction, Found)) -> usize {
        let Connection { halves: [inwards, outwards], shared } = self;
        let (own, other) = match segment.direction {
            Direction::Ingress => (inwards, outwards),
            Direction::Egress => (outwards, inwards),
        };
        let (head, payload) = (segment.head, segment.payload);
        let (mut first, acknowledged) = (head.sequence_number(), head.acknowledgment_number());
        if head.syn() {
            // a client that was here before may send data along
            first = first.wrapping_add(1);
            if !own.begun {
                own.segments.begin(first);
                if head.ack() {
                    other.segments.begin(acknowledged);
                    other.begun = true;
                }
            }
        }
        own.begun = true;
        let mut lost = 0;
        if head.ack() {
            let Half { segments, messages, .. } = other;
            let mut found = |message: Found| found(segment.direction.back(), message);
            segments.acknowledged(acknowledged, &mut |piece: Piece| lost += messages.take(piece, shared, &mut found));
        }
        if payload.length > 0 {
            let Half { segments, messages, .. } = own;
            let length = u32::try_from(payload.length).unwrap_or(u32::MAX);
            let mut found = |message: Found| found(segment.direction, message);
            let passed_over = messages.passed_over();
            segments.take(first, payload.bytes, length, passed_over, &mut |piece: Piece| {
                lost += messages.take(piece, shared, &mut found);
            });
        }
        own.ended |= head.fin();
        lost
    }
}
