//! Orders about files.

use actogram_tl::{functions, types};

use super::{Operator, OperatorError, input_peer, known};
use crate::files::BlobName;
use crate::model::{Document, Event, PeerKey, User, UserId};
use crate::rpc::{Call, input_document};

impl Operator {
    /// Sends a file in the name of `from`, as a client would that had uploaded it; there are no bytes behind it. Returns the
    /// message's id in the mailbox of `from`.
    ///
    /// # Errors
    /// [`OperatorError::Refused`] with the error a client would get; [`OperatorError::Unknown`].
    pub fn send_document(
        &self,
        from: UserId,
        to: PeerKey,
        name: &str,
        mime_type: &str,
        size: i64,
    ) -> Result<i32, OperatorError> {
        self.send_stored(from, to, (name, mime_type), |_, _| Ok((size, false)))
    }

    /// Sends a file with these bytes in the name of `from`. Returns the message's id in the mailbox of `from`.
    ///
    /// # Errors
    /// As [`Operator::send_document`]; [`OperatorError::Storage`] if the bytes cannot be written.
    pub fn send_file(
        &self,
        from: UserId,
        to: PeerKey,
        name: &str,
        mime_type: &str,
        bytes: &[u8],
    ) -> Result<i32, OperatorError> {
        self.send_stored(from, to, (name, mime_type), |call, blob| {
            call.world.files.put(blob, bytes)?;
            Ok((i64::try_from(bytes.len()).unwrap_or(i64::MAX), true))
        })
    }

    /// Sends a file of `size` bytes that takes hardly any room, in the name of `from`: zeros, but for the first eight bytes
    /// of each MiB, which hold the number of that MiB, the lowest byte first. Returns the message's id in the mailbox of
    /// `from`.
    ///
    /// # Errors
    /// As [`Operator::send_file`].
    pub fn send_sparse_file(
        &self,
        from: UserId,
        to: PeerKey,
        name: &str,
        size: u64,
    ) -> Result<i32, OperatorError> {
        let kind = (name, "application/octet-stream");
        self.send_stored(from, to, kind, |call, blob| {
            call.world.files.put_sparse(blob, size)?;
            Ok((i64::try_from(size).unwrap_or(i64::MAX), true))
        })
    }

    fn send_stored(
        &self,
        from: UserId,
        to: PeerKey,
        (name, mime_type): (&str, &str),
        store: impl FnOnce(&mut Call<'_>, &BlobName) -> std::io::Result<(i64, bool)>,
    ) -> Result<i32, OperatorError> {
        self.act(|world, now| {
            known(world, from)?;
            let id = world.state.next_file_id();
            let mut call = Call::as_account(world, now, from);
            let date = call.date();
            let (size, kept) = store(&mut call, &BlobName::of(id))
                .map_err(|error| OperatorError::Storage(error.to_string()))?;
            let dc = call.dc_id;
            call.world.commit(Event::DocumentPut(Document {
                id,
                name: name.to_owned(),
                mime_type: mime_type.to_owned(),
                size,
                date,
                dc,
                kept,
                attributes: None,
                thumbs: Vec::new(),
            }));
            let random_id = actogram_crypto::random::i64(&mut call.world.random) | 1;
            let peer = input_peer(call.world, from, to)?;
            let document = input_document(&call.world.state, from, id);
            let media = types::InputMediaDocument::new(document.into());
            let request =
                functions::messages::SendMedia::new(peer, media.into(), String::new(), random_id);
            crate::rpc::send_media(&mut call, request)?;
            let state = &world.state;
            let sent = state
                .random_ids
                .get(&(from, random_id))
                .and_then(|uid| state.messages.get(uid))
                .and_then(|message| message.id_for(from));
            sent.ok_or(OperatorError::Unknown { id: from })
        })
    }

    /// Makes every file reference void that was told so far: those who use one get `FILE_REFERENCE_EXPIRED`.
    ///
    /// # Errors
    /// [`OperatorError`] if the journal cannot be written.
    pub fn expire_file_references(&self) -> Result<(), OperatorError> {
        self.act(|world, _| {
            world.commit(Event::ReferencesExpired);
            Ok(())
        })
    }

    /// Gives an account premium, or takes it away: with it, files of twice the size can be uploaded.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`]; [`OperatorError::Storage`] if the journal cannot be written.
    pub fn set_premium(&self, user: UserId, premium: bool) -> Result<(), OperatorError> {
        self.act(|world, _| {
            known(world, user)?;
            let found = world.state.users.get(&user).cloned();
            if let Some(account) = found {
                world.commit(Event::UserPut(User { premium, ..account }));
            }
            Ok(())
        })
    }

    /// The SHA-256 of a file that was uploaded or sent, by the id of its document.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`] if it has no bytes; [`OperatorError::Storage`] if they cannot be read.
    pub fn file_sha256(&self, document: i64) -> Result<[u8; 32], OperatorError> {
        self.act(|world, _| {
            let kept = world.state.documents.get(&document);
            kept.filter(|document| document.kept)
                .ok_or(OperatorError::Unknown { id: document })?;
            let hash = world.files.sha256(&BlobName::of(document));
            hash.map_err(|error| OperatorError::Storage(error.to_string()))
        })
    }

    /// Uploads that have not become a file, and were not given up.
    pub fn unfinished_uploads(&self) -> usize {
        self.lock().files.unfinished()
    }
}
