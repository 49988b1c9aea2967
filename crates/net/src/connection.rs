//! An open stream that tells, once, whether the way it was opened by leads anywhere.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::{error::Route, routes::Routes, stream::BoxedStream};

/// How an answer of HTTP begins.
const HTTP: &[u8] = b"HTTP/1.";

/// How much is read at once until there is a verdict.
const FIRST_READ: usize = 1024;

/// The longest status line that is shown.
const SHOWN: usize = 60;

/// A stream to a host.
///
/// Whoever writes to it and hears nothing has been led into a dead end, though every step of connecting succeeded: the
/// way is then tried after others for a while. The first byte that comes back proves it.
pub struct Connection {
    stream: BoxedStream,
    /// What came and was not yet read: after the answer of a proxy, and before there was a verdict.
    early: Vec<u8>,
    route: Route,
    verdict: Option<Verdict>,
}

/// Who waits to hear whether the way is good.
struct Verdict {
    routes: Arc<Mutex<Routes>>,
    way: usize,
    wrote: bool,
    refuses_http: bool,
}

impl Verdict {
    fn worked(self) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.worked(self.way, Instant::now());
    }

    fn failed(self) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.failed(self.way, Instant::now());
    }
}

impl Connection {
    pub(crate) fn new(
        stream: BoxedStream,
        early: Vec<u8>,
        (routes, way): (Arc<Mutex<Routes>>, usize),
        route: Route,
        refuses_http: bool,
    ) -> Self {
        Self {
            stream,
            early,
            route,
            verdict: Some(Verdict {
                routes,
                way,
                wrote: false,
                refuses_http,
            }),
        }
    }

    /// The way it was opened by.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Judges the way by all that came so far; nothing means that the other side has closed.
    ///
    /// Ready once there is a verdict.
    fn judge(&mut self) -> Poll<io::Result<()>> {
        let Some(verdict) = self.verdict.take() else {
            return Poll::Ready(Ok(()));
        };
        if self.early.is_empty() {
            verdict.failed();
            return Poll::Ready(Ok(()));
        }
        let common = HTTP.len().min(self.early.len());
        if !verdict.refuses_http || HTTP[..common] != self.early[..common] {
            verdict.worked();
            return Poll::Ready(Ok(()));
        }
        if common < HTTP.len() {
            self.verdict = Some(verdict);
            return Poll::Pending;
        }
        verdict.failed();
        let line = self
            .early
            .split(|byte| matches!(byte, b'\r' | b'\n'))
            .next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        let shown = line.chars().take(SHOWN);
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::InvalidData,
            AnsweredByHttp {
                status: shown.flat_map(char::escape_debug).collect(),
            },
        )))
    }

    /// Reads until there is a verdict. What came is kept meanwhile: nobody downstream sees half an answer of HTTP.
    fn poll_verdict(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty()
            && let Poll::Ready(judged) = self.judge()
        {
            return Poll::Ready(judged);
        }
        loop {
            let mut chunk = [0; FIRST_READ];
            let mut chunk = ReadBuf::new(&mut chunk);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk));
            if read.is_err() || (chunk.filled().is_empty() && !self.early.is_empty()) {
                if let Some(verdict) = self.verdict.take() {
                    verdict.failed();
                }
                return Poll::Ready(read);
            }
            self.early.extend_from_slice(chunk.filled());
            if let Poll::Ready(judged) = self.judge() {
                return Poll::Ready(judged);
            }
        }
    }
}

/// HTTP came where it is not spoken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the other side answers in HTTP ({status:?}): a captive portal or a web server stands in the way; log in to the network, or check host and port"
)]
pub struct AnsweredByHttp {
    /// The beginning of its answer; text from outside, shortened and escaped.
    pub status: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.route)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // One that was not even tried says nothing.
        if let Some(verdict) = self.verdict.take().filter(|verdict| verdict.wrote) {
            verdict.failed();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.verdict.is_some() {
            ready!(self.poll_verdict(cx))?;
            // The end, unless there is something to give.
            if self.early.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early[..count]);
        self.early.drain(..count);
        if self.early.is_empty() {
            self.early = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(verdict) = &mut self.verdict {
            verdict.wrote = true;
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
