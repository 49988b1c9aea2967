//! Writing records.

use rusqlite::{Connection, params};

use crate::{
    records::{KeyKind, PeerKey, PeerKind, PeerRecord, Stream, UploadRecord},
    storage::{WORTHLESS, Write},
};

pub(super) const fn kind_number(kind: KeyKind) -> i32 {
    match kind {
        KeyKind::Permanent => 0,
        KeyKind::Cdn => 1,
    }
}

pub(super) const fn peer_kind_number(kind: PeerKind) -> i32 {
    match kind {
        PeerKind::User => 0,
        PeerKind::Chat => 1,
        PeerKind::Channel => 2,
    }
}

fn stream_numbers(stream: Stream) -> (i32, i64) {
    match stream {
        Stream::Common => (0, 0),
        Stream::Secret => (1, 0),
        Stream::Channel(id) => (2, id),
    }
}

fn account_id(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO account (name) VALUES (?1)")?
        .execute([name])?;
    connection
        .prepare_cached("SELECT id FROM account WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
}

fn forget_handled(
    connection: &Connection,
    account: i64,
    stream: Stream,
    up_to: i32,
) -> rusqlite::Result<()> {
    let (stream, channel) = stream_numbers(stream);
    connection
        .prepare_cached(
            "DELETE FROM handled WHERE account = ?1 AND stream = ?2 AND channel = ?3 AND number <= ?4",
        )?
        .execute(params![account, stream, channel, up_to])?;
    Ok(())
}

/// How far updates were handled says nothing to whoever logs in next: their numbers are others. Nor do parts that the
/// former login has uploaded.
fn forget_positions(connection: &Connection, account: i64) -> rusqlite::Result<()> {
    for statement in [
        "UPDATE account SET pts = NULL, qts = NULL, date = NULL, seq = NULL WHERE id = ?1",
        "DELETE FROM channel WHERE account = ?1",
        "DELETE FROM handled WHERE account = ?1",
        "DELETE FROM upload WHERE account = ?1",
    ] {
        connection.prepare_cached(statement)?.execute([account])?;
    }
    Ok(())
}

fn keep_upload(
    connection: &Connection,
    account: i64,
    path: &str,
    record: Option<&UploadRecord>,
) -> rusqlite::Result<()> {
    let Some(record) = record else {
        connection
            .prepare_cached("DELETE FROM upload WHERE account = ?1 AND path = ?2")?
            .execute(params![account, path])?;
        return Ok(());
    };
    connection
        .prepare_cached("DELETE FROM upload WHERE account = ?1 AND touched < ?2")?
        .execute(params![account, record.touched.saturating_sub(WORTHLESS)])?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO upload (account, path, file_id, size, modified, touched, process, parts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            account,
            path,
            record.file_id,
            record.size.cast_signed(),
            record.modified,
            record.touched,
            record.process,
            &record.parts[..]
        ])?;
    Ok(())
}

