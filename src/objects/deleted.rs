//! Messages that are no more.

use actogram_tl::enums;

use crate::{PeerId, Update};

/// Messages that were deleted (<https://core.telegram.org/constructor/updateDeleteMessages>).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The supergroup or channel they stood in. `None` for private chats and basic groups: Telegram does not say
    /// which, their messages share one numbering per account.
    pub channel: Option<PeerId>,
    /// Their numbers.
    pub ids: Vec<i32>,
}

impl Deleted {
    pub(crate) fn of(update: &Update) -> Option<Self> {
        match update.raw() {
            enums::Update::UpdateDeleteMessages(update) => Some(Self {
                channel: None,
                ids: update.messages.clone(),
            }),
            enums::Update::UpdateDeleteChannelMessages(update) => Some(Self {
                channel: Some(PeerId::Channel(update.channel_id)),
                ids: update.messages.clone(),
            }),
            _ => None,
        }
    }
}
