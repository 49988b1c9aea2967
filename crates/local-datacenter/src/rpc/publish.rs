//! From recorded changes to pushes: every account touched hears of it, in every session that takes updates.

use std::collections::BTreeMap;
use std::time::Duration;

use actogram_tl as tl;
use bytes::Bytes;
use tl::{Encode, enums, types};

use super::call::Call;
use super::faults::PushFault;
use super::view::View;
use crate::model::world::unix;
use crate::model::{
    BoxChange, ChannelId, Event, PeerKey, Push, QtsChange, SeqChange, SessionKey, Stream, Touched,
    UserId, World,
};

impl World {
    /// When a person was last online: the end of being online (positive) or minus the time of leaving.
    pub(crate) fn online(&self, user: UserId) -> Option<i32> {
        self.online.get(&user).copied()
    }

    fn stream_date(&self, now: Duration, account: UserId) -> i32 {
        let now = unix(now);
        self.state
            .mailbox(account)
            .map_or(now, |mailbox| mailbox.stream_date(now))
    }

    /// Sends a container to every session of `account` that takes updates, except one.
    pub(crate) fn push(
        &mut self,
        account: UserId,
        except: Option<SessionKey>,
        updates: &enums::Updates,
    ) {
        self.push_with(account, except, updates, &mut |_, _| None);
    }

    /// [`World::push`] for changes that a difference brings again: these suffer the faults drawn from a seed.
    fn push_recorded(
        &mut self,
        now: Duration,
        stream: Stream,
        account: UserId,
        except: Option<SessionKey>,
        updates: &enums::Updates,
    ) {
        let channel = match stream {
            Stream::Channel(channel) => Some(channel),
            Stream::Account(_) => None,
        };
        self.push_with(account, except, updates, &mut |world, push| {
            let fault = world.faults.draw(account, channel)?;
            if let PushFault::Delay(by) = fault {
                world.delay_push(now.saturating_add(by), push.clone());
            }
            Some(fault)
        });
    }

    fn delay_push(&mut self, at: Duration, push: Push) {
        let mut key = (at, 0);
        while self.delayed_pushes.contains_key(&key) {
            key.1 += 1;
        }
        self.delayed_pushes.insert(key, push);
    }

    fn push_with(
        &mut self,
        account: UserId,
        except: Option<SessionKey>,
        updates: &enums::Updates,
        draw: &mut dyn FnMut(&mut Self, &Push) -> Option<PushFault>,
    ) {
        let sessions = self.listening(account, except);
        if sessions.is_empty() {
            return;
        }
        let ordered = self.faults.take_push(account);
        let (due, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(user, _)| *user == account && ordered != Some(PushFault::Swap));
        self.held = kept;
        let bare;
        let updates = if ordered == Some(PushFault::Unaccompanied) {
            bare = unaccompanied(updates.clone());
            &bare
        } else {
            updates
        };
        let mut encoded: BTreeMap<i32, Bytes> = BTreeMap::new();
        for (key, layer) in sessions {
            let body = encoded
                .entry(layer)
                .or_insert_with(|| updates.to_bytes_for(layer))
                .clone();
            let push = Push {
                auth_key_id: key.auth_key_id,
                session_id: key.session_id,
                body,
            };
            let fault = match ordered {
                Some(fault) => Some(fault),
                None => draw(self, &push),
            };
            match fault {
                Some(PushFault::Withhold | PushFault::Delay(_)) => {}
                Some(PushFault::Swap) => self.held.push((account, push)),
                Some(PushFault::Duplicate) => {
                    self.counters.count_push();
                    self.outcome.pushes.push(push.clone());
                    self.outcome.pushes.push(push);
                }
                Some(PushFault::Unaccompanied) | None => {
                    self.counters.count_push();
                    self.outcome.pushes.push(push);
                }
            }
        }
        self.outcome
            .pushes
            .extend(due.into_iter().map(|(_, push)| push));
    }

    fn listening(&self, account: UserId, except: Option<SessionKey>) -> Vec<(SessionKey, i32)> {
        let Some(keys) = self.state.keys_of.get(&account) else {
            return Vec::new();
        };
        let home = self.home(account);
        let mut found = Vec::new();
        for permanent in keys {
            let login = self.state.authorizations.get(permanent);
            let is_main = login.is_some_and(|login| login.main.is_none());
            if !is_main || self.login_datacenter(*permanent) != Some(home) {
                continue;
            }
            let temporary = self.state.temporary_keys(*permanent);
            for id in temporary.iter().copied().chain([*permanent]) {
                let newest = self.state.clients.get(&id).map(|info| info.layer);
                for (key, entry) in self.sessions.listening(id) {
                    if Some(key) == except {
                        continue;
                    }
                    let layer = entry.layer.or(newest).unwrap_or(tl::LAYER);
                    found.push((key, layer));
                }
            }
        }
        found
    }

