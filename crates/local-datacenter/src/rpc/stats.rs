//! `stats.*`: statistics of channels, kept at one datacenter each.
//!
//! See <https://core.telegram.org/api/stats>.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::{RpcResult, bad};
use super::migration::stats_home;

/// Statistics compare this many seconds with as many before them.
const PERIOD: i32 = 7 * 24 * 60 * 60;

/// Curves are for people to look at: none are drawn here.
fn graph() -> enums::StatsGraph {
    types::StatsGraphError {
        error: "GRAPH_NOT_BUILT".to_owned(),
    }
    .into()
}

fn values(current: usize, previous: usize) -> enums::StatsAbsValueAndPrev {
    types::StatsAbsValueAndPrev {
        current: current as f64,
        previous: previous as f64,
    }
    .into()
}

/// `stats.getBroadcastStats`: how many follow a channel now and a week ago. Views, shares and stories do not exist here, so
/// there were none; nobody mutes.
pub(super) fn get_broadcast_stats(
    call: &mut Call<'_>,
    request: functions::stats::GetBroadcastStats,
) -> RpcResult<enums::stats::BroadcastStats> {
    let room = call.input_channel(&request.channel)?;
    call.require_right(room, |_| true)?;
    if !room.channel.broadcast {
        return Err(bad("BROADCAST_REQUIRED"));
    }
    stats_home(call, room.channel.id)?;
    let now = call.date();
    let since = now.saturating_sub(PERIOD);
    let joined: Vec<i32> = room
        .current()
        .filter_map(|user| room.members.get(&user))
        .map(|member| member.date)
        .collect();
    let before = joined.iter().filter(|date| **date < since).count();
    Ok(types::stats::BroadcastStats {
        period: types::StatsDateRangeDays {
            min_date: since,
            max_date: now,
        }
        .into(),
        followers: values(joined.len(), before),
        views_per_post: values(0, 0),
        shares_per_post: values(0, 0),
        reactions_per_post: values(0, 0),
        views_per_story: values(0, 0),
        shares_per_story: values(0, 0),
        reactions_per_story: values(0, 0),
        enabled_notifications: types::StatsPercentValue {
            part: joined.len() as f64,
            total: joined.len() as f64,
        }
        .into(),
        growth_graph: graph(),
        followers_graph: graph(),
        mute_graph: graph(),
        top_hours_graph: graph(),
        interactions_graph: graph(),
        iv_interactions_graph: graph(),
        views_by_source_graph: graph(),
        new_followers_by_source_graph: graph(),
        languages_graph: graph(),
        reactions_by_emotion_graph: graph(),
        story_interactions_graph: graph(),
        story_reactions_by_emotion_graph: graph(),
        recent_posts_interactions: Vec::new(),
    }
    .into())
}
