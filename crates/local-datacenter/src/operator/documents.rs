//! Orders about files.

use actogram_tl::{functions, types};

use super::{Operator, OperatorError, input_peer, known};
use crate::model::{Document, Event, PeerKey, UserId};
use crate::rpc::{Call, input_document};

/// The first file's id.
const FIRST_DOCUMENT_ID: i64 = 5_000_000_000_000_000_001;

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
        self.act(|world, now| {
            known(world, from)?;
            let last = world.state.documents.last_key_value();
            let id = last.map_or(FIRST_DOCUMENT_ID, |(id, _)| id + 1);
            let mut call = Call::as_account(world, now, from);
            let date = call.date();
            call.world.commit(Event::DocumentPut(Document {
                id,
                name: name.to_owned(),
                mime_type: mime_type.to_owned(),
                size,
                date,
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
}
