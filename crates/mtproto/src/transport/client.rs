use actogram_crypto::ctr::Ctr256;
use actogram_crypto::random::Random;
use bytes::{BufMut, Bytes, BytesMut};

use super::framing::{End, Framing};
use super::obfuscation::client_header;
use super::{Frame, FrameError, Kind, Obfuscation};

/// The client's end of one connection's transport.
///
/// ```
/// use actogram_crypto::random::OsRandom;
/// use actogram_mtproto::transport::{ClientTransport, Kind};
/// use bytes::BytesMut;
///
/// let mut transport = ClientTransport::new(Kind::Intermediate, None, Box::new(OsRandom))?;
/// let mut wire = BytesMut::new();
/// transport.encode(&[1; 24], false, &mut wire)?;
/// assert_eq!(wire[..8], [0xee, 0xee, 0xee, 0xee, 24, 0, 0, 0]);
/// # Ok::<(), actogram_mtproto::transport::FrameError>(())
/// ```
pub struct ClientTransport {
    sender: ClientSender,
    receiver: ClientReceiver,
}

/// The sending half of a [`ClientTransport`].
pub struct ClientSender {
    framing: Framing,
    /// What stands before the first frame: the transport's tag or the obfuscation header.
    announcement: Bytes,
    stream: Option<Ctr256>,
    random: Box<dyn Random>,
}

/// The receiving half of a [`ClientTransport`].
pub struct ClientReceiver {
    framing: Framing,
    stream: Option<Ctr256>,
    buffer: BytesMut,
    /// How much of the buffer is without obfuscation.
    clear: usize,
    /// The last frame was a large one, so that the next one may be.
    after_large: bool,
    failed: Option<FrameError>,
}

/// A frame of this size is large: it is given room of its own.
const LARGE: usize = 64 * 1024;

/// The buffer of a frame of this size is not kept for what comes next.
const NOT_KEPT: usize = 1024;

/// Bytes read beyond a large frame: the next one's header, and with it how much room that one needs. They are what is copied
/// once more then.
const BEYOND: usize = 4 * 1024;

impl ClientTransport {
    /// A transport for a new connection. Nothing is sent by it before the first frame.
    ///
    /// # Errors
    /// [`FrameError::ObfuscationUnsupported`] for the full transport with obfuscation.
    pub fn new(
        kind: Kind,
        obfuscation: Option<Obfuscation>,
        mut random: Box<dyn Random>,
    ) -> Result<Self, FrameError> {
        let (announcement, send, receive) = match (kind.tag(), obfuscation) {
            (None, Some(_)) => return Err(FrameError::ObfuscationUnsupported { kind }),
            (None, None) => (Bytes::new(), None, None),
            (Some(tag), Some(obfuscation)) => {
                let (header, streams) = client_header(tag, &obfuscation, &mut *random);
                let header = Bytes::copy_from_slice(&header);
                (header, Some(streams.send), Some(streams.receive))
            }
            (Some(tag), None) if kind == Kind::Abridged => (vec![tag].into(), None, None),
            (Some(tag), None) => (vec![tag; 4].into(), None, None),
        };
        Ok(Self {
            sender: ClientSender {
                framing: Framing::new(kind, End::Client),
                announcement,
                stream: send,
                random,
            },
            receiver: ClientReceiver {
                framing: Framing::new(kind, End::Client),
                stream: receive,
                buffer: BytesMut::new(),
                clear: 0,
                after_large: false,
                failed: None,
            },
        })
    }

    /// The two directions by themselves: for a reader and a writer that do not wait for each other.
    #[must_use]
    pub fn split(self) -> (ClientSender, ClientReceiver) {
        (self.sender, self.receiver)
    }