    /// Pushes recorded changes to the sessions of their accounts, one container per account. `extra` adds updates
    /// that take no `pts`. Returns the container of `own`, which is not pushed to `origin`.
    pub(crate) fn publish(
        &mut self,
        now: Duration,
        touched: &[Touched],
        own: Option<UserId>,
        origin: Option<SessionKey>,
        extra: &dyn Fn(&mut View<'_>, UserId) -> Vec<enums::Update>,
    ) -> Option<enums::Updates> {
        let mut order: Vec<UserId> = Vec::new();
        let mut positions: BTreeMap<UserId, Vec<i32>> = BTreeMap::new();
        let mut in_channel: Vec<(ChannelId, i32)> = Vec::new();
        for Touched { stream, pts } in touched {
            match stream {
                Stream::Account(account) => {
                    let list = positions.entry(*account).or_default();
                    if list.is_empty() {
                        order.push(*account);
                    }
                    list.push(*pts);
                }
                Stream::Channel(channel) => in_channel.push((*channel, *pts)),
            }
        }
        let mut answer = None;
        for account in order {
            let list = positions.remove(&account).unwrap_or_default();
            let compact = (self.config.compact_updates && Some(account) != own)
                .then(|| self.compact(account, &list))
                .flatten();
            let container = match compact {
                Some(container) => container,
                None => {
                    let online = |user| self.online(user);
                    let mut view = View::new(&self.state, account, unix(now), &online);
                    let mut updates = extra(&mut view, account);
                    updates.extend(list.iter().filter_map(|pts| view.update(*pts)));
                    let date = self.stream_date(now, account);
                    view.container(updates, date, 0)
                }
            };
            self.push_recorded(now, Stream::Account(account), account, origin, &container);
            if Some(account) == own {
                answer = Some(container);
            }
        }
        let mut channels: Vec<ChannelId> = in_channel.iter().map(|(channel, _)| *channel).collect();
        channels.dedup();
        for channel in channels {
            let list: Vec<i32> = in_channel
                .iter()
                .filter(|(of, _)| *of == channel)
                .map(|(_, pts)| *pts)
                .collect();
            let told = self.publish_channel(now, channel, &list, own, origin, extra);
            answer = answer.or(told);
        }
        answer
    }

    /// Pushes recorded changes of a channel to all its members. The container of `own` is made whether they are a
    /// member or not: they caused the changes.
    fn publish_channel(
        &mut self,
        now: Duration,
        channel: ChannelId,
        positions: &[i32],
        own: Option<UserId>,
        origin: Option<SessionKey>,
        extra: &dyn Fn(&mut View<'_>, UserId) -> Vec<enums::Update>,
    ) -> Option<enums::Updates> {
        let mut audience: Vec<UserId> = self.state.channels.get(&channel)?.current().collect();
        if let Some(own) = own
            && !audience.contains(&own)
        {
            audience.push(own);
        }
        let date = audience
            .iter()
            .map(|member| self.stream_date(now, *member))
            .max()
            .unwrap_or(0)
            .max(unix(now));
        self.commit(Event::ChannelChanged { channel, date });
        let mut answer = None;
        for account in audience {
            let is_own = Some(account) == own;
            if !is_own && self.listening(account, origin).is_empty() {
                continue;
            }
            let online = |user| self.online(user);
            let mut view = View::new(&self.state, account, unix(now), &online);
            if !is_own {
                view.set_brief();
            }
            let mut updates = extra(&mut view, account);
            updates.extend(
                positions
                    .iter()
                    .filter_map(|pts| view.channel_update(channel, *pts)),
            );
            let container = view.container(updates, self.stream_date(now, account), 0);
            self.push_recorded(now, Stream::Channel(channel), account, origin, &container);
            if is_own {
                answer = Some(container);
            }
        }
        answer
    }

    /// A plain text as `updateShortMessage` or `updateShortChatMessage`, if it is one.
    fn compact(&self, account: UserId, positions: &[i32]) -> Option<enums::Updates> {
        let [pts] = positions else { return None };
        let entry = self.state.mailbox(account)?.log.get(pts)?;
        let BoxChange::New { id } = entry.change else {
            return None;
        };
        let message = self.state.message(account, id)?;
        if message.action.is_some()
            || message.forward.is_some()
            || message.reply_markup.is_some()
            || message.media.is_some()
            || message.via_bot.is_some()
        {
            return None;
        }
        let online = |user| self.online(user);
        let mut view = View::new(&self.state, account, message.date, &online);
        let text = message.text.clone();
        let (entities, reply_to) = (
            view.entities(message.entities.as_ref()),
            view.reply_header(message),
        );
        match message.peer_for(account) {
            PeerKey::User(user_id) => {
                let mut short = types::UpdateShortMessage::new(
                    id,
                    user_id,
                    text,
                    *pts,
                    entry.count,
                    message.date,
                );
                short.out = message.from == account;
                short.silent = message.silent;
                short.entities = entities;
                short.reply_to = reply_to;
                Some(short.into())
            }
            PeerKey::Chat(chat_id) => {
                let mut short = types::UpdateShortChatMessage::new(
                    id,
                    message.from,
                    chat_id,
                    text,
                    *pts,
                    entry.count,
                    message.date,
                );
                short.out = message.from == account;
                short.silent = message.silent;
                short.entities = entities;
                short.reply_to = reply_to;
                Some(short.into())
            }
            // Channels have no short form.
            PeerKey::Channel(_) => None,
        }
    }

    /// Records a change of the `seq` sequence and pushes it, to the session that caused it as well: it would find a
    /// gap in the sequence otherwise.
    pub(crate) fn sequence(&mut self, now: Duration, account: UserId, change: SeqChange) {
        self.commit(Event::Sequenced {
            owner: account,
            date: unix(now),
            change: change.clone(),
        });
        let Some(mailbox) = self.state.mailbox(account) else {
            return;
        };
        let (seq, date) = (mailbox.seq, mailbox.seq_date);
        let online = |user| self.online(user);
        let mut view = View::new(&self.state, account, unix(now), &online);
        let updates = view.seq_update(&change).into_iter().collect();
        let container = view.container(updates, date, seq);
        self.push_recorded(now, Stream::Account(account), account, None, &container);
    }

    /// Records a change of a bot's `qts` sequence and pushes it.
    pub(crate) fn record_qts(&mut self, now: Duration, bot: UserId, change: QtsChange) {
        self.commit(Event::QtsRecorded { owner: bot, change });
        let Some(mailbox) = self.state.mailbox(bot) else {
            return;
        };
        let (qts, date) = (mailbox.qts, mailbox.stream_date(unix(now)));
        let online = |user| self.online(user);
        let mut view = View::new(&self.state, bot, unix(now), &online);
        let updates = view.qts_update(qts).into_iter().collect();
        let container = view.container(updates, date, 0);
        self.push_recorded(now, Stream::Account(bot), bot, None, &container);
    }

    /// Pushes something that nobody records, as typing.
    pub(crate) fn push_short(&mut self, now: Duration, account: UserId, update: enums::Update) {
        let container = types::UpdateShort {
            update,
            date: self.stream_date(now, account),
        }
        .into();
        self.push(account, None, &container);
    }
}

impl Call<'_> {
    /// Publishes changes this call made; returns the caller's own container, empty if it was not touched.
    pub(crate) fn publish(&mut self, touched: &[Touched]) -> enums::Updates {
        self.publish_with(touched, &|_, _| Vec::new())
    }

    /// [`Call::publish`] with updates that take no `pts`.
    pub(crate) fn publish_with(
        &mut self,
        touched: &[Touched],
        extra: &dyn Fn(&mut View<'_>, UserId) -> Vec<enums::Update>,
    ) -> enums::Updates {
        let (now, user, origin) = (self.now, self.user, self.origin);
        self.world
            .publish(now, touched, user, origin, extra)
            .unwrap_or_else(|| {
                types::Updates {
                    updates: Vec::new(),
                    users: Vec::new(),
                    chats: Vec::new(),
                    date: unix(now),
                    seq: 0,
                }
                .into()
            })
    }

    /// The caller's view of the state.
    pub(crate) fn view<R>(&self, viewer: UserId, f: impl FnOnce(&mut View<'_>) -> R) -> R {
        let online = |user| self.world.online(user);
        let mut view = View::new(&self.world.state, viewer, self.date(), &online);
        f(&mut view)
    }

    /// A user as the caller sees it.
    pub(crate) fn user_object(&self, viewer: UserId, user: UserId) -> enums::User {
        self.view(viewer, |view| view.user(user))
    }
}

/// The same updates without the users and chats they speak of.
fn unaccompanied(mut updates: enums::Updates) -> enums::Updates {
    if let enums::Updates::Updates(container) = &mut updates {
        container.users.clear();
        container.chats.clear();
    }
    updates
}
