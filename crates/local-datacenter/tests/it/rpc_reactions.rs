//! Reactions, the `qts` sequence of bots, and media that need no files.
#![allow(clippy::unwrap_used)]

use crate::channel_support::*;
use crate::rpc_support::*;
use actogram_tl as tl;
use tl::{enums, functions, types};

fn thumb(emoji: &str) -> enums::Reaction {
    types::ReactionEmoji {
        emoticon: emoji.into(),
    }
    .into()
}

fn react(
    peer: &enums::InputPeer,
    msg_id: i32,
    reaction: Vec<enums::Reaction>,
) -> functions::messages::SendReaction {
    functions::messages::SendReaction {
        big: false,
        add_to_recent: false,
        peer: peer.clone(),
        msg_id,
        reaction: Some(reaction),
    }
}

fn counts(reactions: &enums::MessageReactions) -> Vec<(enums::Reaction, i32, bool)> {
    let enums::MessageReactions::MessageReactions(reactions) = reactions;
    reactions
        .results
        .iter()
        .map(|count| {
            let enums::ReactionCount::ReactionCount(count) = count;
            (
                count.reaction.clone(),
                count.count,
                count.chosen_order.is_some(),
            )
        })
        .collect()
}

fn only_reactions(updates: &[enums::Update]) -> types::UpdateMessageReactions {
    match updates {
        [enums::Update::UpdateMessageReactions(update)] => (**update).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reaction_is_seen_by_both_sides_each_from_its_own() {
    let mut p = pair();
    p.rig
        .call(&mut p.alice, &send_message(&p.to_bob, "good news", 1))
        .unwrap();
    let id = only_new_message(&p.rig.take_pushes(&p.bob)).id;
    for (wrong, error) in [
        (vec![thumb("abc")], "400 REACTION_INVALID"),
        (vec![enums::Reaction::ReactionEmpty], "400 REACTION_EMPTY"),
        (vec![thumb("👍"), thumb("🔥")], "400 REACTIONS_TOO_MANY"),
        (vec![], "400 MESSAGE_NOT_MODIFIED"),
    ] {
        assert_eq!(
            p.rig.error(&mut p.bob, &react(&p.to_alice, id, wrong)),
            error
        );
    }
    assert_eq!(
        p.rig
            .error(&mut p.bob, &react(&p.to_alice, 99, vec![thumb("👍")])),
        "400 MESSAGE_ID_INVALID"
    );
    let like = react(&p.to_alice, id, vec![thumb("👍")]);
    let own = p.rig.call(&mut p.bob, &like).unwrap();
    assert_eq!(
        counts(&only_reactions(&updates(&own)).reactions),
        [(thumb("👍"), 1, true)]
    );
    let told = only_reactions(&all_updates(&p.rig.take_pushes(&p.alice)));
    assert_eq!(counts(&told.reactions), [(thumb("👍"), 1, false)]);
    assert_eq!(p.rig.error(&mut p.bob, &like), "400 MESSAGE_NOT_MODIFIED");
    let shown = messages(p.rig.call(&mut p.alice, &get_history(&p.to_bob)).unwrap());
    assert_eq!(
        counts(message(&shown[0]).reactions.as_ref().unwrap()),
        [(thumb("👍"), 1, false)]
    );
    p.rig
        .call(&mut p.bob, &react(&p.to_alice, id, vec![]))
        .unwrap();
    let shown = messages(p.rig.call(&mut p.alice, &get_history(&p.to_bob)).unwrap());
    assert_eq!(message(&shown[0]).reactions, None);
}

#[test]
fn an_administrating_bot_hears_of_reactions_in_qts_and_recovers_them_by_difference() {
    let mut p = pair();
    let (mut bot, _) = p.rig.bot("watch_bot");
    let alices = create(&mut p.rig, &mut p.alice, "Club", false);
    publish(&mut p.rig, &mut p.alice, &alices, "our_club");
    let bobs = resolve(&mut p.rig, &mut p.bob, "our_club");
    join(&mut p.rig, &mut p.bob, &bobs);
    let to_bot = p.rig.input_peer(&mut p.alice, "watch_bot");
    let mut rights = types::ChatAdminRights::new();
    rights.delete_messages = true;
    let appoint = functions::channels::EditAdmin {
        channel: alices.input(),
        user_id: input_user(&to_bot),
        admin_rights: rights.into(),
        rank: None,
    };
    p.rig
        .call(&mut p.alice, &send_message(&alices.peer(), "news", 1))
        .unwrap();
    // Before it administrates, it hears nothing.
    p.rig
        .call(&mut p.bob, &react(&bobs.peer(), 3, vec![thumb("🔥")]))
        .unwrap();
    p.rig.call(&mut p.alice, &appoint).unwrap();
    let enums::updates::State::State(state) =
        p.rig.call(&mut bot, &functions::updates::GetState).unwrap();
    assert_eq!(state.qts, 1, "its own appointment");
    p.rig.pushed.clear();
    for emoji in ["👍", "❤"] {
        p.rig
            .call(&mut p.bob, &react(&bobs.peer(), 3, vec![thumb(emoji)]))
            .unwrap();
    }
    let told = all_updates(&p.rig.take_pushes(&bot));
    let seen: Vec<_> = told
        .iter()
        .map(|update| match update {
            enums::Update::UpdateBotMessageReaction(u) => (
                u.qts,
                u.msg_id,
                u.old_reactions.clone(),
                u.new_reactions.clone(),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        seen,
        [
            (2, 3, vec![thumb("🔥")], vec![thumb("👍")]),
            (3, 3, vec![thumb("👍")], vec![thumb("❤")])
        ]
    );
    let ask = |qts| functions::updates::GetDifference {
        pts: state.pts,
        pts_limit: None,
        pts_total_limit: None,
        date: state.date + 1000,
        qts,
        qts_limit: None,
    };
    let missed = p.rig.call(&mut bot, &ask(2)).unwrap();
    let enums::updates::Difference::Difference(missed) = missed else {
        panic!("{missed:?}")
    };
    assert_eq!(missed.other_updates, told[1..]);
    let enums::updates::State::State(after) = &missed.state;
    assert_eq!(after.qts, 3);
    assert!(matches!(
        p.rig.call(&mut bot, &ask(3)).unwrap(),
        enums::updates::Difference::DifferenceEmpty(_)
    ));
}

#[test]
fn reactions_to_posts_of_a_broadcast_channel_are_counted_without_names() {
    let mut p = pair();
    let (bot, _) = p.rig.bot("watch_bot");
    let alices = create(&mut p.rig, &mut p.alice, "News", true);
    publish(&mut p.rig, &mut p.alice, &alices, "daily_news");
    let bobs = resolve(&mut p.rig, &mut p.bob, "daily_news");
    let to_bot = p.rig.input_peer(&mut p.alice, "watch_bot");
    let mut rights = types::ChatAdminRights::new();
    rights.post_messages = true;
    p.rig
        .call(
            &mut p.alice,
            &functions::channels::EditAdmin {
                channel: alices.input(),
                user_id: input_user(&to_bot),
                admin_rights: rights.into(),
                rank: None,
            },
        )
        .unwrap();
    p.rig
        .call(&mut p.alice, &send_message(&alices.peer(), "post", 1))
        .unwrap();
    assert_eq!(
        p.rig
            .error(&mut p.bob, &react(&bobs.peer(), 2, vec![thumb("👍")])),
        "403 CHAT_WRITE_FORBIDDEN"
    );
    join(&mut p.rig, &mut p.bob, &bobs);
    p.rig.pushed.clear();
    p.rig
        .call(&mut p.bob, &react(&bobs.peer(), 2, vec![thumb("👍")]))
        .unwrap();
    let told = only_reactions(&all_updates(&p.rig.take_pushes(&p.alice)));
    let enums::MessageReactions::MessageReactions(seen) = &told.reactions;
    assert!(seen.recent_reactions.is_none() && !seen.can_see_list);
    let told = all_updates(&p.rig.take_pushes(&bot));
    assert!(
        matches!(&told[..], [enums::Update::UpdateBotMessageReactions(u)]
        if u.qts == 3 && u.msg_id == 2 && u.reactions.len() == 1)
    );
}

#[test]
fn contacts_points_and_dice_are_sent_and_stories_are_refused_by_name() {
    let mut p = pair();
    let send = |peer: &enums::InputPeer, media: enums::InputMedia, random_id| {
        functions::messages::SendMedia::new(peer.clone(), media, String::new(), random_id)
    };
    let dice = |emoji: &str| -> enums::InputMedia {
        types::InputMediaDice {
            emoticon: emoji.into(),
        }
        .into()
    };
    let point = |lat: f64| -> enums::InputMedia {
        let mut point = types::InputGeoPoint::new(lat, 13.4);
        point.accuracy_radius = Some(5);
        types::InputMediaGeoPoint {
            geo_point: point.into(),
        }
        .into()
    };
    let contact: enums::InputMedia = types::InputMediaContact {
        phone_number: "+49 151 0".into(),
        first_name: "Eve".into(),
        last_name: String::new(),
        vcard: String::new(),
    }
    .into();
    p.rig
        .call(&mut p.alice, &send(&p.to_bob, dice("🎰"), 1))
        .unwrap();
    p.rig
        .call(&mut p.alice, &send(&p.to_bob, point(52.5), 2))
        .unwrap();
    p.rig
        .call(&mut p.alice, &send(&p.to_bob, contact, 3))
        .unwrap();
    let media: Vec<_> = all_updates(&p.rig.take_pushes(&p.bob))
        .into_iter()
        .filter_map(|update| match update {
            enums::Update::UpdateNewMessage(u) => message(&u.message).media.clone(),
            _ => None,
        })
        .collect();
    assert!(matches!(&media[..], [
        enums::MessageMedia::MessageMediaDice(dice),
        enums::MessageMedia::MessageMediaGeo(_),
        enums::MessageMedia::MessageMediaContact(contact),
    ] if (1..=64).contains(&dice.value) && contact.first_name == "Eve"));
    for (media, error) in [
        (dice("x"), "400 EMOTICON_INVALID"),
        (point(91.0), "400 MEDIA_INVALID"),
        (enums::InputMedia::InputMediaEmpty, "400 MEDIA_EMPTY"),
    ] {
        assert_eq!(p.rig.error(&mut p.alice, &send(&p.to_bob, media, 9)), error);
    }
    let story: enums::InputMedia = types::InputMediaStory {
        peer: enums::InputPeer::InputPeerSelf,
        id: 1,
    }
    .into();
    assert!(
        p.rig
            .error(&mut p.alice, &send(&p.to_bob, story, 9))
            .starts_with("400 PARAMETER_NOT_BUILT (messages.sendMedia")
    );
}

#[test]
fn an_administrating_bot_hears_who_comes_and_goes() {
    let mut p = pair();
    let (bot, bot_id) = p.rig.bot("watch_bot");
    let alices = create(&mut p.rig, &mut p.alice, "Club", false);
    publish(&mut p.rig, &mut p.alice, &alices, "our_club");
    let bobs = resolve(&mut p.rig, &mut p.bob, "our_club");
    let to_bot = p.rig.input_peer(&mut p.alice, "watch_bot");
    let mut rights = types::ChatAdminRights::new();
    rights.invite_users = true;
    p.rig
        .call(
            &mut p.alice,
            &functions::channels::EditAdmin {
                channel: alices.input(),
                user_id: input_user(&to_bot),
                admin_rights: rights.into(),
                rank: None,
            },
        )
        .unwrap();
    join(&mut p.rig, &mut p.bob, &bobs);
    p.rig
        .call(
            &mut p.bob,
            &functions::channels::LeaveChannel {
                channel: bobs.input(),
            },
        )
        .unwrap();
    let told: Vec<_> = all_updates(&p.rig.take_pushes(&bot))
        .into_iter()
        .filter_map(|update| match update {
            enums::Update::UpdateChannelParticipant(u) => Some((
                u.qts,
                u.actor_id,
                u.user_id,
                u.prev_participant.is_some(),
                u.new_participant.is_some(),
            )),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, p.alice_id, bot_id, false, true),
            (2, p.bob_id, p.bob_id, false, true),
            (3, p.bob_id, p.bob_id, true, false),
        ]
    );
}
