//! Messages of a WebSocket connection as they come in (RFC 6455, section 5).
//!
//! ```text
//! stream -> buffer -> header -> control frames: given at once
//!                           \-> payload, piece by piece -> message, once its last frame is whole
//! ```
//! What always holds: memory grows with what has come, never with what a header announces; the bytes of a message are of the
//! port's budget; and what comes besides messages (heads, pings) has a bound between two of them.

use crate::server::byte_budget::{ByteBudget, Held};
use bytes::{Buf, BytesMut};
use soketto::Parsing;
use soketto::base::{Codec, Error, Header, OpCode};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes that are read in one go.
const READ_BYTES: usize = 16 << 10;

/// Bytes that may come besides those of messages, between two of them.
const OVERHEAD_BYTES_MAX: usize = 256 << 10;

/// What a client sent.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message, text or not.
    Message(Vec<u8>, Held),
    /// To be answered with the same bytes, of which there are 125 at most.
    Ping(Vec<u8>),
    /// It is there.
    Pong,
    /// More than it may send.
    TooLarge,
    /// It wants to end.
    Close,
    /// It has gone, or speaks something else.
    Gone,
}

/// The side of a connection from which messages come.
pub(crate) struct Frames<R> {
    stream: R,
    codec: Codec,
    buffer: BytesMut,
    budget: ByteBudget,
    message: Vec<u8>,
    message_bytes_max: usize,
    /// Of the message that comes.
    held: Held,
    /// Whether a first frame came and not yet the last.
    is_begun: bool,
    overhead_bytes: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Reads messages of at most so many bytes each.
    pub(crate) fn new(stream: R, budget: ByteBudget, message_bytes_max: usize) -> Self {
        let mut codec = Codec::new();
        codec.set_max_data_size(message_bytes_max);
        Self {
            stream,
            codec,
            buffer: BytesMut::new(),
            budget,
            message: Vec::new(),
            message_bytes_max,
            held: Held::default(),
            is_begun: false,
            overhead_bytes: 0,
        }
    }

    /// Whether a part of a message is here.
    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// The next thing that comes. Who gives up waiting for it must not ask again: part of a frame may be taken in.
    pub(crate) async fn receive(&mut self) -> Received {
        loop {
            let received = match self.frame().await {
                Ok(None) => continue,
                Ok(Some(received)) | Err(received) => received,
            };
            return received;
        }
    }

    /// Takes in a frame; what it completes, if anything.
    async fn frame(&mut self) -> Result<Option<Received>, Received> {
        let header = self.header().await?;
        // RFC 6455, section 5.1: what a client sends is masked.
        if !header.is_masked() {
            return Err(Received::Gone);
        }
        if header.opcode().is_control() {
            return self.control(&header).await.map(Some);
        }
        // A message inside another, or the rest of none.
        if self.is_begun != (header.opcode() == OpCode::Continue) {
            return Err(Received::Gone);
        }
        self.is_begun = true;
        if self.message.len().saturating_add(header.payload_len()) > self.message_bytes_max {
            return Err(Received::TooLarge);
        }
        let is_last = header.is_fin();
        self.payload(header).await?;
        if !is_last {
            return Ok(None);
        }
        self.is_begun = false;
        self.overhead_bytes = 0;
        Ok(Some(Received::Message(std::mem::take(&mut self.message), std::mem::take(&mut self.held))))
    }

    async fn header(&mut self) -> Result<Header, Received> {
        loop {
            let parsed = self.codec.decode_header(&self.buffer).map_err(|error| match error {
                Error::PayloadTooLarge { .. } => Received::TooLarge,
                _ => Received::Gone,
            })?;
            match parsed {
                Parsing::Done { value, offset } => {
                    self.buffer.advance(offset);
                    self.count_overhead(offset)?;
                    return Ok(value);
                }
                Parsing::NeedMore(_) => self.fill().await?,
            }
        }
    }

    async fn control(&mut self, header: &Header) -> Result<Received, Received> {
        // The codec lets 125 bytes through.
        while self.buffer.len() < header.payload_len() {
            self.fill().await?;
        }
        self.count_overhead(header.payload_len())?;
        let mut data = self.buffer.split_to(header.payload_len());
        Codec::apply_mask(header, &mut data);
        Ok(match header.opcode() {
            OpCode::Ping => Received::Ping(data.to_vec()),
            OpCode::Pong => {
                self.overhead_bytes = 0;
                Received::Pong
            }
            _ => Received::Close,
        })
    }

