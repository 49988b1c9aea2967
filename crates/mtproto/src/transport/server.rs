use actogram_crypto::random::Random;
use bytes::{Buf, BytesMut};

use super::framing::{End, Framing};
use super::obfuscation::{HEADER, Streams, accept_header};
use super::{Frame, FrameError, Kind, MAX_FRAME, ReplayGuard, Secret};

/// Which obfuscated connections a server takes.
pub struct AcceptedObfuscation {
    /// Take connections keyed by no secret, as a datacenter does.
    pub unkeyed: bool,
    /// Take connections keyed by one of these secrets, as a proxy does. Each costs two key schedules
    /// per connection.
    pub secrets: Vec<Secret>,
    /// Refuses replayed headers; `None` takes them.
    pub replay_guard: Option<Box<dyn ReplayGuard>>,
}

impl Default for AcceptedObfuscation {
    /// As a datacenter: without secrets, replays not looked at.
    fn default() -> Self {
        Self {
            unkeyed: true,
            secrets: Vec::new(),
            replay_guard: None,
        }
    }
}

impl std::fmt::Debug for AcceptedObfuscation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AcceptedObfuscation")
            .field("unkeyed", &self.unkeyed)
            .field("secrets", &self.secrets.len())
            .field("replay_guard", &self.replay_guard.is_some())
            .finish()
    }
}

/// The server's end of one connection's transport. It learns the transport from the client's first
/// bytes, however they are cut:
///
/// ```text
///                    ┌ ef ──────────────────────────────► abridged
///                    ├ ee ee ee ee ─────────────────────► intermediate
///   Unrecognised ────┼ dd dd dd dd ─────────────────────► padded intermediate
///   (1..64 bytes)    ├ length, 00 00 00 00 ─────────────► full
///                    ├ 64 bytes, protocol id inside ────► one of the first three, obfuscated
///                    └ HTTP, TLS, unknown id, replay ───► failed
/// ```
pub struct ServerTransport {
    accepted: AcceptedObfuscation,
    state: State,
    buffer: BytesMut,
    failed: Option<FrameError>,
    random: Box<dyn Random>,
}

enum State {
    Unrecognised,
    Running {
        framing: Framing,
        obfuscated: Option<Box<Obfuscated>>,
    },
}

struct Obfuscated {
    streams: Streams,
    dc_id: i16,
}

impl ServerTransport {
    /// A transport for a connection just accepted.
    #[must_use]
    pub fn new(accepted: AcceptedObfuscation, random: Box<dyn Random>) -> Self {
        Self {
            accepted,
            state: State::Unrecognised,
            buffer: BytesMut::new(),
            failed: None,
            random,
        }
    }

