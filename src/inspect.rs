//! Lets other processes of the same user look into a running client: a socket in the file system that answers with
//! [snapshots](crate::ClientSnapshot). The setting `inspect` names it; `actogram top` reads it.
//!
//! Whoever connects gets a snapshot as one line of JSON, and another one for each line they send.

use std::path::{Path, PathBuf};

use tokio::task::AbortHandle;

use crate::{Error, Result, snapshot::Viewer};

/// The socket, for as long as it is there.
pub(crate) struct Inspector {
    path: PathBuf,
    serving: AbortHandle,
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.serving.abort();
        // If it is gone already, all the better.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
mod socket {
    use std::{fs, io, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::{UnixListener, UnixStream},
        sync::Semaphore,
        time::timeout,
    };

    use super::*;

    /// Onlookers at once; further ones wait.
    const MOST: usize = 8;

    /// How long an onlooker may take to read.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// The longest line that is read from an onlooker, in bytes.
    const LONGEST: u64 = 64;

    pub(super) async fn listen(path: &Path) -> io::Result<UnixListener> {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another process answers there; give each its own `inspect`",
            ));
        }
        // Nobody else may look, not for a moment: it gets its name when its permissions are set.
        let mut early = path.as_os_str().to_owned();
        early.push(".new");
        let early = PathBuf::from(early);
        match fs::remove_file(&early) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&early)?;
        fs::set_permissions(&early, fs::Permissions::from_mode(0o600))?;
        fs::rename(&early, path)?;
        Ok(listener)
    }

    pub(super) async fn serve(listener: UnixListener, viewer: Viewer) {
        let seats = Arc::new(Semaphore::new(MOST));
        loop {
            // The semaphore is never closed.
            let Ok(seat) = seats.clone().acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, say: that may pass.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let viewer = viewer.clone();
            tokio::spawn(async move {
                // An onlooker who goes away is no loss.
                let _ = show(stream, &viewer).await;
                drop(seat);
            });
        }
    }

    async fn show(stream: UnixStream, viewer: &Viewer) -> io::Result<()> {
        use tokio::io::AsyncReadExt;
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read);
        loop {
            let mut line = serde_json::to_vec(&viewer.snapshot())?;
            line.push(b'\n');
            timeout(PATIENCE, write.write_all(&line)).await??;
            let mut asked = Vec::new();
            (&mut lines)
                .take(LONGEST)
                .read_until(b'\n', &mut asked)
                .await?;
            if asked.last() != Some(&b'\n') {
                return Ok(());
            }
        }
    }
}

#[cfg(unix)]
pub(crate) async fn start(path: &Path, viewer: Viewer) -> Result<Inspector> {
    let listener = socket::listen(path).await.map_err(|error| {
        Error::io(
            format!("opening the socket `inspect` = {}", path.display()),
            error,
        )
    })?;
    let serving = tokio::spawn(socket::serve(listener, viewer)).abort_handle();
    Ok(Inspector {
        path: path.to_owned(),
        serving,
    })
}

#[cfg(not(unix))]
pub(crate) async fn start(path: &Path, _: Viewer) -> Result<Inspector> {
    Err(Error::Settings(format!(
        "`inspect` = {}: sockets in the file system are not built for this system; leave it empty and use Client::snapshot",
        path.display()
    )))
}
