//! Albums, handled as a whole.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actogram::{Album, PeerId, prelude::*, transfers::AlbumItem};

use crate::support::{HANG, room::Room, until};

fn items(count: u8) -> Vec<AlbumItem> {
    (0..count)
        .map(|number| AlbumItem::file(vec![number; 10]).caption(format!("number {number}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_album_comes_whole_in_order_and_once() {
    let room = Room::new(2290).await;
    let albums = Arc::new(Mutex::new(Vec::<Album>::new()));
    let (seen, failed) = (albums.clone(), Arc::new(Mutex::new(Vec::new())));
    room.bot.on_album(async move |_cx: Cx, album: Album| {
        seen.lock().unwrap().push(album.clone());
        if album.messages().len() == 3 {
            return Err(Error::user("three is too many"));
        }
        album.reply("seen").unwrap().await.map(drop)
    });
    let failures = failed.clone();
    room.bot
        .on_error(async move |_cx, failure| failures.lock().unwrap().push(failure));
    let to_bot = PeerId::User(room.bot_id);
    let api = room.ann.api();
    for count in [2u8, 10, 3] {
        let before = albums.lock().unwrap().len();
        api.send_album(to_bot, items(count)).await.unwrap();
        let one_more = || albums.lock().unwrap().len() > before;
        until("the album is handled", one_more).await;
        let album = albums.lock().unwrap().last().unwrap().clone();
        let texts: Vec<_> = album
            .messages()
            .iter()
            .map(|it| it.text().to_owned())
            .collect();
        let expected: Vec<_> = (0..count)
            .map(|number| format!("number {number}"))
            .collect();
        assert_eq!(texts, expected);
        assert_eq!(album.caption().as_str(), "number 0");
        assert_eq!(album.chat(), Some(PeerId::User(room.ann_id)));
    }
    until("the failure is told", || !failed.lock().unwrap().is_empty()).await;
    // Its messages were handled one by one, too, and nothing comes twice.
    for _ in 0..15 {
        let message = room.bot_inbox.next().await;
        assert!(message.raw().grouped_id.is_some());
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(albums.lock().unwrap().len(), 3);
    assert_eq!(failed.lock().unwrap().len(), 1);
    // One that is still being gathered is handled before the account ends.
    api.send_album(to_bot, items(4)).await.unwrap();
    room.bot_inbox.next().await;
    let report = room.bot.shutdown(HANG).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(albums.lock().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_middleware_keeps_away_is_no_album_either() {
    let room = Room::new(2291).await;
    let albums = Arc::new(Mutex::new(0));
    let seen = albums.clone();
    room.bot.on_album(async move |_cx: Cx, _album: Album| {
        *seen.lock().unwrap() += 1;
        Ok(())
    });
    let banned = Arc::new(AtomicBool::new(true));
    let (ban, kept_away) = (banned.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = kept_away.clone();
    room.bot
        .wrap(async move |cx: Cx, update: Update, next: Next| {
            if ban.load(Ordering::SeqCst) {
                counted.fetch_add(1, Ordering::SeqCst);
                return Ok(Propagation::Stop);
            }
            next.run(cx, update).await
        });
    let to_bot = PeerId::User(room.bot_id);
    room.ann.api().send_album(to_bot, items(2)).await.unwrap();
    // Two messages and the album.
    until("all are kept away", || {
        kept_away.load(Ordering::SeqCst) >= 3
    })
    .await;
    assert_eq!(*albums.lock().unwrap(), 0);
    banned.store(false, Ordering::SeqCst);
    room.ann.api().send_album(to_bot, items(2)).await.unwrap();
    until("the twin is handled", || *albums.lock().unwrap() == 1).await;
    room.end().await;
}

/// Takes albums as a whole, or as the default does.
struct Gatherer {
    whole: bool,
    seen: Arc<Mutex<Vec<String>>>,
}

impl EventHandler for Gatherer {
    fn takes_albums(&self) -> bool {
        true
    }

    async fn on_album(&self, cx: Cx, album: Album) -> Result<()> {
        let count = album.messages().len();
        self.seen.lock().unwrap().push(format!("album of {count}"));
        if self.whole {
            return Err(Error::user("no more"));
        }
        for message in album.messages() {
            self.on_message(cx.clone(), message.clone()).await?;
        }
        Ok(())
    }

    async fn on_message(&self, _cx: Cx, message: Msg) -> Result<()> {
        self.seen.lock().unwrap().push(message.text().to_owned());
        Ok(())
    }

    async fn on_error(&self, _cx: Cx, update: Option<&Update>, error: &Error) {
        assert!(update.is_some());
        self.seen.lock().unwrap().push(error.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_handler_takes_albums_if_it_says_so() {
    for whole in [true, false] {
        let room = Room::new(if whole { 2295 } else { 2296 }).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        room.bot.event_handler(Gatherer { whole, seen: told });
        let (api, to_bot) = (room.ann.api(), PeerId::User(room.bot_id));
        api.send_message(to_bot, "before").await.unwrap();
        api.send_album(to_bot, items(3)).await.unwrap();
        let expected: &[&str] = match whole {
            true => &["before", "album of 3", "no more"],
            false => &["before", "album of 3", "number 0", "number 1", "number 2"],
        };
        until("all is handled", || {
            seen.lock().unwrap().len() >= expected.len()
        })
        .await;
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(*seen.lock().unwrap(), expected);
        let report = room.bot.shutdown(HANG).await;
        assert!(report.is_clean(), "{report:?}");
    }
}
