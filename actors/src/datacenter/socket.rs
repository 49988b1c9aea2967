//! The two loops around a stream.

use std::sync::Arc;

use actix::Addr;
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::mpsc,
};

use super::{ConnectionActor, connection::Received};
use crate::{connector::Io, shared::Shared};

/// How much is read at once: little while little comes, so that idle accounts cost little.
const LITTLE: usize = 4 * 1024;
const MUCH: usize = 64 * 1024;

/// Reads until the stream ends; says why it did. The next read waits until the actor has dealt with the last one, and a
/// little more while handlers do not keep up with queries, so that a fast server fills its own buffers and not ours.
pub(super) async fn read(
    mut from: ReadHalf<Box<dyn Io>>,
    to: Addr<ConnectionActor>,
    epoch: u64,
    shared: Arc<Shared>,
) -> String {
    let mut buffer = BytesMut::new();
    let mut room = LITTLE;
    loop {
        buffer.reserve(room);
        match from.read_buf(&mut buffer).await {
            Ok(0) => return "the other side closed the connection".to_owned(),
            Ok(count) => room = if count >= LITTLE { MUCH } else { LITTLE },
            Err(error) => return error.to_string(),
        }
        if to
            .send(Received {
                epoch,
                bytes: buffer.split(),
            })
            .await
            .is_err()
        {
            return "the connection's actor failed".to_owned();
        }
        if let Some(pause) = shared.pause_between_reads() {
            room = LITTLE;
            tokio::time::sleep(pause).await;
        }
    }
}

/// Writes what comes until the channel ends or the stream does; says why.
pub(super) async fn write(
    mut to: WriteHalf<Box<dyn Io>>,
    mut from: mpsc::UnboundedReceiver<Bytes>,
) -> String {
    while let Some(chunk) = from.recv().await {
        if let Err(error) = to.write_all(&chunk).await {
            return error.to_string();
        }
        // Flushed when nothing more is waiting, so that many small packets become few segments.
        if from.is_empty()
            && let Err(error) = to.flush().await
        {
            return error.to_string();
        }
    }
    // The connection is being closed: what was written must still arrive.
    let _ = to.shutdown().await;
    "it was closed by this side".to_owned()
}
