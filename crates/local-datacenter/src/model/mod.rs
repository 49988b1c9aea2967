//! The model: accounts, bots, private chats, groups, channels, messages and the record of updates.
//!
//! Pure synchronous state. Time is passed in, randomness comes from the outside, and every change is an [`Event`]
//! that goes through [`State::apply`] and into the journal, so that a restart arrives at the same state.

mod cdn;
mod channel;
mod datacenters;
mod event;
pub(crate) mod hex;
mod login;
mod mailbox;
mod records;
mod revocation;
mod secret;
mod sessions;
mod state;
pub(crate) mod world;

pub(crate) use cdn::CdnCopy;
pub use cdn::CdnLie;
pub use channel::{Admin, Ban, Channel, ChannelChange, ChannelEntry, ChannelRoom, Member};
pub(crate) use datacenters::KNOWN_DATACENTERS;
pub use datacenters::{DatacenterAddress, Endpoint, Role};
pub use event::Event;
pub use hex::TlBytes;
pub(crate) use login::CodeCheck;
pub use login::{IssuedCode, LOGIN_CODE_LIFETIME, MAX_CODE_ATTEMPTS, normalize_phone, test_code};
pub use mailbox::{
    BoxChange, BoxEntry, Dialog, FIRST_PTS, Mailbox, QtsChange, SeqChange, SeqEntry,
};
pub use records::{
    Action, AuthKeyId, Authorization, Bot, BotCommands, ChannelId, Chat, ChatId, ClientInfo,
    Contact, Document, Draft, Forward, Invite, KeyEntry, Message, MessageUid, Participant,
    Password, PeerKey, Photo, Picture, Place, Reacted, User, UserId,
};
pub use revocation::Revocation;
pub use secret::SecretBytes;
pub(crate) use sessions::SessionKey;
pub use state::{State, Stream, Touched};
pub use world::{Answer, KeyRecord, Limits, Outcome, Push, World, WorldConfig, WorldError};
