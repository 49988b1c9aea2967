//! Reading records.

use std::sync::Arc;

use actogram_crypto::AuthKey;
use rusqlite::{Connection, OptionalExtension as _, params};
use zeroize::Zeroizing;

use super::write::{kind_number, peer_kind_number};
use crate::records::{
    AccountRecord, AuthKeyRecord, ChannelPosition, DcOption, DialogueKey, DialogueState, KeyKind,
    PeerKey, PeerKind, PeerRecord, Position, SaltRecord, SeenIn, SelfUser, Stream, UploadRecord,
};

pub(super) enum ReadError {
    Sqlite(rusqlite::Error),
    Damaged(String),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

pub(super) fn accounts(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT name FROM account ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect()
}

pub(super) fn load(connection: &Connection, name: &str) -> Result<AccountRecord, ReadError> {
    let mut record = AccountRecord::default();
    let Some(account) = connection
        .prepare_cached(
            "SELECT id, main_dc, self_id, self_bot, pts, qts, date, seq FROM account WHERE name = ?1",
        )?
        .query_row([name], |row| {
            record.main_dc = row.get(1)?;
            record.self_user = match row.get(2)? {
                Some(id) => Some(SelfUser { id, bot: row.get::<_, Option<bool>>(3)?.unwrap_or(false) }),
                None => None,
            };
            record.position = match row.get(4)? {
                Some(pts) => Some(Position { pts, qts: row.get(5)?, date: row.get(6)?, seq: row.get(7)? }),
                None => None,
            };
            row.get::<_, i64>(0)
        })
        .optional()?
    else {
        return Ok(record);
    };
    load_keys(connection, account, &mut record)?;
    let mut statement = connection
        .prepare_cached("SELECT dc, valid_since, valid_until, salt FROM salt WHERE account = ?1 ORDER BY dc, valid_since")?;
    let mut rows = statement.query([account])?;
    while let Some(row) = rows.next()? {
        record
            .salts
            .entry(row.get(0)?)
            .or_default()
            .push(SaltRecord {
                valid_since: row.get(1)?,
                valid_until: row.get(2)?,
                salt: row.get(3)?,
            });
    }
    record.time_offsets = connection
        .prepare_cached("SELECT dc, seconds FROM time_offset WHERE account = ?1")?
        .query_map([account], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    record.channels = connection
        .prepare_cached(
            "SELECT channel, pts, behind FROM channel WHERE account = ?1 ORDER BY channel",
        )?
        .query_map([account], |row| {
            Ok(ChannelPosition {
                channel_id: row.get(0)?,
                pts: row.get(1)?,
                behind: row.get(2)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    record.handled = connection
        .prepare_cached(
            "SELECT stream, channel, number FROM handled WHERE account = ?1 ORDER BY stream, channel, number",
        )?
        .query_map([account], |row| {
            let stream = match row.get(0)? {
                0 => Stream::Common,
                1 => Stream::Secret,
                _ => Stream::Channel(row.get(1)?),
            };
            Ok((stream, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    load_dc_options(connection, account, &mut record)?;
    Ok(record)
}

fn load_keys(
    connection: &Connection,
    account: i64,
    record: &mut AccountRecord,
) -> Result<(), ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT dc, kind, key_id, key, created FROM auth_key WHERE account = ?1 ORDER BY dc, kind",
    )?;
    let mut rows = statement.query([account])?;
    while let Some(row) = rows.next()? {
        let dc: i32 = row.get(0)?;
        let kind = match row.get::<_, i32>(1)? {
            0 => KeyKind::Permanent,
            1 => KeyKind::Cdn,
            other => {
                return Err(ReadError::Damaged(format!(
                    "a key of datacenter {dc} is of kind {other}"
                )));
            }
        };
        let expected: i64 = row.get(2)?;
        let stored = row.get_ref(3)?;
        let bytes = stored
            .as_blob()
            .ok()
            .and_then(|blob| <[u8; 256]>::try_from(blob).ok())
            .map(Zeroizing::new)
            .ok_or_else(|| {
                ReadError::Damaged(format!("the key of datacenter {dc} has not 256 bytes"))
            })?;
        let key = AuthKey::new(*bytes);
        // SQLite keeps no checksums: one flipped bit would show as a key the datacenter does not know.
        if key.id() != expected {
            return Err(ReadError::Damaged(format!(
                "the key of datacenter {dc} is not the one that was stored"
            )));
        }
        record.auth_keys.push(AuthKeyRecord {
            dc,
            kind,
            key: Arc::new(key),
            created: row.get(4)?,
        });
    }
    Ok(())
}

fn load_dc_options(
    connection: &Connection,
    account: i64,
    record: &mut AccountRecord,
) -> Result<(), ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT dc, address, port, flags, secret FROM dc_option WHERE account = ?1 ORDER BY place",
    )?;
    let mut rows = statement.query([account])?;
    while let Some(row) = rows.next()? {
        let address: String = row.get(1)?;
        let flags: u32 = row.get(3)?;
        record.dc_options.push(DcOption {
            dc: row.get(0)?,
            address: address.parse().map_err(|_| {
                ReadError::Damaged(format!("{address:?} is stored as a datacenter's address"))
            })?,
            port: row.get(2)?,
            media_only: flags & 1 != 0,
            tcpo_only: flags & 2 != 0,
            cdn: flags & 4 != 0,
            is_static: flags & 8 != 0,
            this_port_only: flags & 16 != 0,
            secret: row.get::<_, Option<Vec<u8>>>(4)?.map(Zeroizing::new),
        });
    }
    Ok(())
}

pub(super) fn peer(
    connection: &Connection,
    account: &str,
    key: PeerKey,
) -> rusqlite::Result<Option<PeerRecord>> {
    let Some((account, access_hash, min, seen_in)) = connection
        .prepare_cached(
            "SELECT account, access_hash, min, seen_kind, seen_id, seen_message FROM peer
             WHERE account = (SELECT id FROM account WHERE name = ?1) AND kind = ?2 AND id = ?3",
        )?
        .query_row(
            params![account, peer_kind_number(key.kind), key.id],
            |row| {
                let seen: (Option<i32>, Option<i64>, Option<i32>) =
                    (row.get(3)?, row.get(4)?, row.get(5)?);
                let seen_in = match seen {
                    (Some(kind), Some(id), Some(message)) => Some(SeenIn {
                        chat: PeerKey {
                            kind: peer_kind(kind),
                            id,
                        },
                        message,
                    }),
                    _ => None,
                };
                Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, seen_in))
            },
        )
        .optional()?
    else {
        return Ok(None);
    };
    let usernames = connection
        .prepare_cached(
            "SELECT username FROM username WHERE account = ?1 AND kind = ?2 AND id = ?3 ORDER BY username",
        )?
        .query_map(params![account, peer_kind_number(key.kind), key.id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(Some(PeerRecord {
        key,
        access_hash,
        min,
        usernames,
        seen_in,
    }))
}

pub(super) fn peer_by_username(
    connection: &Connection,
    account: &str,
    username: &str,
) -> rusqlite::Result<Option<PeerRecord>> {
    let found: Option<(i32, i64)> = connection
        .prepare_cached(
            "SELECT kind, id FROM username
             WHERE account = (SELECT id FROM account WHERE name = ?1) AND username = ?2",
        )?
        .query_row(params![account, username.to_lowercase()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match found {
        Some((kind, id)) => {
            let kind = peer_kind(kind);
            peer(connection, account, PeerKey { kind, id })
        }
        None => Ok(None),
    }
}

fn peer_kind(number: i32) -> PeerKind {
    match number {
        0 => PeerKind::User,
        1 => PeerKind::Chat,
        _ => PeerKind::Channel,
    }
}

pub(super) fn dialogue(
    connection: &Connection,
    account: &str,
    key: DialogueKey,
) -> rusqlite::Result<Option<DialogueState>> {
    connection
        .prepare_cached(
            "SELECT state FROM dialogue WHERE account = (SELECT id FROM account WHERE name = ?1)
             AND chat_kind = ?2 AND chat = ?3 AND person_kind = ?4 AND person = ?5",
        )?
        .query_row(
            params![
                account,
                peer_kind_number(key.chat.kind),
                key.chat.id,
                peer_kind_number(key.person.kind),
                key.person.id
            ],
            |row| Ok(DialogueState(row.get_ref(0)?.as_blob()?.into())),
        )
        .optional()
}

pub(super) fn upload(
    connection: &Connection,
    account: &str,
    path: &str,
) -> rusqlite::Result<Option<UploadRecord>> {
    connection
        .prepare_cached(
            "SELECT file_id, size, modified, touched, process, parts FROM upload
             WHERE account = (SELECT id FROM account WHERE name = ?1) AND path = ?2",
        )?
        .query_row(params![account, path], |row| {
            Ok(UploadRecord {
                file_id: row.get(0)?,
                size: row.get::<_, i64>(1)?.unsigned_abs(),
                modified: row.get(2)?,
                touched: row.get(3)?,
                process: row.get(4)?,
                parts: row.get_ref(5)?.as_blob()?.into(),
            })
        })
        .optional()
}

/// Numbers and names of kinds live in `write`; this keeps both directions in sight of the compiler.
const _: () = {
    assert!(kind_number(KeyKind::Permanent) == 0 && kind_number(KeyKind::Cdn) == 1);
    assert!(peer_kind_number(PeerKind::User) == 0 && peer_kind_number(PeerKind::Chat) == 1);
};
