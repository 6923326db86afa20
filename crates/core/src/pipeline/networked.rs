//! Events that are made of packets and connections.

use zerocopy::FromBytes;

use super::Pipeline;
use crate::catalogue::index;
use crate::event::Event;
use crate::network::flows::{self, Flow};
use crate::network::PacketMeta;
use crate::record::{self, Head, Owned};

impl Pipeline {
    /// The events of a packet; whether it was one.
    pub(super) fn packet(&mut self, head: &Head, rest: &[u8]) -> bool {
        let Some(chunk) = record::chunks(rest).next() else { return false };
        let mut meta = PacketMeta::of(head);
        let kept = self.keeper.is_some() && meta.wanted.has(index::NET_PACKET_RAW);
        let key = if kept { self.container_of(head) } else { None };
        if let Some(keeper) = self.keeper.as_mut().filter(|_| kept) {
            let inside = key.and_then(|key| self.containers.inside(key));
            let container = inside.map_or("", |inside| &*inside.details.id);
            let executable = self.tasks.executable(head.task.host_pid).map_or(&b""[..], |executable| &executable.path);
            keeper.packet(head, &meta, executable, container, self.clock.wall(head.time), chunk.bytes);
        }
        if !self.policies_of(head).filter.wants(index::NET_PACKET_RAW) {
            meta.wanted = meta.wanted.without(index::NET_PACKET_RAW);
        }
        let mut made = Vec::new();
        self.network.packet(&meta, chunk.bytes, &mut |event, chunks| {
            made.push(Owned::of(&Head { event, args: [0; 6], ..*head }, chunks));
        });
        made.iter().for_each(|made| self.made(made));
        true
    }

    /// The event of a connection that has begun or ended; whether it was one.
    pub(super) fn flow(&mut self, head: &Head, rest: &[u8]) -> bool {
        let flow = record::chunks(rest).next().and_then(|chunk| Flow::read_from_bytes(chunk.bytes).ok());
        let Some(flow) = flow else { return false };
        let names = |netns, address| self.network.names(netns, address, head.time).cloned().collect();
        let made = flow.record(head, &names);
        self.made(&made);
        true
    }

    /// A connection that is begun, with the names of where it goes.
    pub(super) fn connected(&mut self, event: &Event) {
        if !self.policies_of(event.head).filter.wants(index::NET_TCP_CONNECT) {
            return;
        }
        let names = |netns, address| self.network.names(netns, address, event.head.time).cloned().collect();
        if let Some(made) = flows::connect(event, &names) {
            self.made(&made);
        }
    }
}
