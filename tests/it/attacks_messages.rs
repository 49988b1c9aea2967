//! A hostile datacenter against the whole client, over sockets: whatever is added to what it sends, each call is answered,
//! the next one too, and no handler runs for anything forged. Rows are those of the security checklist; for each, the
//! core's own tests tell what was ignored and why.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{
    HANG, Inbox,
    accounts::{Bot, config, open, stored_keys},
    datacenter, event, events_so_far,
    lanes::in_lanes,
};
use actogram::{
    AccountEvent, Client, Result,
    tl::{Bytes, Encode, enums, types},
};
use actogram_actors::{Connector, DatacenterAddress, NetworkConnector, StopReason};
use actogram_local_datacenter::{Attack, GzipAttack, LocalDatacenter, When, model::PeerKey};
use actogram_store::Store;
use tokio::sync::broadcast;

/// What the client must do about an attack.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Must {
    /// Close the connection; the call is answered over the next one.
    Close,
    /// Go on.
    Bear,
    /// Go on, but fail the call whose answer cannot be read.
    Fail,
}
use Must::{Bear, Close, Fail};

struct Target {
    datacenter: LocalDatacenter,
    ann: Client,
    me: i64,
    bot: i64,
    inbox: Inbox,
    events: broadcast::Receiver<AccountEvent>,
}

async fn finishes<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, what).await.expect("it hangs")
}

impl Target {
    async fn new() -> Self {
        let datacenter = datacenter().await;
        let bot = datacenter.operator().create_bot("real_bot", "Real");
        let ann = crate::support::person(&datacenter, "9996628888").await;
        let inbox = Inbox::of(&ann);
        ann.start().await.unwrap();
        finishes(ann.api().send_message("@real_bot", "hello").into_future())
            .await
            .unwrap();
        datacenter.attacks().record(true);
        Self {
            me: ann.api().me_id().unwrap(),
            bot: bot.unwrap().id,
            events: ann.events(),
            datacenter,
            ann,
            inbox,
        }
    }

    async fn call(&self) -> Result<()> {
        finishes(self.ann.api().get_me()).await.map(drop)
    }

    fn lost_connections(&mut self) -> usize {
        let lost = |event: &AccountEvent| matches!(event, AccountEvent::Disconnected { .. });
        events_so_far(&mut self.events, lost).len()
    }

    async fn suffer(&mut self, attack: &Attack, must: Must) {
        let attacks = self.datacenter.attacks();
        let mounted = attacks.mounted();
        self.lost_connections();
        attacks.order(When::Answer(1), attack.clone());
        let attacked = self.call().await;
        assert_eq!(attacks.mounted(), mounted + 1, "{attack:?} was not mounted");
        match must {
            Fail => assert!(attacked.is_err(), "{attack:?} was taken for an answer"),
            _ => attacked.unwrap_or_else(|error| panic!("{attack:?}: {error}")),
        }
        self.call()
            .await
            .unwrap_or_else(|error| panic!("after {attack:?}: {error}"));
        let lost = self.lost_connections();
        assert_eq!(lost, usize::from(must == Close), "{attack:?}");
    }

    /// What is real still arrives, and nothing else did.
    async fn end(self) {
        self.datacenter
            .operator()
            .send_message(self.bot, PeerKey::User(self.me), "this is real")
            .unwrap();
        assert_eq!(self.inbox.next().await.text(), "this is real");
        assert!(self.inbox.is_quiet().await, "a handler ran for a forgery");
        self.ann.shutdown(Duration::from_secs(5)).await;
    }
}

