//! The update stream against a model of a datacenter that loses, doubles, delays and reorders what it pushes.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use actogram_actors::updates::{DedupeId, Delivery, Request, UpdateStream};
use actogram_store::Position;
use actogram_tl::{enums, types};
use proptest::prelude::*;

const ME: i64 = 1;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Message,
    /// So many messages deleted: it takes as many numbers.
    Delete(i32),
    Secret,
    Typing,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    /// Arrives after so many further steps.
    Late(usize),
}

#[derive(Debug, Clone)]
enum Step {
    /// Something happens, and is pushed in one container.
    Push {
        kinds: Vec<Kind>,
        numbered: bool,
        fate: Fate,
    },
    /// A call of our own deletes so many messages; its answer says so.
    Own(i32),
    Wait(u64),
    /// The request under way is answered with at most so many updates.
    Answer(usize),
    /// It fails.
    Fail,
    /// It is answered `differenceTooLong`.
    TooLong,
    /// `updatesTooLong` is pushed, or the session is lost.
    Lost(bool),
    /// The process is killed; so many hundredths of what was handed out had been handled.
    Kill(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        4 => Just(Kind::Message),
        2 => (1..4).prop_map(Kind::Delete),
        2 => Just(Kind::Secret),
        1 => Just(Kind::Typing),
    ];
    let fate = prop_oneof![
        6 => Just(Fate::Arrives),
        2 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        2 => (1_usize..6).prop_map(Fate::Late),
    ];
    prop_oneof![
        12 => (proptest::collection::vec(kind, 1..4), any::<bool>(), fate)
            .prop_map(|(kinds, numbered, fate)| Step::Push { kinds, numbered, fate }),
        1 => (1..4).prop_map(Step::Own),
        4 => (1_u64..700).prop_map(Step::Wait),
        6 => (1_usize..8).prop_map(Step::Answer),
        1 => Just(Step::Fail),
        1 => Just(Step::TooLong),
        1 => any::<bool>().prop_map(Step::Lost),
        1 => prop_oneof![Just(100), 0_usize..=100].prop_map(Step::Kill),
    ]
}

/// One thing that happened at the datacenter.
#[derive(Debug, Clone)]
struct Event {
    update: enums::Update,
    id: DedupeId,
    pts: Option<i32>,
    qts: Option<i32>,
}

/// The datacenter and the stream that follows it.
struct Rig {
    now: Duration,
    log: Vec<Event>,
    at: Position,
    next_message: i32,
    stream: UpdateStream,
    request: Option<Request>,
    late: Vec<(usize, enums::Updates)>,
    step: usize,
    /// What was handed out in this life, with the position after each.
    out: Vec<(DedupeId, Position)>,
    /// What was handled in earlier lives.
    handled: Vec<DedupeId>,
    /// What need not come: our own doing, and what the datacenter itself has given up.
    forgiven: BTreeSet<DedupeId>,
    /// Typing that arrived at least once outside of numbered containers.
    arrived: BTreeSet<DedupeId>,
    stored: Position,
    /// What was all handled before the last kill: none of it may come again.
    closed: BTreeSet<DedupeId>,
}

fn user(user_id: i64) -> enums::Peer {
    types::PeerUser { user_id }.into()
}

impl Rig {
    fn new() -> Self {
        let at = Position {
            pts: 100,
            qts: 10,
            date: 1,
            seq: 5,
        };
        let mut stream = UpdateStream::new();
        stream.start(Duration::ZERO, ME, None);
        let mut rig = Self {
            now: Duration::ZERO,
            log: Vec::new(),
            at,
            next_message: 1,
            stream,
            request: None,
            late: Vec::new(),
            step: 0,
            out: Vec::new(),
            handled: Vec::new(),
            forgiven: BTreeSet::new(),
            arrived: BTreeSet::new(),
            stored: Position::default(),
            closed: BTreeSet::new(),
        };
        assert_eq!(rig.stream.poll_request(rig.now), Some(Request::State));
        let state = rig.state();
        rig.stream.handle_state(rig.now, &state);
        rig.pump();
        rig
    }

    fn state(&self) -> types::updates::State {
        let Position {
            pts,
            qts,
            date,
            seq,
        } = self.at;
        types::updates::State {
            pts,
            qts,
            date,
            seq,
            unread_count: 0,
        }
    }