    async fn payload(&mut self, mut header: Header) -> Result<(), Received> {
        let mut left = header.payload_len();
        while left > 0 {
            if self.buffer.is_empty() {
                self.fill().await?;
            }
            let mut piece = self.buffer.split_to(left.min(self.buffer.len()));
            if !self.budget.take(&mut self.held, piece.len()) {
                return Err(Received::TooLarge);
            }
            Codec::apply_mask(&header, &mut piece);
            // The next piece goes on within the four bytes of the mask.
            let turn = u32::try_from(piece.len() % 4).unwrap_or(0) * 8;
            header.set_mask(header.mask().rotate_left(turn));
            self.message.extend_from_slice(&piece);
            left -= piece.len();
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), Received> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) | Err(_) => Err(Received::Gone),
            Ok(_) => Ok(()),
        }
    }

    fn count_overhead(&mut self, bytes: usize) -> Result<(), Received> {
        self.overhead_bytes = self.overhead_bytes.saturating_add(bytes);
        if self.overhead_bytes > OVERHEAD_BYTES_MAX { Err(Received::TooLarge) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tokio::io::AsyncWriteExt;

    const MASK: [u8; 4] = [1, 2, 3, 4];

    fn masked(first: u8, announced: usize, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first, 0x80 | 127];
        bytes.extend_from_slice(&(announced as u64).to_be_bytes());
        bytes.extend_from_slice(&MASK);
        bytes.extend(payload.iter().zip(MASK.into_iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    #[test]
    fn memory_grows_with_what_came() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let budget = ByteBudget::new(1000);
        let mut frames = Frames::new(server, budget.clone(), 5 << 20);
        client.write_all(&masked(0x81, 5 << 20, b"abc")).now_or_never().unwrap().unwrap();
        assert!(frames.receive().now_or_never().is_none());
        assert!(frames.message.capacity() < 100 && frames.buffer.capacity() <= READ_BYTES);
        // Three bytes are taken, and go back with the connection.
        assert!(!budget.take(&mut Held::default(), 998) && budget.take(&mut Held::default(), 997));
        drop(frames);
        assert!(budget.take(&mut Held::default(), 1000));
    }

    #[test]
    fn a_message_comes_in_frames_and_pieces() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut frames = Frames::new(server, ByteBudget::new(1 << 20), 1 << 20);
        let text: Vec<u8> = (0..50_000u32).map(|at| at as u8).collect();
        let (first, rest) = text.split_at(20_001);
        // A ping between the two.
        let ping = [&[0x89, 0x82][..], &MASK, &[b'h' ^ 1, b'i' ^ 2]].concat();
        let bytes = [masked(0x01, first.len(), first), ping, masked(0x80, rest.len(), rest)].concat();
        client.write_all(&bytes).now_or_never().unwrap().unwrap();
        let mut next = || frames.receive().now_or_never();
        assert!(matches!(next(), Some(Received::Ping(data)) if data == b"hi"));
        assert!(matches!(next(), Some(Received::Message(message, _)) if message == text));
    }

    #[test]
    fn too_much_and_nonsense_end_it() {
        let receive = |budget: usize, bytes: &[u8]| {
            let (mut client, server) = tokio::io::duplex(1 << 20);
            client.write_all(bytes).now_or_never().unwrap().unwrap();
            let mut frames = Frames::new(server, ByteBudget::new(budget), 1000);
            frames.receive().now_or_never()
        };
        assert!(matches!(receive(9999, &masked(0x81, 1001, b"")), Some(Received::TooLarge)));
        assert!(matches!(receive(10, &masked(0x81, 1000, &[0; 11])), Some(Received::TooLarge)));
        let two = [masked(0x01, 600, &[0; 600]), masked(0x80, 600, &[0; 600])].concat();
        assert!(matches!(receive(9999, &two), Some(Received::TooLarge)));
        // The rest of nothing, and a message inside another.
        assert!(matches!(receive(9999, &masked(0x80, 1, b"a")), Some(Received::Gone)));
        // Without a mask.
        assert!(matches!(receive(9999, &[0x81, 1, b'a']), Some(Received::Gone)));
        assert!(matches!(receive(9999, &[0x89, 0]), Some(Received::Gone)));
        let nested = [masked(0x01, 1, b"a"), masked(0x81, 1, b"a")].concat();
        assert!(matches!(receive(9999, &nested), Some(Received::Gone)));
        assert!(matches!(receive(9999, &[0x88, 0x80, 0, 0, 0, 0]), Some(Received::Close)));
        let empty = masked(0x00, 0, b"").repeat(OVERHEAD_BYTES_MAX / 14 + 1);
        assert!(matches!(receive(9999, &[masked(0x01, 0, b""), empty].concat()), Some(Received::TooLarge)));
    }
}
