//! One direction of a TCP connection: segments, put in order.

/// Bytes that may wait for others before them.
const MOST_WAITING: usize = 64 << 10;
/// Segments that may wait.
const MOST_SEGMENTS: usize = 64;

/// What is known of one direction.
#[derive(Debug, Default)]
pub struct Segments {
    /// The number of the next byte; `None` until the first is known.
    next: Option<u32>,
    /// In order; none begins before `next`.
    waiting: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    number: u32,
    bytes: Vec<u8>,
    /// How many there were in the packet.
    length: u32,
}

/// The next of what was sent.
pub enum Piece<'a> {
    /// Bytes, and how many were sent after them that were not taken.
    Bytes(&'a [u8], usize),
    /// An unknown number of bytes was not seen.
    Gap,
}

impl Segments {
    /// Starts anew: the number of the first byte to come.
    pub fn begin(&mut self, next: u32) {
        *self = Segments { next: Some(next), waiting: Vec::new() };
    }

    /// Whether a segment with this number would be the next; so it is where none has come.
    pub fn is_next(&self, number: u32) -> bool {
        self.next.is_none_or(|next| next == number)
    }

    /// Bytes held back.
    pub fn held(&self) -> usize {
        self.waiting.iter().map(|segment| segment.bytes.len()).sum()
    }

    /// Takes a segment whose first byte has this number, and hands on what is now in order. What was seen before counts,
    /// not what comes again with other content. `length`: how many bytes were in the packet; `passed_over`: how many of the
    /// next are not looked at, so that nothing waits for them.
    pub fn take(&mut self, number: u32, bytes: &[u8], length: u32, passed_over: u64, hand_on: &mut dyn FnMut(Piece)) {
        let next = *self.next.get_or_insert(number);
        // numbers go round: what is less than half the circle ahead is ahead
        let ahead = number.wrapping_sub(next) as i32;
        if ahead > 0 && ahead as u64 <= passed_over {
            self.next = Some(number);
            hand_on(Piece::Bytes(&[], ahead as usize));
        } else if ahead > 0 {
            self.wait(Segment { number, bytes: bytes.to_vec(), length });
            if self.waiting.len() > MOST_SEGMENTS || self.held() > MOST_WAITING {
                self.skip(hand_on);
            }
            return;
        }
        self.advance(number, bytes, length, hand_on);
        self.drain(hand_on);
    }

    /// The other side has all before this number: what we miss of that will not come.
    pub fn acknowledged(&mut self, number: u32, hand_on: &mut dyn FnMut(Piece)) {
        let missed = self.next.is_some_and(|next| number.wrapping_sub(next) as i32 > 0);
        if missed && !self.waiting.is_empty() {
            self.skip(hand_on);
        }
    }

    /// Hands on what of a segment is new, if it does not begin after what is next.
    fn advance(&mut self, number: u32, bytes: &[u8], length: u32, hand_on: &mut dyn FnMut(Piece)) {
        let next = self.next.unwrap_or(number);
        let old = next.wrapping_sub(number);
        if old >= length {
            return;
        }
        let new = bytes.get(old as usize..).unwrap_or_default();
        let missing = (length - old) as usize - new.len().min((length - old) as usize);
        self.next = Some(number.wrapping_add(length));
        hand_on(Piece::Bytes(new, missing));
    }

    fn wait(&mut self, segment: Segment) {
        let next = self.next.unwrap_or(segment.number);
        let place = |number: u32| number.wrapping_sub(next);
        let at = self.waiting.partition_point(|other| place(other.number) <= place(segment.number));
        self.waiting.insert(at, segment);
    }

    /// Hands on those that waited for what has come.
    fn drain(&mut self, hand_on: &mut dyn FnMut(Piece)) {
        while let (Some(first), Some(next)) = (self.waiting.first(), self.next) {
            if first.number.wrapping_sub(next) as i32 > 0 {
                break;
            }
            let segment = self.waiting.remove(0);
            self.advance(segment.number, &segment.bytes, segment.length, hand_on);
        }
    }

    /// Gives up what is missing.
    fn skip(&mut self, hand_on: &mut dyn FnMut(Piece)) {
        if let Some(first) = self.waiting.first() {
            self.next = Some(first.number);
            hand_on(Piece::Gap);
            self.drain(hand_on);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(segments: &mut Segments, number: u32, bytes: &[u8], length: u32) -> String {
        let mut text = String::new();
        segments.take(number, bytes, length, 0, &mut |piece| match piece {
            Piece::Bytes(bytes, missing) => {
                text.push_str(&String::from_utf8_lossy(bytes));
                text.push_str(&"?".repeat(missing));
            }
            Piece::Gap => text.push('~'),
        });
        text
    }

    #[test]
    fn segments_come_in_order_once_and_around_the_circle() {
        let mut segments = Segments::default();
        segments.begin(u32::MAX - 1);
        assert_eq!(collect(&mut segments, 3, b"fgh", 3), "");
        assert_eq!(collect(&mut segments, u32::MAX - 1, b"abc", 3), "abc");
        assert_eq!(collect(&mut segments, u32::MAX, b"XXd", 3), "d");
        assert_eq!(collect(&mut segments, 2, b"eYY", 3), "eYYh");
        assert_eq!(collect(&mut segments, 3, b"fgh", 3), "");
        assert_eq!(collect(&mut segments, 6, b"i", 4), "i???");
        assert_eq!(segments.held(), 0);
    }

    #[test]
    fn what_does_not_come_is_given_up() {
        let mut segments = Segments::default();
        assert_eq!(collect(&mut segments, 10, b"a", 1), "a");
        for i in 0..MOST_SEGMENTS as u32 {
            assert_eq!(collect(&mut segments, 20 + i, b"b", 1), "");
        }
        assert_eq!(collect(&mut segments, 90, b"c", 1), format!("~{}", "b".repeat(MOST_SEGMENTS)));
        let mut text = String::new();
        segments.acknowledged(91, &mut |piece| text.push(if let Piece::Bytes(..) = piece { 'c' } else { '~' }));
        assert_eq!(text, "~c");
    }
}