    fn happen(&mut self, kind: Kind) -> enums::Update {
        let (update, id, pts, qts): (enums::Update, _, _, _) = match kind {
            Kind::Message => {
                self.at.pts += 1;
                let id = self.next_message;
                self.next_message += 1;
                let message = types::Message::new(id, user(7), 0, format!("message {id}"));
                let update = types::UpdateNewMessage {
                    message: message.into(),
                    pts: self.at.pts,
                    pts_count: 1,
                };
                (
                    update.into(),
                    DedupeId::Message { channel: None, id },
                    Some(self.at.pts),
                    None,
                )
            }
            Kind::Delete(count) => {
                self.at.pts += count;
                let messages = (0..count).collect();
                let update = types::UpdateDeleteMessages {
                    messages,
                    pts: self.at.pts,
                    pts_count: count,
                };
                (
                    update.into(),
                    DedupeId::Pts {
                        channel: None,
                        pts: self.at.pts,
                    },
                    Some(self.at.pts),
                    None,
                )
            }
            Kind::Secret => {
                self.at.qts += 1;
                let update = types::UpdateBotStopped {
                    user_id: 7,
                    date: 0,
                    stopped: true,
                    qts: self.at.qts,
                };
                (
                    update.into(),
                    DedupeId::Qts(self.at.qts),
                    None,
                    Some(self.at.qts),
                )
            }
            Kind::Typing => {
                // Each of another person, so that each has a name of its own.
                let user_id = 1000
                    + i64::try_from(self.log.len()).unwrap() * 100
                    + i64::try_from(self.step).unwrap();
                let action = enums::SendMessageAction::SendMessageTypingAction;
                let update = types::UpdateUserTyping {
                    user_id,
                    top_msg_id: None,
                    action,
                };
                return update.into();
            }
        };
        self.log.push(Event {
            update: update.clone(),
            id,
            pts,
            qts,
        });
        update
    }

    /// What the datacenter knows after this position, at most so much of it.
    fn difference(&self, from: Position, most: usize) -> enums::updates::Difference {
        let missing: Vec<_> = self
            .log
            .iter()
            .filter(|event| {
                event.pts.is_some_and(|pts| pts > from.pts)
                    || event.qts.is_some_and(|qts| qts > from.qts)
            })
            .collect();
        if missing.is_empty() {
            let Position { date, seq, .. } = self.at;
            return types::updates::DifferenceEmpty { date, seq }.into();
        }
        let part = &missing[..missing.len().min(most)];
        let mut new_messages = Vec::new();
        let mut other_updates = Vec::new();
        let mut to = from;
        for event in part {
            to.pts = event.pts.unwrap_or(to.pts);
            to.qts = event.qts.unwrap_or(to.qts);
            match &event.update {
                enums::Update::UpdateNewMessage(update) => {
                    new_messages.push(update.message.clone())
                }
                update => other_updates.push(update.clone()),
            }
        }
        let whole = part.len() == missing.len();
        let state = types::updates::State {
            pts: to.pts,
            qts: to.qts,
            date: self.at.date,
            seq: if whole { self.at.seq } else { from.seq },
            unread_count: 0,
        }
        .into();
        if whole {
            types::updates::Difference {
                new_messages,
                new_encrypted_messages: Vec::new(),
                other_updates,
                chats: Vec::new(),
                users: Vec::new(),
                state,
            }
            .into()
        } else {
            types::updates::DifferenceSlice {
                new_messages,
                new_encrypted_messages: Vec::new(),
                other_updates,
                chats: Vec::new(),
                users: Vec::new(),
                intermediate_state: state,
            }
            .into()
        }
    }

    fn pump(&mut self) {
        self.stream.handle_timeout(self.now);
        if let Some(request) = self.stream.poll_request(self.now) {
            assert!(
                self.request.replace(request).is_none(),
                "two requests at a time"
            );
        }
        while let Some(passing) = self.stream.poll_passing() {
            let at = self.out.last().map_or(self.stored, |(_, at)| *at);
            self.out.push((passing.id, at));
        }
        while let Some(delivery) = self.stream.poll_delivery() {
            match delivery {
                Delivery::Update { id, after, .. } => {
                    assert!(
                        !self.closed.contains(&id),
                        "{id} came again although all was handled"
                    );
                    self.out.push((id, after));
                }
                Delivery::Moved(after) => {
                    if let Some(last) = self.out.last_mut() {
                        last.1 = after;
                    } else {
                        self.stored = after;
                    }
                }
                Delivery::Lost(_) => {}
                Delivery::Dropped(count) => {
                    panic!("{count} dropped although everything is taken at once")
                }
            }
        }
        // Taking deliveries can make room for a request.
        if self.request.is_none() {
            self.request = self.stream.poll_request(self.now);
        }
    }