async fn mount(lanes: usize, attacks: Vec<(Attack, Must)>) {
    in_lanes(lanes, attacks, |attacks| async move {
        let mut target = Target::new().await;
        for (attack, must) in attacks {
            target.suffer(&attack, must).await;
        }
        target.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_to_s5_envelopes_that_are_wrong_close_the_connection() {
    let mut attacks = vec![
        (Attack::DropLastBlock, Close),
        (Attack::SwapBlocks, Close),
        (Attack::KeyId(1), Close),
        (Attack::KeyId(i64::MIN), Close),
        (Attack::Unencrypted, Close),
        (Attack::SessionId(0), Close),
        (Attack::SessionId(-1), Close),
    ];
    attacks.extend(
        (0..128)
            .step_by(16)
            .map(|bit| (Attack::FlipKeyBit(bit), Close)),
    );
    attacks.extend((0..6).map(|block| (Attack::FlipBlock(block), Close)));
    attacks.extend([8, 24, 40, 68, 100].map(|length| (Attack::PayloadLength(length), Close)));
    attacks.extend([-1, i32::MIN, i32::MAX, 3, 4096].map(|n| (Attack::DeclaredLength(n), Close)));
    attacks.extend([0, 8, 11, 1028, 1040].map(|padding| (Attack::Padding(padding), Close)));
    // The twins.
    attacks.extend([12, 256, 1024].map(|padding| (Attack::Padding(padding), Bear)));
    attacks.push((Attack::Harmless, Bear));
    mount(8, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_to_s11_and_s15_messages_that_are_wrong_have_no_effect() {
    let mut attacks = vec![
        (Attack::OddAcknowledgement, Bear),
        (Attack::ContainerInContainer, Bear),
        (Attack::ContainerInGzip, Bear),
        (Attack::InnerEvenId, Bear),
        (Attack::InnerNewerThanContainer, Bear),
        (Attack::InnerTwice, Bear),
        (Attack::SecondAnswer, Bear),
        (Attack::BadSaltUnasked, Bear),
    ];
    attacks.extend((0..4).map(|bits| (Attack::IdBits(bits), Bear)));
    attacks.extend([305, 86_400, -35, -3600, 0].map(|age| (Attack::IdAge(age), Bear)));
    attacks.extend([0, 1, 2].map(|back| (Attack::Replay(back), Bear)));
    attacks.extend([0, 1, 2].map(|back| (Attack::ReplayInContainer(back), Bear)));
    attacks.extend([16, 17, 20, 32, 48, 64].map(|code| (Attack::BadMessageUnasked(code), Bear)));
    attacks.extend([-1, 1, 3, 1025, i32::MAX, 2].map(|n| (Attack::ContainerCount(n), Bear)));
    attacks.extend([4, -4, 1, i32::MAX / 2].map(|more| (Attack::InnerLength(more), Bear)));
    mount(4, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_packing_that_is_broken_fails_its_call_alone() {
    let attacks = [
        GzipAttack::Bomb(64),
        GzipAttack::Nested(1),
        GzipAttack::Nested(100),
        GzipAttack::Cut,
        GzipAttack::Trailing,
        GzipAttack::TwoMembers,
        GzipAttack::Empty,
        GzipAttack::Checksum,
    ];
    let attacks = attacks.map(|form| (Attack::Gzip(form), Fail));
    mount(2, attacks.into()).await;
    // The twin is read, and taken for what it says: a refusal.
    let target = Target::new().await;
    target
        .datacenter
        .attacks()
        .order(When::Answer(1), Attack::Gzip(GzipAttack::Honest));
    let refused = target.call().await.unwrap_err();
    assert!(refused.is("HONEST_*"), "{refused}");
    target.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s13_s14_bodies_of_any_kind_stop_nothing() {
    // In front of each: what makes the client look into it, or nothing.
    let known = [
        0xf35c_6d01_u32,
        0x73f1_f8dc,
        0x3072_cfa1,
        0x74ae_4240,
        0x78d4_dec1,
        0xdead_beef,
    ];
    let mut attacks = Vec::new();
    for (number, id) in known.into_iter().enumerate() {
        for fill in [0x00, 0xff, 0x7f] {
            let mut body = id.to_le_bytes().to_vec();
            body.resize(4 * (2 + 9 * number), fill);
            let attack = Attack::Body {
                body: body.into(),
                content_related: true,
            };
            attacks.push((attack, Bear));
        }
    }
    mount(2, attacks).await;
}

fn body(updates: &enums::Updates) -> Attack {
    Attack::Body {
        body: updates.to_bytes(),
        content_related: true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_updates_that_cannot_be_lead_to_no_endless_asking() {
    let mut target = Target::new().await;
    let date = 1_700_000_000;
    let deleted = |pts, pts_count| {
        let update = types::UpdateDeleteMessages {
            messages: vec![1],
            pts,
            pts_count,
        };
        body(
            &types::UpdateShort {
                update: update.into(),
                date,
            }
            .into(),
        )
    };
    // `updateShort` of an update that nobody knows.
    let mut unknown = 0x78d4_dec1_u32.to_le_bytes().to_vec();
    unknown.extend_from_slice(&0xdead_beef_u32.to_le_bytes());
    unknown.extend_from_slice(&[0; 8]);
    let attacks = [
        Attack::Body {
            body: Bytes::from(unknown),
            content_related: true,
        },
        body(&enums::Updates::UpdatesTooLong),
        deleted(-1, 1),
        deleted(i32::MIN, i32::MAX),
        deleted(i32::MAX, 1),
        deleted(i32::MAX, i32::MAX),
        deleted(0, -1),
    ];
    let operator = target.datacenter.operator();
    for attack in attacks {
        let asked = operator.counters().executed("updates.getDifference");
        target.suffer(&attack, Bear).await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let asked = operator.counters().executed("updates.getDifference") - asked;
        assert!(asked <= 3, "{attack:?}: {asked} times");
        operator
            .send_message(target.bot, PeerKey::User(target.me), "still here")
            .unwrap();
        assert_eq!(target.inbox.next().await.text(), "still here", "{attack:?}");
    }
    target.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_a_datacenter_that_refuses_everything_ends_calls_and_causes_no_storm() {
    in_lanes(
        4,
        vec![48, 16, 17, 20, 32, 34, 64, 99],
        |codes| async move {
            let target = Target::new().await;
            let attacks = target.datacenter.attacks();
            for code in codes {
                let before = attacks.mounted();
                attacks.refuse_everything(Some(code));
                let refused = target.call().await;
                assert!(refused.is_err(), "{code}");
                let times = attacks.mounted() - before;
                assert!(times <= 60, "{code}: {times} messages for one call");
                attacks.clear();
                target
                    .call()
                    .await
                    .unwrap_or_else(|error| panic!("after {code}: {error}"));
            }
            target.end().await;
        },
    )
    .await;
    // Refused once, a call is answered all the same.
    let attacks = [
        (Attack::BadSalt, Bear),
        (Attack::BadMessage(16), Bear),
        (Attack::BadMessage(32), Bear),
        (Attack::BadMessage(64), Bear),
    ];
    mount(1, attacks.into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_to_s19_long_lists_and_answers_nobody_asked_for_have_no_effect() {
    let attacks = vec![
        (Attack::AllInfo(1), Bear),
        (Attack::AllInfo(100_000), Bear),
        (Attack::ResendRequest(1), Bear),
        (Attack::ResendRequest(100_000), Bear),
        (Attack::DetailedInfo, Bear),
        (Attack::FutureSalts(1), Bear),
        (Attack::FutureSalts(50_000), Bear),
        (Attack::Pong(7), Bear),
    ];
    mount(2, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s24_transport_errors_end_a_connection_and_not_the_key() {
    let codes = [-404, -444, -429, -1, i32::MIN];
    mount(
        5,
        codes
            .map(|code| (Attack::TransportError(code), Close))
            .into(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s24_a_key_outlives_whoever_denies_it_on_every_connection() {
    let datacenter = datacenter().await;
    let store = Store::memory();
    let permanent = || {
        let mut config = config(&datacenter, "denied", &store);
        config.forward_secrecy = false;
        config
    };
    let account = open(permanent()).await;
    let config_call = actogram::tl::functions::help::GetConfig;
    crate::support::accounts::call(&account, &config_call)
        .await
        .unwrap();
    let keys = stored_keys(&store, "denied").await;
    let mut events = account.events();
    datacenter
        .attacks()
        .order(When::Always, Attack::TransportError(-404));
    let error = crate::support::accounts::call(&account, &config_call).await;
    assert!(error.is_err());
    let stopped = event(&mut events, |event| {
        matches!(event, AccountEvent::Stopped(_))
    })
    .await;
    let reason = StopReason::AuthKeyUnknown {
        dc: datacenter.dc_id(),
    };
    assert_eq!(stopped, AccountEvent::Stopped(reason));
    account.shutdown(Duration::from_secs(5)).await;
    assert_eq!(stored_keys(&store, "denied").await, keys);
    // Nobody denies it any more: it is as good as it was.
    datacenter.attacks().clear();
    let account = open(permanent()).await;
    crate::support::accounts::call(&account, &config_call)
        .await
        .unwrap();
    assert_eq!(stored_keys(&store, "denied").await, keys);
    account.shutdown(Duration::from_secs(5)).await;
}

/// With temporary keys, what is denied is one of those: another is made, and nobody's word ends the account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s24_whoever_denies_temporary_keys_holds_an_account_up_and_never_ends_it() {
    let datacenter = datacenter().await;
    let store = Store::memory();
    let account = open(config(&datacenter, "held_up", &store)).await;
    let config_call = actogram::tl::functions::help::GetConfig;
    crate::support::accounts::call(&account, &config_call)
        .await
        .unwrap();
    let keys = stored_keys(&store, "held_up").await;
    let mut events = account.events();
    datacenter
        .attacks()
        .order(When::Always, Attack::TransportError(-404));
    let calling = tokio::spawn({
        let account = account.clone();
        async move { crate::support::accounts::call(&account, &config_call).await }
    });
    for _ in 0..4 {
        let denied = event(&mut events, |event| match event {
            AccountEvent::Disconnected { why, .. } => why.contains("-404"),
            _ => false,
        });
        denied.await;
    }
    assert_eq!(account.stopped(), None);
    datacenter.attacks().clear();
    calling.await.unwrap().unwrap();
    assert_eq!(stored_keys(&store, "held_up").await, keys);
    account.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn t7_a_datacenter_is_reached_from_its_machine_alone() {
    let datacenter = datacenter().await;
    let address = datacenter.address().unwrap();
    assert!(address.ip().is_loopback());
    // Another address of this machine, as a neighbour would use.
    let elsewhere = std::net::SocketAddr::new([127, 0, 0, 2].into(), address.port());
    let refused = tokio::net::TcpStream::connect(elsewhere).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// S26, S25: where datacenters are said to be, and by whom, is no matter: nothing is dialed but what the client was given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s26_no_address_is_dialed_but_those_the_client_was_given() {
    let datacenter = datacenter().await;
    let mut config = config(&datacenter, "dialing_bot", &Store::memory());
    let dialed = Arc::new(Mutex::new(Vec::new()));
    let noted = dialed.clone();
    config.connector = Arc::new(move |to: &DatacenterAddress| {
        noted.lock().unwrap().push((to.host.clone(), to.port));
        NetworkConnector::default().connect(to)
    });
    let bot = Bot::with(&datacenter, config).await;
    let option = |id| enums::DcOption::from(types::DcOption::new(id, "192.0.2.1".to_owned(), 443));
    let options = types::UpdateDcOptions {
        dc_options: (1..=5).map(option).collect(),
    };
    let operator = datacenter.operator();
    for update in [enums::Update::from(options), enums::Update::UpdateConfig] {
        let short = types::UpdateShort {
            update,
            date: 1_700_000_000,
        };
        let attack = body(&short.into());
        let before = dialed.lock().unwrap().len();
        let mounted = datacenter.attacks().mounted();
        datacenter.attacks().order(When::Answer(1), attack);
        bot.send("under the attack").await.unwrap();
        assert_eq!(datacenter.attacks().mounted(), mounted + 1);
        // Whoever believed it would go there now, or where it is sent by a datacenter it does not know.
        datacenter.cut_connections();
        bot.send("over another connection").await.unwrap();
        operator.fail("users.getUsers", 303, "USER_MIGRATE_4", 1);
        let me = actogram::tl::functions::users::GetUsers {
            id: vec![enums::InputUser::InputUserSelf],
        };
        let moved = crate::support::accounts::call(&bot.account, &me).await;
        // It asked over its own session, and was told that this one is number 4, too.
        assert!(moved.is_ok(), "{moved:?}");
        bot.send("and at home again").await.unwrap();
        assert!(dialed.lock().unwrap().len() > before, "the twin is dialed");
    }
    let address = datacenter.address().unwrap();
    let given = (address.ip().to_string(), address.port());
    let dialed = dialed.lock().unwrap().clone();
    assert!(dialed.iter().all(|to| *to == given), "{dialed:?}");
    bot.end().await;
}
