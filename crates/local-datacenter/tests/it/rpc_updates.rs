//! Updates: what is pushed, what a difference gives and what the history shows are the same.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::rpc_support::*;
use actogram_local_datacenter::model::{Limits, UserId, WorldConfig};
use actogram_local_datacenter::rpc::PushFault;
use actogram_local_datacenter::storage::MemoryJournal;
use actogram_tl as tl;
use proptest::prelude::*;
use tl::{Encode, enums, functions, types};

/// What one client knows of an account from its updates alone.
#[derive(Clone, Debug, Default, PartialEq)]
struct Replica {
    pts: i32,
    date: i32,
    messages: BTreeMap<i32, enums::Message>,
    read_inbox: BTreeMap<String, i32>,
    read_outbox: BTreeMap<String, i32>,
}

fn id_of(message: &enums::Message) -> i32 {
    match message {
        enums::Message::Message(m) => m.id,
        enums::Message::MessageService(m) => m.id,
        enums::Message::MessageEmpty(m) => m.id,
    }
}

impl Replica {
    fn at(state: enums::updates::State) -> Self {
        let enums::updates::State::State(state) = state;
        Self {
            pts: state.pts,
            date: state.date,
            ..Self::default()
        }
    }

    fn step(&mut self, pts: i32, count: i32) {
        assert_eq!(self.pts + count, pts, "a gap or a repetition");
        self.pts = pts;
    }

    fn effect(&mut self, update: &enums::Update) {
        match update {
            enums::Update::UpdateNewMessage(u) => {
                self.messages.insert(id_of(&u.message), u.message.clone());
            }
            enums::Update::UpdateEditMessage(u) => {
                self.messages.insert(id_of(&u.message), u.message.clone());
            }
            enums::Update::UpdateDeleteMessages(u) => {
                for id in &u.messages {
                    self.messages.remove(id);
                }
            }
            enums::Update::UpdateReadHistoryInbox(u) => {
                self.read_inbox.insert(format!("{:?}", u.peer), u.max_id);
            }
            enums::Update::UpdateReadHistoryOutbox(u) => {
                self.read_outbox.insert(format!("{:?}", u.peer), u.max_id);
            }
            _ => {}
        }
    }

    fn position(update: &enums::Update) -> Option<(i32, i32)> {
        Some(match update {
            enums::Update::UpdateNewMessage(u) => (u.pts, u.pts_count),
            enums::Update::UpdateEditMessage(u) => (u.pts, u.pts_count),
            enums::Update::UpdateDeleteMessages(u) => (u.pts, u.pts_count),
            enums::Update::UpdateReadHistoryInbox(u) => (u.pts, u.pts_count),
            enums::Update::UpdateReadHistoryOutbox(u) => (u.pts, u.pts_count),
            _ => return None,
        })
    }

    fn apply(&mut self, container: &enums::Updates) {
        for update in updates(container) {
            if let Some((pts, count)) = Self::position(&update) {
                self.step(pts, count);
            }
            self.effect(&update);
        }
    }

    /// Fetches differences until there is nothing more. Returns how many slices that took.
    fn catch_up(&mut self, rig: &mut Rig, client: &mut Client, pts_limit: Option<i32>) -> usize {
        let mut slices = 0;
        loop {
            let request = functions::updates::GetDifference {
                pts: self.pts,
                pts_limit,
                pts_total_limit: None,
                date: self.date,
                qts: 0,
                qts_limit: None,
            };
            slices += 1;
            match rig.call(client, &request).unwrap() {
                enums::updates::Difference::DifferenceEmpty(empty) => {
                    self.date = empty.date;
                    return slices;
                }
                enums::updates::Difference::Difference(d) => {
                    self.take(&d.new_messages, &d.other_updates);
                    let enums::updates::State::State(state) = d.state;
                    (self.pts, self.date) = (state.pts, state.date);
                    return slices;
                }
                enums::updates::Difference::DifferenceSlice(d) => {
                    self.take(&d.new_messages, &d.other_updates);
                    let enums::updates::State::State(state) = d.intermediate_state;
                    assert!(state.pts > self.pts, "no progress");
                    (self.pts, self.date) = (state.pts, state.date);
                }
                enums::updates::Difference::DifferenceTooLong(_) => panic!("too long"),
            }
        }
    }