    fn run(&mut self, step: &Step) {
        self.step += 1;
        let due: Vec<_> = self
            .late
            .extract_if(.., |(at, _)| *at <= self.step)
            .collect();
        for (_, updates) in due {
            self.stream.handle_updates(self.now, updates);
            self.pump();
        }
        match step {
            Step::Push {
                kinds,
                numbered,
                fate,
            } => self.push(kinds, *numbered, *fate),
            Step::Own(count) => {
                self.happen(Kind::Delete(*count));
                self.forgiven.insert(self.log.last().unwrap().id);
                self.stream.handle_affected(self.now, self.at.pts, *count);
            }
            Step::Wait(milliseconds) => self.now += Duration::from_millis(*milliseconds),
            Step::Answer(most) => self.answer(*most),
            Step::Fail => {
                if self.request.take().is_some() {
                    self.stream.request_failed(self.now);
                }
            }
            Step::TooLong => {
                if let Some(Request::Difference(from)) = self.request.take() {
                    let lost = self
                        .log
                        .iter()
                        .filter(|event| event.pts.is_some_and(|pts| pts > from.pts));
                    self.forgiven.extend(lost.map(|event| event.id));
                    let too_long = types::updates::DifferenceTooLong { pts: self.at.pts };
                    self.stream.handle_difference(self.now, too_long.into());
                }
            }
            Step::Lost(pushed) => {
                if *pushed {
                    self.stream
                        .handle_updates(self.now, enums::Updates::UpdatesTooLong);
                } else {
                    self.stream.lost();
                }
            }
            Step::Kill(hundredths) => self.kill(*hundredths),
        }
        self.pump();
    }

    fn push(&mut self, kinds: &[Kind], numbered: bool, fate: Fate) {
        let updates: Vec<_> = kinds.iter().map(|kind| self.happen(*kind)).collect();
        if numbered {
            self.at.seq += 1;
        }
        self.at.date += 1;
        let typing: Vec<_> = updates
            .iter()
            .filter(|update| matches!(update, enums::Update::UpdateUserTyping(_)))
            .map(name)
            .collect();
        let container: enums::Updates = types::Updates {
            updates,
            users: Vec::new(),
            chats: Vec::new(),
            date: self.at.date,
            seq: if numbered { self.at.seq } else { 0 },
        }
        .into();
        if !numbered && !matches!(fate, Fate::Lost) {
            self.arrived.extend(typing);
        }
        match fate {
            Fate::Arrives => self.stream.handle_updates(self.now, container),
            Fate::Lost => {}
            Fate::Twice => {
                self.stream.handle_updates(self.now, container.clone());
                self.pump();
                self.stream.handle_updates(self.now, container);
            }
            Fate::Late(steps) => self.late.push((self.step + steps, container)),
        }
    }

    fn answer(&mut self, most: usize) {
        match self.request.take() {
            None => {}
            Some(Request::State) => {
                let state = self.state();
                self.stream.handle_state(self.now, &state);
            }
            Some(Request::Difference(from)) => {
                let difference = self.difference(from, most);
                self.stream.handle_difference(self.now, difference);
            }
        }
    }

    /// Only what was handled, and the position below the first that was not, live on.
    fn kill(&mut self, hundredths: usize) {
        let done = self.out.len() * hundredths / 100;
        if hundredths == 100 {
            self.closed.extend(
                self.out
                    .iter()
                    .map(|(id, _)| *id)
                    .filter(|id| order(id).is_some()),
            );
        } else {
            self.closed.clear();
        }
        if let Some((_, after)) = self.out[..done].last() {
            self.stored = *after;
        }
        self.handled
            .extend(self.out.drain(..).take(done).map(|(id, _)| id));
        self.late.clear();
        self.request = None;
        // What stands in no sequence does not survive.
        self.arrived.clear();
        self.stream = UpdateStream::new();
        self.stream.start(self.now, ME, Some(self.stored));
    }

    /// Nothing goes wrong any more: everything missing comes.
    fn settle(&mut self) {
        for (_, updates) in std::mem::take(&mut self.late) {
            self.stream.handle_updates(self.now, updates);
            self.pump();
        }
        self.stream.lost();
        for _ in 0..10_000 {
            self.pump();
            if self.request.is_some() {
                self.answer(5);
            } else if self.stream.is_following() {
                return;
            } else {
                self.now += Duration::from_secs(1);
            }
        }
        panic!("it never comes to rest");
    }
}