/// Makes one change, inside the transaction at hand.
pub(super) fn apply(connection: &Connection, name: &str, write: &Write) -> rusqlite::Result<()> {
    if matches!(write, Write::Forget) {
        connection
            .prepare_cached("DELETE FROM account WHERE name = ?1")?
            .execute([name])?;
        return Ok(());
    }
    let account = account_id(connection, name)?;
    match write {
        Write::AuthKey(key) => {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO auth_key (account, dc, kind, key_id, key, created)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    account,
                    key.dc,
                    kind_number(key.kind),
                    key.key.id(),
                    &key.key.as_bytes()[..],
                    key.created
                ])?;
        }
        Write::DropAuthKey { dc, kind } => {
            connection
                .prepare_cached(
                    "DELETE FROM auth_key WHERE account = ?1 AND dc = ?2 AND kind = ?3",
                )?
                .execute(params![account, dc, kind_number(*kind)])?;
        }
        Write::Salts { dc, salts } => {
            connection
                .prepare_cached("DELETE FROM salt WHERE account = ?1 AND dc = ?2")?
                .execute(params![account, dc])?;
            for salt in salts {
                connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO salt (account, dc, valid_since, valid_until, salt)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![
                        account,
                        dc,
                        salt.valid_since,
                        salt.valid_until,
                        salt.salt
                    ])?;
            }
        }
        Write::TimeOffset { dc, seconds } => {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO time_offset (account, dc, seconds) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![account, dc, seconds])?;
        }
        Write::Peer(peer) => put_peer(connection, account, peer)?,
        Write::Usernames { key, usernames } => {
            put_usernames(connection, account, *key, usernames)?;
        }
        Write::Position(at) => {
            connection
                .prepare_cached(
                    "UPDATE account SET pts = ?2, qts = ?3, date = ?4, seq = ?5 WHERE id = ?1",
                )?
                .execute(params![account, at.pts, at.qts, at.date, at.seq])?;
            forget_handled(connection, account, Stream::Common, at.pts)?;
            forget_handled(connection, account, Stream::Secret, at.qts)?;
        }
        Write::ChannelPosition(at) => {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO channel (account, channel, pts, behind) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![account, at.channel_id, at.pts, at.behind])?;
            forget_handled(connection, account, Stream::Channel(at.channel_id), at.pts)?;
        }
        Write::ForgetChannel(channel) => {
            connection
                .prepare_cached("DELETE FROM channel WHERE account = ?1 AND channel = ?2")?
                .execute(params![account, channel])?;
            forget_handled(connection, account, Stream::Channel(*channel), i32::MAX)?;
        }
        Write::Handled { stream, number } => {
            let (stream, channel) = stream_numbers(*stream);
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO handled (account, stream, channel, number) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![account, stream, channel, number])?;
        }
        Write::Dialogue { key, state } => {
            let (chat, person) = (key.chat, key.person);
            let (chat_kind, person_kind) =
                (peer_kind_number(chat.kind), peer_kind_number(person.kind));
            match state {
                Some(state) => connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO dialogue (account, chat_kind, chat, person_kind, person, state)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![account, chat_kind, chat.id, person_kind, person.id, &state.0[..]])?,
                None => connection
                    .prepare_cached(
                        "DELETE FROM dialogue WHERE account = ?1 AND chat_kind = ?2 AND chat = ?3
                         AND person_kind = ?4 AND person = ?5",
                    )?
                    .execute(params![account, chat_kind, chat.id, person_kind, person.id])?,
            };
        }
        Write::Upload { path, record } => keep_upload(connection, account, path, record.as_ref())?,
        Write::DcOptions(options) => {
            connection
                .prepare_cached("DELETE FROM dc_option WHERE account = ?1")?
                .execute([account])?;
            for (place, option) in options.iter().enumerate() {
                let flags = u32::from(option.media_only)
                    | u32::from(option.tcpo_only) << 1
                    | u32::from(option.cdn) << 2
                    | u32::from(option.is_static) << 3
                    | u32::from(option.this_port_only) << 4;
                connection
                    .prepare_cached(
                        "INSERT INTO dc_option (account, place, dc, address, port, flags, secret)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    )?
                    .execute(params![
                        account,
                        i64::try_from(place).unwrap_or(i64::MAX),
                        option.dc,
                        option.address.to_string(),
                        option.port,
                        flags,
                        option.secret.as_ref().map(|secret| secret.as_slice())
                    ])?;
            }
        }
        Write::MainDc(dc) => {
            connection
                .prepare_cached("UPDATE account SET main_dc = ?2 WHERE id = ?1")?
                .execute(params![account, dc])?;
        }
        Write::SelfUser(user) => {
            connection
                .prepare_cached("UPDATE account SET self_id = ?2, self_bot = ?3 WHERE id = ?1")?
                .execute(params![
                    account,
                    user.map(|user| user.id),
                    user.map(|user| user.bot)
                ])?;
            if user.is_none() {
                forget_positions(connection, account)?;
            }
        }
        Write::Forget => {}
    }
    Ok(())
}

fn put_peer(connection: &Connection, account: i64, peer: &PeerRecord) -> rusqlite::Result<()> {
    let kind = peer_kind_number(peer.key.kind);
    let seen_in = peer.seen_in.filter(|_| peer.min);
    let changed = connection
        .prepare_cached(
            "INSERT INTO peer (account, kind, id, access_hash, min, seen_kind, seen_id, seen_message)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET access_hash = excluded.access_hash, min = excluded.min,
                 seen_kind = iif(excluded.min AND excluded.seen_id IS NULL, peer.seen_kind, excluded.seen_kind),
                 seen_id = iif(excluded.min AND excluded.seen_id IS NULL, peer.seen_id, excluded.seen_id),
                 seen_message =
                     iif(excluded.min AND excluded.seen_id IS NULL, peer.seen_message, excluded.seen_message)
             WHERE NOT excluded.min OR peer.min",
        )?
        .execute(params![
            account,
            kind,
            peer.key.id,
            peer.access_hash,
            peer.min,
            seen_in.map(|seen| peer_kind_number(seen.chat.kind)),
            seen_in.map(|seen| seen.chat.id),
            seen_in.map(|seen| seen.message)
        ])?;
    if changed == 0 {
        return Ok(());
    }
    put_usernames(connection, account, peer.key, &peer.usernames)
}

fn put_usernames(
    connection: &Connection,
    account: i64,
    key: PeerKey,
    usernames: &[String],
) -> rusqlite::Result<()> {
    let kind = peer_kind_number(key.kind);
    connection
        .prepare_cached("DELETE FROM username WHERE account = ?1 AND kind = ?2 AND id = ?3")?
        .execute(params![account, kind, key.id])?;
    for username in usernames {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO username (account, username, kind, id)
                 SELECT ?1, ?2, kind, id FROM peer WHERE account = ?1 AND kind = ?3 AND id = ?4",
            )?
            .execute(params![account, username.to_lowercase(), kind, key.id])?;
    }
    Ok(())
}
