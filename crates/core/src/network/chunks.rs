//! The chunks of a record in the making: one an argument, as [`crate::record`] reads them.

use std::net::IpAddr;

use crate::record::chunk;
use crate::tree::Writer;

#[derive(Debug, Default)]
pub struct Chunks {
    writer: Writer,
}

impl Chunks {
    pub fn clear(&mut self) {
        self.writer.bytes.clear();
    }

    pub fn bytes(&self) -> &[u8] {
        &self.writer.bytes
    }

    pub fn number(&mut self, number: impl Into<u64>) {
        let number = number.into();
        self.put(|out| {
            out.bytes.extend_from_slice(&number.to_le_bytes());
            false
        });
    }

    pub fn address(&mut self, address: IpAddr) {
        self.put(|out| {
            match address {
                IpAddr::V4(address) => out.bytes.extend_from_slice(&address.octets()),
                IpAddr::V6(address) => out.bytes.extend_from_slice(&address.octets()),
            }
            false
        });
    }

    /// `None`: null.
    pub fn text(&mut self, text: Option<&[u8]>) {
        match text {
            Some(text) => self.raw(text, false),
            None => self.flagged(chunk::NULL, |_| {}),
        }
    }

    pub fn raw(&mut self, bytes: &[u8], cut: bool) {
        self.put(|out| {
            out.bytes.extend_from_slice(bytes);
            cut
        });
    }

    /// A chunk that `write` puts, and says whether it had to leave something out.
    pub fn put(&mut self, write: impl FnOnce(&mut Writer) -> bool) {
        let start = self.begin();
        let cut = write(&mut self.writer);
        self.end(start, if cut { chunk::CUT } else { 0 });
    }

    fn flagged(&mut self, flags: u8, write: impl FnOnce(&mut Writer)) {
        let start = self.begin();
        write(&mut self.writer);
        self.end(start, flags);
    }

    fn begin(&mut self) -> usize {
        self.writer.bytes.extend_from_slice(&[0; 4]);
        self.writer.bytes.len()
    }

    /// Every chunk here is far below what its header can count: packets are, and what is made of a message is bounded.
    fn end(&mut self, start: usize, flags: u8) {
        let bytes = &mut self.writer.bytes;
        let length = (bytes.len() - start).min(0xff_ffff);
        bytes.truncate(start + length);
        bytes[start - 4..start].copy_from_slice(&(length as u32 | u32::from(flags) << 24).to_le_bytes());
    }
}