/// What names an update, learned from the stream itself: only for those outside of all sequences.
fn name(update: &enums::Update) -> DedupeId {
    let mut stream = UpdateStream::new();
    stream.start(Duration::ZERO, ME, None);
    stream.poll_request(Duration::ZERO);
    stream.handle_state(
        Duration::ZERO,
        &types::updates::State {
            pts: 1,
            qts: 1,
            date: 1,
            seq: 1,
            unread_count: 0,
        },
    );
    stream.handle_updates(
        Duration::ZERO,
        types::UpdateShort {
            update: update.clone(),
            date: 0,
        }
        .into(),
    );
    if let Some(passing) = stream.poll_passing() {
        return passing.id;
    }
    loop {
        match stream.poll_delivery().unwrap() {
            Delivery::Update { id, .. } => return id,
            Delivery::Moved(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Where a name stands among others of its sort.
fn order(id: &DedupeId) -> Option<(u8, i32)> {
    match id {
        DedupeId::Message { id, .. } => Some((0, *id)),
        DedupeId::Pts { pts, .. } => Some((1, *pts)),
        DedupeId::Qts(qts) => Some((2, *qts)),
        _ => None,
    }
}

fn check(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut rig = Rig::new();
    for step in steps {
        rig.run(step);
    }
    rig.settle();
    prop_assert_eq!(
        (rig.stream.position().pts, rig.stream.position().qts),
        (rig.at.pts, rig.at.qts)
    );

    // In one life nothing in a sequence comes twice, each sort comes in its order, and positions never go back.
    let mut last: BTreeMap<u8, i32> = BTreeMap::new();
    for (id, _) in &rig.out {
        if let Some((sort, number)) = order(id) {
            let before = last.insert(sort, number);
            prop_assert!(
                before.is_none_or(|before| before < number),
                "{id} after {before:?}"
            );
        }
    }
    for pair in rig.out.windows(2) {
        prop_assert!(
            pair[0].1.pts <= pair[1].1.pts && pair[0].1.qts <= pair[1].1.qts,
            "{pair:?}"
        );
    }
    // Over all lives, everything that happened came.
    let came: BTreeSet<_> = rig
        .out
        .iter()
        .map(|(id, _)| *id)
        .chain(rig.handled.iter().copied())
        .collect();
    for event in &rig.log {
        prop_assert!(
            came.contains(&event.id) || rig.forgiven.contains(&event.id),
            "{} never came",
            event.id
        );
    }
    for id in &rig.arrived {
        prop_assert!(came.contains(id), "typing that arrived was swallowed");
    }
    // And nothing else did.
    let happened: BTreeSet<_> = rig.log.iter().map(|event| event.id).collect();
    for id in came.iter().filter(|id| order(id).is_some()) {
        prop_assert!(happened.contains(id), "{id} was made up");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(steps in proptest::collection::vec(step(), 1..80)) {
        check(&steps)?;
    }
}

#[test]
fn an_update_that_is_late_by_less_than_half_a_second_costs_no_request() {
    let mut rig = Rig::new();
    rig.run(&Step::Push {
        kinds: vec![Kind::Message],
        numbered: false,
        fate: Fate::Late(3),
    });
    rig.run(&Step::Push {
        kinds: vec![Kind::Message],
        numbered: false,
        fate: Fate::Arrives,
    });
    assert!(rig.out.is_empty(), "the second waits for the first");
    rig.run(&Step::Wait(400));
    rig.run(&Step::Wait(50));
    assert_eq!(rig.out.len(), 2);
    assert_eq!(rig.request, None);
    rig.run(&Step::Wait(1000));
    assert_eq!(rig.request, None);
}

#[test]
fn a_gap_is_asked_for_after_half_a_second() {
    for kind in [Kind::Message, Kind::Delete(2), Kind::Secret] {
        let mut rig = Rig::new();
        rig.run(&Step::Push {
            kinds: vec![kind],
            numbered: false,
            fate: Fate::Lost,
        });
        rig.run(&Step::Push {
            kinds: vec![kind],
            numbered: false,
            fate: Fate::Arrives,
        });
        rig.run(&Step::Wait(499));
        assert_eq!(rig.request, None, "{kind:?}");
        rig.run(&Step::Wait(1));
        assert!(
            matches!(rig.request, Some(Request::Difference(_))),
            "{kind:?}"
        );
        rig.run(&Step::Answer(10));
        assert_eq!(rig.out.len(), 2, "{kind:?}");
    }
    // A container that is missing is noticed by its number alone.
    let mut rig = Rig::new();
    rig.run(&Step::Push {
        kinds: vec![Kind::Typing],
        numbered: true,
        fate: Fate::Lost,
    });
    rig.run(&Step::Push {
        kinds: vec![Kind::Typing],
        numbered: true,
        fate: Fate::Arrives,
    });
    rig.run(&Step::Wait(500));
    assert!(matches!(rig.request, Some(Request::Difference(_))));
    rig.run(&Step::Answer(10));
    assert_eq!(rig.out.len(), 1, "what came is not swallowed");
}

#[test]
fn fifteen_silent_minutes_are_asked_about() {
    let mut rig = Rig::new();
    rig.now += Duration::from_secs(15 * 60 - 1);
    rig.pump();
    assert_eq!(rig.request, None);
    rig.now += Duration::from_secs(1);
    rig.pump();
    assert_eq!(rig.request, Some(Request::Difference(rig.at)));
}

#[test]
fn a_datacenter_that_repeats_itself_is_not_asked_without_pause() {
    let mut rig = Rig::new();
    rig.stream.lost();
    rig.pump();
    let same = types::updates::DifferenceSlice {
        new_messages: Vec::new(),
        new_encrypted_messages: Vec::new(),
        other_updates: Vec::new(),
        chats: Vec::new(),
        users: Vec::new(),
        intermediate_state: rig.state().into(),
    };
    let mut asked = 0;
    for _ in 0..600 {
        if rig.request.take().is_some() {
            asked += 1;
            rig.stream.handle_difference(rig.now, same.clone().into());
        }
        rig.now += Duration::from_millis(100);
        rig.pump();
    }
    assert!((4..=8).contains(&asked), "{asked} requests in a minute");
}

#[test]
fn short_messages_are_written_out() {
    let mut rig = Rig::new();
    let mut short = types::UpdateShortMessage::new(9, 7, "hi".to_owned(), 101, 1, 33);
    short.out = true;
    short.silent = true;
    rig.stream.handle_updates(rig.now, short.into());
    let Some(Delivery::Update {
        update: enums::Update::UpdateNewMessage(update),
        id,
        after,
        ..
    }) = rig.stream.poll_delivery()
    else {
        panic!("no message")
    };
    let enums::Message::Message(message) = &update.message else {
        panic!("{update:?}")
    };
    assert_eq!(
        (message.id, message.message.as_str(), message.date),
        (9, "hi", 33)
    );
    assert_eq!(
        (&message.peer_id, &message.from_id),
        (&user(7), &Some(user(ME)))
    );
    assert!(message.out && message.silent && !message.mentioned);
    assert_eq!(
        (id, after.pts),
        (
            DedupeId::Message {
                channel: None,
                id: 9
            },
            101
        )
    );

    let short = types::UpdateShortChatMessage::new(10, 7, 55, "all".to_owned(), 102, 1, 34);
    rig.stream.handle_updates(rig.now, short.into());
    let Some(Delivery::Update {
        update: enums::Update::UpdateNewMessage(update),
        ..
    }) = rig.stream.poll_delivery()
    else {
        panic!("no message")
    };
    let enums::Message::Message(message) = &update.message else {
        panic!("{update:?}")
    };
    assert_eq!(message.peer_id, types::PeerChat { chat_id: 55 }.into());
    assert_eq!(message.from_id, Some(user(7)));
}

#[test]
fn what_is_lost_while_a_request_is_under_way_leads_to_another() {
    let mut rig = Rig::new();
    rig.run(&Step::Lost(false));
    assert!(rig.request.is_some());
    let answered_from = rig.difference(rig.at, 10);
    rig.run(&Step::Push {
        kinds: vec![Kind::Message],
        numbered: false,
        fate: Fate::Lost,
    });
    rig.run(&Step::Lost(false));
    // The answer was made before that message.
    rig.request = None;
    rig.stream.handle_difference(rig.now, answered_from);
    rig.pump();
    assert!(
        matches!(rig.request, Some(Request::Difference(_))),
        "it is asked again"
    );
    rig.run(&Step::Answer(10));
    assert_eq!(rig.out.len(), 1);
}

#[test]
fn an_update_that_covers_some_that_were_seen_is_settled_by_a_difference() {
    let mut rig = Rig::new();
    rig.run(&Step::Push {
        kinds: vec![Kind::Message],
        numbered: false,
        fate: Fate::Arrives,
    });
    assert_eq!(rig.out.len(), 1);
    // From 100 to 103, and 101 was seen.
    let update = types::UpdateDeleteMessages {
        messages: vec![1, 2, 3],
        pts: 103,
        pts_count: 3,
    }
    .into();
    rig.stream
        .handle_updates(rig.now, types::UpdateShort { update, date: 0 }.into());
    rig.pump();
    assert_eq!(rig.out.len(), 1, "it is neither dropped nor applied");
    rig.run(&Step::Wait(500));
    assert!(matches!(rig.request, Some(Request::Difference(_))));
}
