//! What a former login of an account leaves behind must not touch the next one.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::support::{Inbox, World, call, event, log_in_bot, virtual_time};
use actogram_actors::AccountEvent;
use actogram_local_datacenter::model::PeerKey;
use actogram_store::{Position, SelfUser, Write};
use actogram_tl::{enums, functions};

/// The former login has seen much, the next one is new: its numbers are all below the stored position.
#[test]
fn another_login_after_a_restart_begins_from_its_own_position() {
    virtual_time(|| async {
        let world = World::new().await;
        let mut first = world.bot("first_bot").await;
        let ann = world.person();
        let operator = world.datacenter.operator();
        for _ in 0..20 {
            operator
                .send_message(ann, PeerKey::User(first.id), "old")
                .unwrap();
        }
        first.inbox.texts(20).await;
        let mut events = first.account.events();
        operator.fail("users.getUsers", 401, "SESSION_REVOKED", 1);
        let ask = functions::users::GetUsers {
            id: vec![enums::InputUser::InputUserSelf],
        };
        call(&first.account, &ask).await.unwrap_err();
        event(&mut events, |event| {
            matches!(event, AccountEvent::LoggedOut { .. })
        })
        .await;
        first.account.shutdown(Duration::from_secs(5)).await;

        let second = operator.create_bot("second_bot", "second_bot").unwrap();
        let again = world.open("first_bot", &first.store).await;
        let mut inbox = Inbox::of(&again);
        let user = log_in_bot(&again, second.token.as_str()).await.unwrap();
        assert_eq!(user.id, second.id);
        again.logged_in(&user).await.unwrap();
        for text in ["one", "two"] {
            operator
                .send_message(ann, PeerKey::User(second.id), text)
                .unwrap();
        }
        assert_eq!(inbox.texts(2).await, ["one", "two"]);
        again.shutdown(Duration::from_secs(5)).await;
    });
}

/// The position of a login belongs to it: whoever ends the one ends the other, in the same commit.
#[test]
fn a_position_ends_with_its_login() {
    let dir = tempfile::tempdir().unwrap();
    let stores = [
        actogram_store::Store::memory(),
        actogram_store::Store::open(dir.path().join("bot.session")).unwrap(),
    ];
    for store in stores {
        let account = store.account("bot");
        let me = SelfUser { id: 7, bot: true };
        let at = Position {
            pts: 9,
            qts: 1,
            date: 2,
            seq: 3,
        };
        account
            .write_synced(vec![Write::SelfUser(Some(me)), Write::Position(at)])
            .wait()
            .unwrap();
        assert_eq!(account.load().wait().unwrap().position, Some(at));
        account.write(Write::SelfUser(None));
        let record = account.load().wait().unwrap();
        assert_eq!((record.self_user, record.position), (None, None));
    }
}
