//! Accounts in memory: for tests, simulations, and programs that log in anew each time.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    StoreError,
    records::{
        AccountRecord, ChannelPosition, DialogueKey, DialogueState, PeerKey, PeerRecord, Stream,
        UploadRecord,
    },
    storage::{Durability, Storage, WORTHLESS, Write},
};

/// Accounts in memory. They end with the value.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    accounts: BTreeMap<Arc<str>, Account>,
}

#[derive(Debug, Default)]
struct Account {
    record: AccountRecord,
    handled: BTreeSet<(Stream, i32)>,
    peers: HashMap<PeerKey, PeerRecord>,
    usernames: HashMap<String, PeerKey>,
    dialogues: HashMap<DialogueKey, DialogueState>,
    uploads: HashMap<Arc<str>, UploadRecord>,
}

impl MemoryStorage {
    /// No accounts.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Storage for MemoryStorage {
    fn accounts(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(self.accounts.keys().map(|name| name.to_string()).collect())
    }

    fn load(&mut self, account: &str) -> Result<AccountRecord, StoreError> {
        Ok(self
            .accounts
            .get(account)
            .map_or_else(AccountRecord::default, |account| {
                let mut record = account.record.clone();
                record.handled = account.handled.iter().copied().collect();
                record
            }))
    }

    fn peer(&mut self, account: &str, key: PeerKey) -> Result<Option<PeerRecord>, StoreError> {
        Ok(self
            .accounts
            .get(account)
            .and_then(|account| account.peers.get(&key))
            .cloned())
    }

    fn peer_by_username(
        &mut self,
        account: &str,
        username: &str,
    ) -> Result<Option<PeerRecord>, StoreError> {
        let Some(account) = self.accounts.get(account) else {
            return Ok(None);
        };
        let key = account.usernames.get(&username.to_lowercase());
        Ok(key.and_then(|key| account.peers.get(key)).cloned())
    }

    fn dialogue(
        &mut self,
        account: &str,
        key: DialogueKey,
    ) -> Result<Option<DialogueState>, StoreError> {
        let account = self.accounts.get(account);
        Ok(account.and_then(|account| account.dialogues.get(&key).cloned()))
    }

    fn upload(&mut self, account: &str, path: &str) -> Result<Option<UploadRecord>, StoreError> {
        let account = self.accounts.get(account);
        Ok(account.and_then(|account| account.uploads.get(path).cloned()))
    }

    fn commit(&mut self, writes: &[(Arc<str>, Write)], _: Durability) -> Result<(), StoreError> {
        for (name, write) in writes {
            if matches!(write, Write::Forget) {
                self.accounts.remove(name);
            } else {
                self.accounts.entry(name.clone()).or_default().apply(write);
            }
        }
        Ok(())
    }
}

impl Account {
    fn apply(&mut self, write: &Write) {
        let record = &mut self.record;
        match write.clone() {
            Write::AuthKey(key) => {
                record
                    .auth_keys
                    .retain(|old| (old.dc, old.kind) != (key.dc, key.kind));
                record.auth_keys.push(key);
                record.auth_keys.sort_by_key(|key| (key.dc, key.kind));
            }
            Write::DropAuthKey { dc, kind } => record
                .auth_keys
                .retain(|old| (old.dc, old.kind) != (dc, kind)),
            Write::Salts { dc, mut salts } => {
                salts.sort_by_key(|salt| salt.valid_since);
                record.salts.insert(dc, salts);
            }
            Write::TimeOffset { dc, seconds } => {
                record.time_offsets.insert(dc, seconds);
            }
            Write::Peer(peer) => self.put_peer(peer),
            Write::Usernames { key, usernames } => self.put_usernames(key, usernames),
            Write::Position(position) => {
                record.position = Some(position);
                self.forget_handled(Stream::Common, position.pts);
                self.forget_handled(Stream::Secret, position.qts);
            }
            Write::ChannelPosition(position) => {
                match place_of(&record.channels, position.channel_id) {
                    Ok(place) => record.channels[place] = position,
                    Err(place) => record.channels.insert(place, position),
                }
                self.forget_handled(Stream::Channel(position.channel_id), position.pts);
            }
            Write::ForgetChannel(channel) => {
                if let Ok(place) = place_of(&record.channels, channel) {
                    record.channels.remove(place);
                }
                self.forget_handled(Stream::Channel(channel), i32::MAX);
            }
            Write::Handled { stream, number } => {
                self.handled.insert((stream, number));
            }
            Write::Dialogue { key, state } => match state {
                Some(state) => drop(self.dialogues.insert(key, state)),
                None => drop(self.dialogues.remove(&key)),
            },
            Write::Upload { path, record } => match record {
                Some(record) => {
                    let oldest = record.touched.saturating_sub(WORTHLESS);
                    self.uploads.retain(|_, other| other.touched >= oldest);
                    self.uploads.insert(path, record);
                }
                None => drop(self.uploads.remove(&path)),
            },
            Write::DcOptions(options) => record.dc_options = options,
            Write::MainDc(dc) => record.main_dc = Some(dc),
            Write::SelfUser(user) => {
                record.self_user = user;
                if user.is_none() {
                    record.position = None;
                    record.channels.clear();
                    self.handled.clear();
                    self.uploads.clear();
                }
            }
            Write::Forget => {}
        }
    }

    fn forget_handled(&mut self, stream: Stream, up_to: i32) {
        self.handled
            .retain(|(other, number)| *other != stream || *number > up_to);
    }

    fn put_peer(&mut self, mut peer: PeerRecord) {
        let known = self.peers.get(&peer.key);
        if peer.min && known.is_some_and(|known| !known.min) {
            return;
        }
        peer.seen_in = match known {
            _ if !peer.min => None,
            Some(known) => peer.seen_in.or(known.seen_in),
            None => peer.seen_in,
        };
        let usernames = std::mem::take(&mut peer.usernames);
        let key = peer.key;
        peer.usernames = known
            .map(|known| known.usernames.clone())
            .unwrap_or_default();
        self.peers.insert(key, peer);
        self.put_usernames(key, usernames);
    }

    fn put_usernames(&mut self, key: PeerKey, mut usernames: Vec<String>) {
        let Some(known) = self.peers.get_mut(&key) else {
            return;
        };
        for name in std::mem::take(&mut known.usernames) {
            self.usernames.remove(&name);
        }
        for name in &mut usernames {
            *name = name.to_lowercase();
            if let Some(before) = self.usernames.insert(name.clone(), key)
                && before != key
                && let Some(before) = self.peers.get_mut(&before)
            {
                before.usernames.retain(|other| other != name);
            }
        }
        usernames.sort();
        usernames.dedup();
        if let Some(known) = self.peers.get_mut(&key) {
            known.usernames = usernames;
        }
    }
}

/// Where a channel's position stands among these, or would.
fn place_of(channels: &[ChannelPosition], channel: i64) -> Result<usize, usize> {
    channels.binary_search_by_key(&channel, |at| at.channel_id)
}
