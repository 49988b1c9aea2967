//! `updates.*`: where an account stands, and what a client missed.
//!
//! See <https://core.telegram.org/api/updates>.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::{RpcResult, bad};
use super::view::View;
use crate::model::{BoxChange, ChannelId, Mailbox, PeerKey, UserId};

/// Where an account stands now.
pub(super) fn state_of(call: &Call<'_>, me: UserId) -> enums::updates::State {
    let now = call.date();
    let mailbox = call.world.state.mailbox(me);
    let qts = mailbox.map_or(0, |m| m.qts);
    let (pts, seq, date, unread) = mailbox.map_or((1, 1, now, 0), |m| {
        (m.pts, m.seq, m.stream_date(now), m.unread_count())
    });
    types::updates::State {
        pts,
        qts,
        date,
        seq,
        unread_count: i32::try_from(unread).unwrap_or(i32::MAX),
    }
    .into()
}

/// `updates.getState`.
pub(super) fn get_state(
    call: &mut Call<'_>,
    _: functions::updates::GetState,
) -> RpcResult<enums::updates::State> {
    let me = call.me()?;
    Ok(state_of(call, me))
}

/// What was missed, in the two shapes a difference has.
#[derive(Default)]
struct Missed {
    messages: Vec<enums::Message>,
    updates: Vec<enums::Update>,
}

impl Missed {
    /// Reads the record from after `from` up to `to`.
    fn collect(view: &mut View<'_>, mailbox: &Mailbox, from: i32, to: i32) -> Self {
        let mut missed = Self::default();
        if from >= to {
            return missed;
        }
        let mut new = std::collections::BTreeSet::new();
        for (pts, entry) in mailbox.log.range(from + 1..=to) {
            match &entry.change {
                BoxChange::New { id } => {
                    new.insert(*id);
                    missed.messages.extend(view.message_by_id(*id));
                }
                // The message itself is in the list already, as it is now.
                BoxChange::Edited { id } if new.contains(id) => {}
                _ => missed.updates.extend(view.update(*pts)),
            }
        }
        missed
    }
}

/// `updates.getDifference`.
pub(super) fn get_difference(
    call: &mut Call<'_>,
    request: functions::updates::GetDifference,
) -> RpcResult<enums::updates::Difference> {
    let me = call.me()?;
    if request.pts == 0 {
        return Err(bad("PERSISTENT_TIMESTAMP_EMPTY"));
    }
    if request.date == 0 {
        return Err(bad("DATE_EMPTY"));
    }
    let state = state_of(call, me);
    let limits = &call.world.config.limits;
    let Some(mailbox) = call.world.state.mailbox(me) else {
        return Err(bad("PERSISTENT_TIMESTAMP_INVALID"));
    };
    if request.pts < 0 || request.pts > mailbox.pts {
        return Err(bad("PERSISTENT_TIMESTAMP_INVALID"));
    }
    let missed_entries = mailbox.log.range(request.pts.saturating_add(1)..).count();
    let total = request
        .pts_total_limit
        .and_then(|limit| usize::try_from(limit).ok())
        .map_or(limits.difference_total, |limit| {
            limit.min(limits.difference_total)
        });
    if request.pts < mailbox.log_start || missed_entries > total {
        return Ok(types::updates::DifferenceTooLong { pts: mailbox.pts }.into());
    }
    let slice = request
        .pts_limit
        .and_then(|limit| usize::try_from(limit).ok())
        .filter(|limit| *limit > 0)
        .map_or(limits.difference_slice, |limit| {
            limit.min(limits.difference_slice)
        });
    let last = mailbox
        .log
        .range(request.pts.saturating_add(1)..)
        .take(slice)
        .last()
        .map_or(mailbox.pts, |(pts, _)| *pts);
    let complete = missed_entries <= slice;
    let sequenced: Vec<_> = mailbox
        .seq_log
        .iter()
        .filter(|entry| complete && entry.date > request.date)
        .collect();
    let channels: Vec<ChannelId> = mailbox
        .dialogs
        .keys()
        .filter_map(|key| match key {
            PeerKey::Channel(id) => Some(*id),
            _ => None,
        })
        .filter(|id| {
            let room = call.world.state.channels.get(id);
            complete && room.is_some_and(|room| room.changed >= request.date)
        })
        .collect();
    let in_qts: Vec<i32> = mailbox
        .qts_log
        .range(request.qts.saturating_add(1)..)
        .map(|(qts, _)| *qts)
        .filter(|_| complete)
        .collect();
    if missed_entries == 0 && sequenced.is_empty() && in_qts.is_empty() && channels.is_empty() {
        let enums::updates::State::State(state) = state;
        return Ok(types::updates::DifferenceEmpty {
            date: state.date,
            seq: state.seq,
        }
        .into());
    }
    call.view(me, |view| {
        let mut missed = Missed::collect(view, mailbox, request.pts, last);
        for entry in sequenced {
            missed.updates.extend(view.seq_update(&entry.change));
        }
        for qts in in_qts {
            missed.updates.extend(view.qts_update(qts));
        }
        for channel_id in channels {
            view.mention(PeerKey::Channel(channel_id));
            let pts = view.state().channels.get(&channel_id).map(|room| room.pts);
            missed
                .updates
                .push(types::UpdateChannelTooLong { channel_id, pts }.into());
        }
        let (users, chats) = (view.users(), view.chats());
        if complete {
            return Ok(types::updates::Difference {
                new_messages: missed.messages,
                new_encrypted_messages: Vec::new(),
                other_updates: missed.updates,
                chats,
                users,
                state,
            }
            .into());
        }
        let enums::updates::State::State(state) = state;
        let mut intermediate = *state;
        intermediate.pts = last;
        // What lies outside pts comes with the last slice, so the date must not pass it yet.
        intermediate.date = request.date;
        intermediate.qts = request.qts;
        Ok(types::updates::DifferenceSlice {
            new_messages: missed.messages,
            new_encrypted_messages: Vec::new(),
            other_updates: missed.updates,
            chats,
            users,
            intermediate_state: intermediate.into(),
        }
        .into())
    })
}