    /// The client's transport, once recognised.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match &self.state {
            State::Unrecognised => None,
            State::Running { framing, .. } => Some(framing.kind()),
        }
    }

    /// Whether the client obfuscates its stream. False before it is recognised.
    #[must_use]
    pub fn is_obfuscated(&self) -> bool {
        matches!(
            self.state,
            State::Running {
                obfuscated: Some(_),
                ..
            }
        )
    }

    /// The datacenter id inside the obfuscation header: meaningful to proxies, noise from clients that
    /// talk to a datacenter directly.
    #[must_use]
    pub fn obfuscation_dc_id(&self) -> Option<i16> {
        match &self.state {
            State::Running {
                obfuscated: Some(obfuscated),
                ..
            } => Some(obfuscated.dc_id),
            _ => None,
        }
    }

    /// Takes all of `input`, the bytes just read, and gives back the next complete frame. Call it again
    /// with an empty `input` until it answers `None`.
    ///
    /// # Errors
    /// Unknown first bytes, a refused obfuscation header or a malformed frame end the stream: this and
    /// every later call answers the error. Close the connection; to
    /// [`FrameError::UnknownProtocolId`] and [`FrameError::ReplayedHeader`] without an answer.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = &self.failed {
            input.clear();
            return Err(error.clone());
        }
        if !input.is_empty() {
            let mut bytes = input.split();
            if let State::Running {
                obfuscated: Some(obfuscated),
                ..
            } = &mut self.state
            {
                obfuscated.streams.receive.apply(&mut bytes);
            }
            if self.buffer.is_empty() {
                self.buffer = bytes;
            } else {
                self.buffer.unsplit(bytes);
            }
        }
        self.decode_buffered().inspect_err(|error| {
            self.failed = Some(error.clone());
        })
    }

    fn decode_buffered(&mut self) -> Result<Option<Frame>, FrameError> {
        if matches!(self.state, State::Unrecognised) {
            match self.recognise()? {
                Some(state) => self.state = state,
                None => return Ok(None),
            }
        }
        match &mut self.state {
            State::Running { framing, .. } => framing.decode(&mut self.buffer),
            State::Unrecognised => Ok(None),
        }
    }

    fn recognise(&mut self) -> Result<Option<State>, FrameError> {
        let plain = |kind| State::Running {
            framing: Framing::new(kind, End::Server),
            obfuscated: None,
        };
        if self.buffer.first() == Some(&0xef) {
            self.buffer.advance(1);
            return Ok(Some(plain(Kind::Abridged)));
        }
        let Some(&word) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        if let Some(kind) = Kind::from_protocol_id(word) {
            self.buffer.advance(4);
            return Ok(Some(plain(kind)));
        }
        if let Some(looks_like) = foreign(word) {
            return Err(FrameError::UnknownTransport { looks_like });
        }
        let Some(second) = self.buffer.get(4..8) else {
            return Ok(None);
        };
        // An obfuscation header never has zeros here; the first full frame is number 0.
        if second == [0; 4] {
            let length = u32::from_le_bytes(word) as usize;
            if length > MAX_FRAME + 12 || !length.is_multiple_of(4) {
                return Err(FrameError::UnknownTransport {
                    looks_like: "a full frame of impossible length",
                });
            }
            return Ok(Some(plain(Kind::Full)));
        }
        let Some(&header) = self.buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let mut accepted = accept_header(&header, self.accepted.unkeyed, &self.accepted.secrets)
            .ok_or(FrameError::UnknownProtocolId)?;
        if let Some(guard) = &mut self.accepted.replay_guard
            && !guard.is_new(&header)
        {
            return Err(FrameError::ReplayedHeader);
        }
        self.buffer.advance(HEADER);
        accepted.streams.receive.apply(&mut self.buffer);
        Ok(Some(State::Running {
            framing: Framing::new(accepted.kind, End::Server),
            obfuscated: Some(Box::new(Obfuscated {
                streams: accepted.streams,
                dc_id: accepted.dc_id,
            })),
        }))
    }

    fn write(
        &mut self,
        out: &mut BytesMut,
        write: impl FnOnce(&mut Framing, &mut dyn Random, &mut BytesMut) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        let State::Running {
            framing,
            obfuscated,
        } = &mut self.state
        else {
            return Err(FrameError::TransportUnknown);
        };
        let start = out.len();
        write(framing, &mut *self.random, out)?;
        if let Some(obfuscated) = obfuscated {
            obfuscated.streams.send.apply(&mut out[start..]);
        }
        Ok(())
    }

    /// Appends the frame of one payload to `out`.
    ///
    /// # Errors
    /// If the payload cannot be framed (empty, above [`MAX_FRAME`], no multiple of 4 bytes) or the
    /// client has not announced its transport yet. Nothing is written then.
    pub fn encode(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
        self.write(out, |framing, random, out| {
            framing.check(payload, false)?;
            framing.encode(payload, false, random, out);
            Ok(())
        })
    }

    /// Appends a quick acknowledgement; the token's highest bit is set for the caller.
    ///
    /// # Errors
    /// If the client's transport has no quick acknowledgement or is not known yet.
    pub fn encode_quick_ack(&mut self, token: u32, out: &mut BytesMut) -> Result<(), FrameError> {
        self.write(out, |framing, random, out| {
            framing.encode_quick_ack(token, random, out)
        })
    }

    /// Appends a transport error, see [`error_code`](super::error_code).
    ///
    /// # Errors
    /// If the client's transport is not known yet.
    pub fn encode_error(&mut self, code: i32, out: &mut BytesMut) -> Result<(), FrameError> {
        self.write(out, |framing, random, out| {
            framing.encode_error(code, random, out);
            Ok(())
        })
    }

    /// Bytes received that do not make a whole frame yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
}

fn foreign(word: [u8; 4]) -> Option<&'static str> {
    match &word {
        b"GET " | b"POST" | b"HEAD" | b"OPTI" => Some("HTTP"),
        [0x16, 0x03, 0x01, 0x02] => Some("TLS"),
        _ => None,
    }
}

impl std::fmt::Debug for ServerTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTransport")
            .field("kind", &self.kind())
            .field("obfuscated", &self.is_obfuscated())
            .field("buffered", &self.buffer.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