    fn take(&mut self, messages: &[enums::Message], others: &[enums::Update]) {
        for message in messages {
            self.messages.insert(id_of(message), message.clone());
        }
        for update in others {
            self.effect(update);
        }
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Send {
        from: usize,
        to: usize,
        text: u8,
    },
    SendToGroup {
        from: usize,
        text: u8,
    },
    Reply {
        from: usize,
        to: usize,
    },
    Edit {
        who: usize,
        back: usize,
        text: u8,
    },
    Delete {
        who: usize,
        back: usize,
        count: usize,
        revoke: bool,
    },
    Read {
        who: usize,
        whom: usize,
    },
    ReadGroup {
        who: usize,
    },
    Leave {
        who: usize,
    },
    Rename {
        who: usize,
        text: u8,
    },
    CatchUp {
        who: usize,
        limit: Option<i32>,
    },
    Wait,
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 0..3_usize;
    prop_oneof![
        6 => (who.clone(), who.clone(), any::<u8>()).prop_map(|(from, to, text)| Deed::Send { from, to, text }),
        4 => (who.clone(), any::<u8>()).prop_map(|(from, text)| Deed::SendToGroup { from, text }),
        2 => (who.clone(), who.clone()).prop_map(|(from, to)| Deed::Reply { from, to }),
        3 => (who.clone(), 0..8_usize, any::<u8>()).prop_map(|(who, back, text)| Deed::Edit { who, back, text }),
        3 => (who.clone(), 0..8_usize, 1..4_usize, any::<bool>())
            .prop_map(|(who, back, count, revoke)| Deed::Delete { who, back, count, revoke }),
        3 => (who.clone(), who.clone()).prop_map(|(who, whom)| Deed::Read { who, whom }),
        2 => who.clone().prop_map(|who| Deed::ReadGroup { who }),
        1 => (1..3_usize).prop_map(|who| Deed::Leave { who }),
        1 => (who.clone(), any::<u8>()).prop_map(|(who, text)| Deed::Rename { who, text }),
        2 => (who, proptest::option::of(1..4)).prop_map(|(who, limit)| Deed::CatchUp { who, limit }),
        1 => Just(Deed::Wait),
    ]
}

struct Person {
    id: UserId,
    /// Acts, and sees its own acts in answers only.
    actor: Client,
    /// Sees everything by pushes.
    listener: Client,
    live: Replica,
    /// Fetches differences now and then.
    lazy: Replica,
}

struct Stage {
    rig: Rig,
    people: Vec<Person>,
    hashes: Vec<Vec<enums::InputPeer>>,
    group: enums::InputPeer,
    chat_id: i64,
    next_random: i64,
}

impl Stage {
    fn new(compact: bool) -> Self {
        let config = WorldConfig {
            compact_updates: compact,
            limits: Limits {
                difference_slice: 5,
                ..Limits::default()
            },
            ..WorldConfig::default()
        };
        let mut rig = Rig::with(config, Box::new(MemoryJournal));
        let mut people = Vec::new();
        for name in ["person0", "person1", "person2"] {
            let (mut actor, id) = rig.person(name);
            rig.set_username(&mut actor, name);
            let mut listener = actor.sibling(id * 10);
            let state = rig
                .call(&mut listener, &functions::updates::GetState)
                .unwrap();
            let live = Replica::at(state);
            people.push(Person {
                id,
                actor,
                listener,
                lazy: live.clone(),
                live,
            });
        }
        let mut hashes = Vec::new();
        for person in &mut people {
            let mut row = Vec::new();
            for name in ["person0", "person1", "person2"] {
                row.push(rig.input_peer(&mut person.actor, name));
            }
            hashes.push(row);
        }
        rig.pushed.clear();
        let users = (1..3)
            .map(|n| match &hashes[0][n] {
                enums::InputPeer::InputPeerUser(peer) => types::InputUser {
                    user_id: peer.user_id,
                    access_hash: peer.access_hash,
                }
                .into(),
                other => panic!("{other:?}"),
            })
            .collect();
        let mut stage = Self {
            rig,
            people,
            hashes,
            group: enums::InputPeer::InputPeerEmpty,
            chat_id: 0,
            next_random: 0,
        };
        let invited = stage
            .act(
                0,
                &functions::messages::CreateChat {
                    users,
                    title: "Group".into(),
                    ttl_period: None,
                },
            )
            .unwrap();
        let enums::messages::InvitedUsers::InvitedUsers(invited) = invited;
        let enums::Updates::Updates(container) = &invited.updates else {
            panic!("{invited:?}")
        };
        stage.chat_id = match &container.chats[0] {
            enums::Chat::Chat(chat) => chat.id,
            other => panic!("{other:?}"),
        };
        stage.group = types::InputPeerChat {
            chat_id: stage.chat_id,
        }
        .into();
        stage
    }

