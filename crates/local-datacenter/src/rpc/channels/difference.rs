//! `updates.getChannelDifference`: what a client missed of one channel.
//!
//! See <https://core.telegram.org/method/updates.getChannelDifference>.

use std::collections::BTreeSet;

use actogram_tl as tl;
use tl::{enums, functions, types};

use crate::model::{ChannelChange, PeerKey};
use crate::rpc::call::Call;
use crate::rpc::errors::{RpcResult, bad};
use crate::rpc::messages::dialogs;

/// So many messages come with a difference that is too long.
const LAST_MESSAGES: usize = 10;

/// Which messages a client wants to hear of.
struct Filter {
    ranges: Option<Vec<(i32, i32)>>,
    without_new: bool,
}

impl Filter {
    fn read(filter: &enums::ChannelMessagesFilter) -> RpcResult<Self> {
        match filter {
            enums::ChannelMessagesFilter::ChannelMessagesFilterEmpty => Ok(Self {
                ranges: None,
                without_new: false,
            }),
            enums::ChannelMessagesFilter::ChannelMessagesFilter(filter) => {
                let mut ranges = Vec::with_capacity(filter.ranges.len());
                for range in &filter.ranges {
                    let enums::MessageRange::MessageRange(range) = range;
                    if range.min_id > range.max_id {
                        return Err(bad("RANGES_INVALID"));
                    }
                    ranges.push((range.min_id, range.max_id));
                }
                Ok(Self {
                    ranges: Some(ranges),
                    without_new: filter.exclude_new_messages,
                })
            }
        }
    }

    fn wants(&self, id: i32) -> bool {
        self.ranges
            .as_ref()
            .is_none_or(|ranges| ranges.iter().any(|(min, max)| (*min..=*max).contains(&id)))
    }
}

/// `updates.getChannelDifference`.
pub(in crate::rpc) fn get_channel_difference(
    call: &mut Call<'_>,
    request: functions::updates::GetChannelDifference,
) -> RpcResult<enums::updates::ChannelDifference> {
    let me = call.me()?;
    let room = call.input_channel(&request.channel)?;
    let filter = Filter::read(&request.filter)?;
    if request.pts == 0 {
        return Err(bad("PERSISTENT_TIMESTAMP_EMPTY"));
    }
    if request.pts < 0 || request.pts > room.pts {
        return Err(bad("PERSISTENT_TIMESTAMP_INVALID"));
    }
    let limits = &call.world.config.limits;
    let timeout = Some(limits.channel_difference_timeout);
    let peer = PeerKey::Channel(room.channel.id);
    let missed = room.log.range(request.pts.saturating_add(1)..);
    let total = missed.clone().count();
    if request.pts < room.log_start || total > limits.channel_difference_total {
        return Ok(call.view(me, |view| {
            view.set_brief();
            let dialog = dialogs::object(view, peer, None);
            let ids = room.ids.keys().rev().take(LAST_MESSAGES);
            let messages = ids.filter_map(|id| view.message_in(peer, *id)).collect();
            types::updates::ChannelDifferenceTooLong {
                final_: true,
                timeout,
                dialog,
                messages,
                chats: view.chats(),
                users: view.users(),
            }
            .into()
        }));
    }
    if total == 0 {
        return Ok(types::updates::ChannelDifferenceEmpty {
            final_: true,
            pts: room.pts,
            timeout,
        }
        .into());
    }
    let slice = usize::try_from(request.limit)
        .unwrap_or(0)
        .max(1)
        .min(limits.channel_difference_slice.max(1));
    Ok(call.view(me, |view| {
        view.set_brief();
        view.mention(peer);
        let mut new = BTreeSet::new();
        let mut new_messages = Vec::new();
        let mut other_updates = Vec::new();
        let mut last = request.pts;
        for (pts, entry) in missed.take(slice) {
            last = *pts;
            match &entry.change {
                ChannelChange::New { id } => {
                    new.insert(*id);
                    if filter.wants(*id) && !filter.without_new {
                        new_messages.extend(view.message_in(peer, *id));
                    }
                }
                // The message itself is in the list already, as it is now.
                ChannelChange::Edited { id } if new.contains(id) || !filter.wants(*id) => {}
                _ => other_updates.extend(view.channel_update(room.channel.id, *pts)),
            }
        }
        types::updates::ChannelDifference {
            final_: total <= slice,
            pts: if total <= slice { room.pts } else { last },
            timeout,
            new_messages,
            other_updates,
            chats: view.chats(),
            users: view.users(),
        }
        .into()
    }))
}
