#![doc = include_str!("../README.md")]

mod api;
pub mod blocking;
mod builder;
mod calls;
mod client;
pub mod commands;
mod dispatcher;
mod error;
pub mod filters;
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
mod inspect;
mod keyboard;
mod listing;
#[cfg(feature = "local")]
mod local_person;
mod login;
mod loops;
mod network;
mod objects;
mod own_names;
mod peers;
mod settings;
mod snapshot;
mod strands;
mod takeout;
pub mod text;
pub mod transfers;

pub use actogram_actors::{
    AccountEvent, ApiActor, CallError, CatchUp, Clock, Connecting, Connector, DatacenterAddress,
    DedupeId, Engine, Io, Rate, Rates, ShutdownReport, ShutdownStep,
};
/// Ways to hosts; usable without Telegram.
pub use actogram_net as net;
/// Supervised actors, loops and combinators; usable without Telegram.
pub use actogram_runtime as runtime;
/// Futures and calls combined: see [`runtime::combine`] for what becomes of the losers.
pub use actogram_runtime::{
    Escalation, Strand, all, any, first, sleep, some, timeout, timeout_opt,
};
/// Telegram's schema: types, functions, codecs.
pub use actogram_tl as tl;
pub use api::Api;
pub use builder::ClientBuilder;
pub use calls::{
    AnswerCallback, AnswerInline, CallByName, CallbackAnswer, ClickButton, Clicked, DeleteMessages,
    Demote, EditMessage, ExportInvite, ForwardMessage, ForwardMessages, Invoke, JoinChat,
    LeaveChat, Media, NextCall, OutgoingCall, Pending, PinMessage, Promote, Reaction, Restrict,
    SendMedia, SendMessage, SendParts, SendReaction, SetCommands,
};
pub use client::Client;
pub use dispatcher::{
    Ask, AskError, Cx, EventActor, EventHandler, EventHandlerHandle, Failure, GetUpdates,
    HandlerHandle, HandlerInfo, HandlerKind, IntoPropagation, NewUpdate, Next, Order, PollError,
    PolledUpdate, Poller, Propagation, Router, State, StateError,
};
#[cfg(feature = "http")]
pub use dispatcher::{Webhook, WebhookError};
pub use error::{Error, Result, RpcError};
pub use keyboard::{
    Button, ButtonChoice, ButtonKind, CALLBACK_DATA, ForceReply, InlineKeyboard, KeyboardError,
    Markup, PLACEHOLDER, RemoveKeyboard, ReplyKeyboard,
};
pub use listing::{Dialog, Dialogs, History, Listing, MemberFilter, Members, Progress, Search};
#[cfg(feature = "local")]
pub use local_person::LocalPerson;
pub use login::{LoginError, LoginPrompts, SentCode, SignIn};
pub use loops::{Bound, LoopActor, LoopApi, LoopCx, LoopHandle, SignalLoop};
pub use network::NetworkSettings;
pub use objects::{
    Album, CallbackQuery, ChatMember, Deleted, InlineQuery, MemberStatus, Msg, ServiceMsg, Update,
    article,
};
pub use peers::{
    FULL_INFO_AGE, FullObject, PeerError, PeerFullInfo, PeerId, PeerInfo, PeerKind, PeerObject,
    PeerRef,
};
pub use settings::{CallSettings, DatacenterSettings, KeepRates, RateSettings, Secret, Settings};
pub use snapshot::ClientSnapshot;
pub use takeout::{Takeout, TakeoutRequest};
pub use text::{Text, escape_html, escape_markdown_v2, html, markdown};

/// What a program that runs an account needs: `use actogram::prelude::*`.
///
/// It shares no name with `actix::prelude`.
pub mod prelude {
    pub use crate::{
        Api, CallbackQuery, Client, ClientBuilder, Cx, Deleted, Error, EventActor, EventHandler,
        InlineQuery, LoopApi, LoopCx, Msg, NewUpdate, Next, Order, Propagation, Result, Router,
        ServiceMsg, SignalLoop, Text, Update,
        commands::{Commands, Given},
        escape_html, escape_markdown_v2,
        filters::{Captures, Command},
        html, markdown,
    };
}