    /// Lets somebody call, then feeds every listener what was pushed to it.
    fn act<F: tl::Function>(
        &mut self,
        who: usize,
        function: &F,
    ) -> Result<F::Response, actogram_local_datacenter::rpc::RpcError>
    where
        F::Response: tl::Decode,
    {
        let mut actor = self.people[who].actor.clone();
        let result = self.rig.call(&mut actor, function);
        self.people[who].actor = actor;
        for person in &mut self.people {
            for push in self.rig.take_pushes(&person.listener) {
                let push = expand(push, person.id);
                person.live.apply(&push);
            }
        }
        result
    }

    fn random_id(&mut self) -> i64 {
        self.next_random += 1;
        self.next_random
    }

    fn recent(&self, who: usize, back: usize) -> Option<enums::Message> {
        self.people[who]
            .live
            .messages
            .values()
            .rev()
            .nth(back)
            .cloned()
    }

    fn peer_of(&self, who: usize, message: &enums::Message) -> enums::InputPeer {
        let peer = match message {
            enums::Message::Message(m) => m.peer_id.clone(),
            enums::Message::MessageService(m) => m.peer_id.clone(),
            enums::Message::MessageEmpty(_) => panic!("stored"),
        };
        match peer {
            enums::Peer::PeerUser(peer) => {
                let index = self
                    .people
                    .iter()
                    .position(|person| person.id == peer.user_id)
                    .unwrap();
                self.hashes[who][index].clone()
            }
            _ => self.group.clone(),
        }
    }

    fn perform(&mut self, deed: &Deed) {
        let random_id = self.random_id();
        // Refusals (not a member, not the author, nothing to edit) are part of the play.
        match deed {
            Deed::Send { from, to, text } => {
                let request = send_message(
                    &self.hashes[*from][*to].clone(),
                    &format!("t{text}"),
                    random_id,
                );
                self.act(*from, &request).unwrap();
            }
            Deed::SendToGroup { from, text } => {
                let request = send_message(&self.group.clone(), &format!("g{text}"), random_id);
                let _ = self.act(*from, &request);
            }
            Deed::Reply { from, to } => {
                let Some(target) = self.recent(*from, *to) else {
                    return;
                };
                let mut request = send_message(&self.peer_of(*from, &target), "re", random_id);
                request.reply_to = Some(reply_to(id_of(&target)));
                let _ = self.act(*from, &request);
            }
            Deed::Edit { who, back, text } => {
                let Some(target) = self.recent(*who, *back) else {
                    return;
                };
                let peer = self.peer_of(*who, &target);
                let request = edit_message(&peer, id_of(&target), &format!("e{text}"));
                let _ = self.act(*who, &request);
            }
            Deed::Delete {
                who,
                back,
                count,
                revoke,
            } => {
                let id = (*back..back + count)
                    .filter_map(|back| self.recent(*who, back))
                    .map(|message| id_of(&message))
                    .collect();
                let request = functions::messages::DeleteMessages {
                    revoke: *revoke,
                    id,
                };
                self.act(*who, &request).unwrap();
            }
            Deed::Read { who, whom } => {
                let request = functions::messages::ReadHistory {
                    peer: self.hashes[*who][*whom].clone(),
                    max_id: 0,
                };
                self.act(*who, &request).unwrap();
            }
            Deed::ReadGroup { who } => {
                let request = functions::messages::ReadHistory {
                    peer: self.group.clone(),
                    max_id: 0,
                };
                let _ = self.act(*who, &request);
            }
            Deed::Leave { who } => {
                let request = functions::messages::DeleteChatUser {
                    revoke_history: false,
                    chat_id: self.chat_id,
                    user_id: enums::InputUser::InputUserSelf,
                };
                let _ = self.act(*who, &request);
            }
            Deed::Rename { who, text } => {
                let request = functions::messages::EditChatTitle {
                    chat_id: self.chat_id,
                    title: format!("n{text}"),
                };
                let _ = self.act(*who, &request);
            }
            Deed::CatchUp { who, limit } => self.catch_up(*who, *limit),
            Deed::Wait => self.rig.now += Duration::from_secs(7),
        }
    }

