use actogram_crypto::random::Random;
use bytes::{BufMut, BytesMut};

use super::framing::{End, Framing};
use super::obfuscation::{Streams, client_header};
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
    framing: Framing,
    obfuscation: Option<Obfuscation>,
    streams: Option<Streams>,
    announced: bool,
    buffer: BytesMut,
    failed: Option<FrameError>,
    random: Box<dyn Random>,
}

impl ClientTransport {
    /// A transport for a new connection. Nothing is sent by it before the first frame.
    ///
    /// # Errors
    /// [`FrameError::ObfuscationUnsupported`] for the full transport with obfuscation.
    pub fn new(
        kind: Kind,
        obfuscation: Option<Obfuscation>,
        random: Box<dyn Random>,
    ) -> Result<Self, FrameError> {
        if obfuscation.is_some() && !kind.supports_obfuscation() {
            return Err(FrameError::ObfuscationUnsupported { kind });
        }
        Ok(Self {
            framing: Framing::new(kind, End::Client),
            obfuscation,
            streams: None,
            announced: false,
            buffer: BytesMut::new(),
            failed: None,
            random,
        })
    }

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
        self.announce(out);
        let start = out.len();
        self.framing
            .encode(payload, quick_ack, &mut *self.random, out);
        if let Some(streams) = &mut self.streams {
            streams.send.apply(&mut out[start..]);
        }
        Ok(())
    }

    fn announce(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.announced, true) {
            return;
        }
        let kind = self.framing.kind();
        let Some(tag) = kind.tag() else { return };
        match self.obfuscation.take() {
            Some(obfuscation) => {
                let (header, streams) = client_header(tag, &obfuscation, &mut *self.random);
                self.streams = Some(streams);
                out.put_slice(&header);
            }
            None if kind == Kind::Abridged => out.put_u8(tag),
            None => out.put_bytes(tag, 4),
        }
    }

    /// Takes all of `input`, the bytes just read, and gives back the next complete frame. Call it again
    /// with an empty `input` until it answers `None`.
    ///
    /// # Errors
    /// The first malformed frame ends the stream: this and every later call answers its error. Close
    /// the connection.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = &self.failed {
            input.clear();
            return Err(error.clone());
        }
        if !input.is_empty() {
            let mut bytes = input.split();
            if let Some(streams) = &mut self.streams {
                streams.receive.apply(&mut bytes);
            }
            if self.buffer.is_empty() {
                self.buffer = bytes;
            } else {
                self.buffer.unsplit(bytes);
            }
        }
        self.framing.decode(&mut self.buffer).inspect_err(|error| {
            self.failed = Some(error.clone());
        })
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
            .field("framing", &self.framing)
            .field(
                "obfuscated",
                &(self.obfuscation.is_some() || self.streams.is_some()),
            )
            .field("buffered", &self.buffer.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