    /// The transport in use.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.sender.kind()
    }

    /// As [`ClientSender::encode`].
    ///
    /// # Errors
    /// As there.
    pub fn encode(
        &mut self,
        payload: &[u8],
        quick_ack: bool,
        out: &mut BytesMut,
    ) -> Result<(), FrameError> {
        self.sender.encode(payload, quick_ack, out)
    }

    /// Takes all of `input`, the bytes just read, and gives back the next complete frame. Call it again
    /// with an empty `input` until it answers `None`.
    ///
    /// # Errors
    /// As [`ClientReceiver::decode`].
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let bytes = input.split();
        if self.receiver.buffer.is_empty() {
            self.receiver.buffer = bytes;
        } else {
            self.receiver.buffer.unsplit(bytes);
        }
        self.receiver.decode()
    }

    /// Bytes received that do not make a whole frame yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.receiver.buffer.len()
    }
}

impl ClientSender {
    /// The transport in use.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.framing.kind()
    }

    /// Appends the frame of one payload to `out`, before the first one the transport's tag or
    /// obfuscation header.
    ///
    /// # Errors
    /// If the payload cannot be framed: empty, above [`MAX_FRAME`](super::MAX_FRAME), no multiple of 4
    /// bytes, or a quick acknowledgement asked of the full transport. Nothing is written then.
    pub fn encode(
        &mut self,
        payload: &[u8],
        quick_ack: bool,
        out: &mut BytesMut,
    ) -> Result<(), FrameError> {
        self.framing.check(payload, quick_ack)?;
        out.put_slice(&std::mem::take(&mut self.announcement));
        let start = out.len();
        self.framing
            .encode(payload, quick_ack, &mut *self.random, out);
        if let Some(stream) = &mut self.stream {
            stream.apply(&mut out[start..]);
        }
        Ok(())
    }
}

impl ClientReceiver {
    /// Where the next bytes are read to: behind what is there, with room for `usual` bytes, or if a frame is under way that
    /// is larger, for the rest of that. So a large frame lies where it was read to.
    ///
    /// Only append to it, and then call [`decode`](Self::decode).
    pub fn buffer(&mut self, usual: usize) -> &mut BytesMut {
        let room = self.buffer.capacity() - self.buffer.len();
        match self.framing.missing(&self.buffer) {
            Some(missing) if missing <= room => {}
            Some(missing) if missing < LARGE => {
                let beyond = usual.min(BEYOND);
                self.buffer.reserve(usual.max(missing + beyond));
            }
            Some(missing) => self.buffer.reserve(missing + BEYOND),
            None if self.after_large => self.buffer.reserve(usual.min(BEYOND)),
            None => self.buffer.reserve(usual),
        }
        &mut self.buffer
    }

    /// The next complete frame. Call it until it answers `None` whenever something was read.
    ///
    /// # Errors
    /// The first malformed frame ends the stream: this and every later call answers its error. Close
    /// the connection.
    pub fn decode(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = &self.failed {
            self.buffer.clear();
            return Err(error.clone());
        }
        if let Some(stream) = &mut self.stream {
            stream.apply(&mut self.buffer[self.clear..]);
        }
        let before = self.buffer.len();
        let decoded = self.framing.decode(&mut self.buffer);
        self.clear = self.buffer.len();
        match &decoded {
            Ok(Some(_)) => {
                self.after_large = before - self.clear >= LARGE;
                // The frame's buffer is to go with the frame, also where nothing may follow for long.
                let moved = if self.after_large { BEYOND } else { 0 };
                if before - self.clear >= NOT_KEPT && self.clear <= moved {
                    self.buffer = BytesMut::from(&self.buffer[..]);
                }
            }
            Ok(None) => {}
            Err(error) => self.failed = Some(error.clone()),
        }
        decoded
    }

    /// Bytes received that do not make a whole frame yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
}

impl std::fmt::Debug for ClientTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTransport")
            .field("sender", &self.sender)
            .field("receiver", &self.receiver)
            .finish()
    }
}

impl std::fmt::Debug for ClientSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSender")
            .field("framing", &self.framing)
            .field("obfuscated", &self.stream.is_some())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ClientReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientReceiver")
            .field("framing", &self.framing)
            .field("obfuscated", &self.stream.is_some())
            .field("buffered", &self.buffer.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