    fn catch_up(&mut self, who: usize, limit: Option<i32>) {
        let person = &mut self.people[who];
        person
            .lazy
            .catch_up(&mut self.rig, &mut person.listener, limit);
    }

    /// Everything an account has, read by methods.
    fn read_back(&mut self, who: usize) -> BTreeMap<i32, enums::Message> {
        let mut peers = self.hashes[who].clone();
        peers.push(self.group.clone());
        let mut all = BTreeMap::new();
        for peer in peers {
            let mut offset_id = 0;
            loop {
                let mut request = get_history(&peer);
                (request.limit, request.offset_id) = (7, offset_id);
                let mut client = self.people[who].actor.clone();
                let Ok(page) = self.rig.call(&mut client, &request) else {
                    break;
                };
                self.people[who].actor = client;
                let page = messages(page);
                let Some(last) = page.last() else { break };
                offset_id = id_of(last);
                all.extend(page.iter().map(|m| (id_of(m), m.clone())));
            }
        }
        all
    }
}

/// Short forms as the full update they stand for.
fn expand(container: enums::Updates, me: UserId) -> enums::Updates {
    let (message, pts, pts_count, date) = match container {
        enums::Updates::UpdateShortMessage(s) => {
            let from = s.out.then(|| types::PeerUser { user_id: me }.into());
            let peer = types::PeerUser { user_id: s.user_id }.into();
            (
                blank_message(
                    s.id,
                    s.out,
                    from,
                    peer,
                    s.date,
                    &s.message,
                    s.reply_to.clone(),
                    s.entities.clone(),
                ),
                s.pts,
                s.pts_count,
                s.date,
            )
        }
        enums::Updates::UpdateShortChatMessage(s) => {
            let from = Some(types::PeerUser { user_id: s.from_id }.into());
            let peer = types::PeerChat { chat_id: s.chat_id }.into();
            (
                blank_message(
                    s.id,
                    s.out,
                    from,
                    peer,
                    s.date,
                    &s.message,
                    s.reply_to.clone(),
                    s.entities.clone(),
                ),
                s.pts,
                s.pts_count,
                s.date,
            )
        }
        other => return other,
    };
    types::Updates {
        updates: vec![
            types::UpdateNewMessage {
                message,
                pts,
                pts_count,
            }
            .into(),
        ],
        users: Vec::new(),
        chats: Vec::new(),
        date,
        seq: 0,
    }
    .into()
}

#[allow(clippy::too_many_arguments)]
fn blank_message(
    id: i32,
    out: bool,
    from_id: Option<enums::Peer>,
    peer_id: enums::Peer,
    date: i32,
    text: &str,
    reply_to: Option<enums::MessageReplyHeader>,
    entities: Option<Vec<enums::MessageEntity>>,
) -> enums::Message {
    let mut message = types::Message::new(id, peer_id, date, text.into());
    message.out = out;
    message.from_id = from_id;
    message.reply_to = reply_to;
    message.entities = entities;
    message.into()
}

/// A reply header goes when its target does, and no update tells so.
fn without_replies(messages: &BTreeMap<i32, enums::Message>) -> BTreeMap<i32, String> {
    messages
        .iter()
        .map(|(id, message)| {
            let mut message = message.clone();
            if let enums::Message::Message(m) = &mut message {
                m.reply_to = None;
            }
            (*id, format!("{message:?}"))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pushes_differences_and_history_agree(
        deeds in proptest::collection::vec(deed(), 1..60),
        compact in any::<bool>(),
    ) {
        let mut stage = Stage::new(compact);
        for deed in &deeds {
            stage.perform(deed);
        }
        for who in 0..stage.people.len() {
            stage.catch_up(who, None);
            let history = stage.read_back(who);
            let person = &stage.people[who];
            prop_assert_eq!(person.live.pts, person.lazy.pts);
            prop_assert_eq!(without_replies(&person.live.messages), without_replies(&history));
            prop_assert_eq!(without_replies(&person.lazy.messages), without_replies(&history));
            prop_assert_eq!(&person.live.read_inbox, &person.lazy.read_inbox);
            prop_assert_eq!(&person.live.read_outbox, &person.lazy.read_outbox);
        }
    }
}

#[test]
fn positions_are_refused_as_documented() {
    let mut rig = Rig::new();
    let (mut client, id) = rig.person("Alice");
    let enums::updates::State::State(state) = rig
        .call(&mut client, &functions::updates::GetState)
        .unwrap();
    assert_eq!(state.pts, 1);
    let ask = |pts, date| functions::updates::GetDifference {
        pts,
        pts_limit: None,
        pts_total_limit: Some(2),
        date,
        qts: 0,
        qts_limit: None,
    };
    for (request, expected) in [
        (ask(0, state.date), "400 PERSISTENT_TIMESTAMP_EMPTY"),
        (ask(-1, state.date), "400 PERSISTENT_TIMESTAMP_INVALID"),
        (ask(2, state.date), "400 PERSISTENT_TIMESTAMP_INVALID"),
        (ask(1, 0), "400 DATE_EMPTY"),
    ] {
        assert_eq!(rig.error(&mut client, &request), expected);
    }
    for n in 1..=3 {
        let note = send_message(&enums::InputPeer::InputPeerSelf, "note", n);
        rig.call(&mut client, &note).unwrap();
    }
    assert!(matches!(
        rig.call(&mut client, &ask(1, state.date)).unwrap(),
        enums::updates::Difference::DifferenceTooLong(d) if d.pts == 4
    ));
    assert!(matches!(
        rig.call(&mut client, &ask(2, state.date)).unwrap(),
        enums::updates::Difference::Difference(d) if d.new_messages.len() == 2
    ));
    assert_eq!(rig.world.state().mailbox(id).unwrap().pts, 4);
}

#[test]
fn a_withheld_push_is_in_the_difference() {
    let mut rig = Rig::new();
    let (mut client, id) = rig.person("Alice");
    let mut listener = client.sibling(4);
    let state = rig
        .call(&mut listener, &functions::updates::GetState)
        .unwrap();
    let mut replica = Replica::at(state);
    rig.world.faults().push(id, PushFault::Withhold, 1);
    let note = |n: i64| send_message(&enums::InputPeer::InputPeerSelf, &n.to_string(), n);
    rig.call(&mut client, &note(1)).unwrap();
    rig.call(&mut client, &note(2)).unwrap();
    let pushes = rig.take_pushes(&listener);
    assert_eq!(pushes.len(), 1);
    let (pts, count) = Replica::position(&updates(&pushes[0])[0]).unwrap();
    assert_eq!(pts - count, replica.pts + 1, "one step is missing");
    assert_eq!(replica.catch_up(&mut rig, &mut listener, None), 1);
    assert_eq!(replica.messages.len(), 2);
}

#[test]
fn what_has_no_pts_comes_in_order_by_seq_and_back_by_date() {
    let mut rig = Rig::new();
    let (mut client, _) = rig.person("Alice");
    let mut listener = client.sibling(4);
    let enums::updates::State::State(state) = rig
        .call(&mut listener, &functions::updates::GetState)
        .unwrap();
    for n in 0..3 {
        rig.set_username(&mut client, &format!("alice_{n}"));
    }
    let seqs: Vec<i32> = rig
        .take_pushes(&listener)
        .iter()
        .map(|push| match push {
            enums::Updates::Updates(container) => container.seq,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seqs, [state.seq + 1, state.seq + 2, state.seq + 3]);
    let ask = |date| functions::updates::GetDifference {
        pts: state.pts,
        pts_limit: None,
        pts_total_limit: None,
        date,
        qts: 0,
        qts_limit: None,
    };
    let enums::updates::Difference::Difference(missed) =
        rig.call(&mut listener, &ask(state.date)).unwrap()
    else {
        panic!("nothing was missed")
    };
    assert_eq!(missed.other_updates.len(), 3, "{state:?} {missed:?}");
    let enums::updates::State::State(now) = missed.state;
    assert_eq!(now.seq, state.seq + 3);
    assert!(matches!(
        rig.call(&mut listener, &ask(now.date)).unwrap(),
        enums::updates::Difference::DifferenceEmpty(_)
    ));
    assert!(!now.to_bytes().is_empty());
}
