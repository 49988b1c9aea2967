//! Makes the packets of [`Attack`]s.

use std::{io::Write, time::Duration};

use actogram_crypto::{
    AuthKey, Side,
    message::{self, HEADER},
    random::{self, Random},
};
use actogram_tl::{
    Constructor, Encode, Writer,
    mtproto::{ids, types},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use super::attack::{Attack, GzipAttack, Sent};

/// Salt, session id, message id, sequence number, length.
const INNER_HEADER: usize = 32;

const BLOCK: usize = 16;

const YEAR: i32 = 365 * 24 * 3600;

/// An honest packet, as its receiver sees it.
pub(super) struct Seen {
    salt: i64,
    session_id: i64,
    msg_id: i64,
    seq_no: i32,
    body: Bytes,
    /// The first call it answers.
    pub(super) answers: Option<i64>,
}

impl Seen {
    /// Opens a packet of the server.
    pub(super) fn open(key: &AuthKey, packet: &[u8]) -> Option<Self> {
        Self::open_from(key, Side::Server, packet)
    }

    /// Opens a packet of the client.
    pub(super) fn open_from_client(key: &AuthKey, packet: &[u8]) -> Option<Self> {
        Self::open_from(key, Side::Client, packet)
    }

    fn open_from(key: &AuthKey, from: Side, packet: &[u8]) -> Option<Self> {
        let mut packet = packet.to_vec();
        message::decrypt(key, from, &mut packet).ok()?;
        let plaintext = packet.get(HEADER..)?;
        let length = usize::try_from(int(plaintext, 28)?).ok()?;
        let body = plaintext.get(INNER_HEADER..INNER_HEADER.checked_add(length)?)?;
        Some(Self {
            salt: long(plaintext, 0)?,
            session_id: long(plaintext, 8)?,
            msg_id: long(plaintext, 16)?,
            seq_no: int(plaintext, 24)?,
            answers: answered(body),
            body: Bytes::copy_from_slice(body),
        })
    }
}

fn long(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The call that a body, or the first result of a container, answers.
fn answered(body: &[u8]) -> Option<i64> {
    match int(body, 0)? as u32 {
        ids::RPC_RESULT => long(body, 4),
        ids::MSG_CONTAINER => {
            let mut at = 8;
            for _ in 0..int(body, 4)? {
                let length = usize::try_from(int(body, at + 12)?).ok()?;
                let inner = body.get(at + 16..(at + 16).checked_add(length)?)?;
                if int(inner, 0)? as u32 == ids::RPC_RESULT {
                    return long(inner, 4);
                }
                at += 16 + length;
            }
            None
        }
        _ => None,
    }
}

/// A message with every field free.
struct Forged {
    session_id: i64,
    msg_id: i64,
    seq_no: i32,
    body: Bytes,
    declared: Option<i32>,
    padding: usize,
}

/// Makes packets like one that was seen.
pub(super) struct Forger<'a> {
    pub(super) key: &'a AuthKey,
    pub(super) seen: &'a Seen,
    pub(super) unix: Duration,
    pub(super) random: &'a mut dyn Random,
}

impl Forger<'_> {
    /// The packets of an attack; the replays among them are made elsewhere.
    pub(super) fn forge(&mut self, attack: &Attack) -> Vec<Sent> {
        let mut forged = self.unasked_result(1);
        match attack {
            Attack::Harmless
            | Attack::Replay(_)
            | Attack::ReplayInContainer(_)
            | Attack::FlipKeyBit(_)
            | Attack::FlipBlock(_)
            | Attack::DropLastBlock
            | Attack::SwapBlocks
            | Attack::KeyId(_)
            | Attack::PayloadLength(_) => {}
            Attack::Unencrypted => return vec![self.unencrypted(&forged.body)],
            Attack::TransportError(code) => return vec![Sent::Error(*code)],
            Attack::RawBytes(bytes) => return vec![Sent::Raw(bytes.clone())],
            Attack::DeclaredLength(length) => forged.declared = Some(*length),
            Attack::Padding(padding) => self.pad(&mut forged, *padding),
            Attack::SessionId(id) => forged.session_id = *id,
            Attack::IdBits(bits) => forged.msg_id = forged.msg_id & !3 | i64::from(bits & 3),
            Attack::IdAge(seconds) => {
                forged.msg_id = forged.msg_id.wrapping_sub(seconds.wrapping_shl(32));
            }
            Attack::Body {
                body,
                content_related,
            } => {
                forged.body = body.clone();
                forged.seq_no = i32::from(*content_related);
            }
            Attack::OddAcknowledgement => {
                let msg_ids = vec![self.fresh_id(0)];
                forged.body = boxed(&types::MsgsAck { msg_ids });
                forged.seq_no = 1;
            }
            Attack::ContainerCount(_)
            | Attack::ContainerInContainer
            | Attack::ContainerInGzip
            | Attack::InnerLength(_)
            | Attack::InnerEvenId
            | Attack::InnerNewerThanContainer
            | Attack::InnerTwice => self.container(&mut forged, attack),
            Attack::Gzip(form) => {
                forged.body = self.result(self.seen.answers.unwrap_or(0), &gzip(*form));
            }
            Attack::SecondAnswer => {
                forged.body = self.result(self.seen.answers.unwrap_or(0), &error("SECOND_ANSWER"));
            }
            other => {
                forged.body = self.service(other);
                forged.seq_no = 0;
            }
        }
        vec![Sent::Packet(self.tampered(attack, &forged))]
    }

    fn service(&mut self, attack: &Attack) -> Bytes {
        let unsent = self.fresh_id(0);
        let answered = self.seen.answers.unwrap_or(unsent);
        match attack {
            Attack::BadSalt => self.bad_salt(answered, 1),
            Attack::BadSaltUnasked => self.bad_salt(unsent, 1),
            Attack::BadMessage(code) => bad_message(answered, 1, *code),
            Attack::BadMessageUnasked(code) => bad_message(unsent, 1, *code),
            Attack::Pong(ping_id) => boxed(&types::Pong {
                msg_id: unsent,
                ping_id: *ping_id,
            }),
            Attack::FutureSalts(count) => {
                let now = self.unix.as_secs() as i32;
                let salts = (0..*count).map(|place| types::FutureSalt {
                    valid_since: now.wrapping_add(place as i32),
                    valid_until: now.saturating_add(10 * YEAR),
                    salt: random::i64(self.random),
                });
                boxed(&types::FutureSalts {
                    req_msg_id: unsent,
                    now,
                    salts: salts.collect(),
                })
            }
            Attack::AllInfo(count) => boxed(&types::MsgsAllInfo {
                msg_ids: self.unsent(*count),
                info: vec![4; *count].into(),
            }),
            Attack::ResendRequest(count) => boxed(&types::MsgResendReq {
                msg_ids: self.unsent(*count),
            }),
            // All others were dealt with before.
            _ => boxed(&types::MsgDetailedInfo {
                msg_id: unsent,
                answer_msg_id: self.fresh_id(1),
                bytes: 64,
                status: 0,
            }),
        }
    }

    fn unsent(&mut self, count: usize) -> Vec<i64> {
        let first = self.fresh_id(0);
        (0..count as i64)
            .map(|place| first.wrapping_add(4 * place))
            .collect()
    }

    /// What a message of the client gets that is refused.
    pub(super) fn refusal(&mut self, code: i32) -> Sent {
        let mut forged = self.unasked_result(1);
        forged.seq_no = 0;
        forged.body = if code == 48 {
            self.bad_salt(self.seen.msg_id, self.seen.seq_no)
        } else {
            bad_message(self.seen.msg_id, self.seen.seq_no, code)
        };
        Sent::Packet(self.seal(&forged).into())
    }

    /// An earlier message in a container of its own.
    pub(super) fn repeated(&mut self, earlier: &Seen) -> Sent {
        let mut forged = self.unasked_result(3);
        forged.seq_no = 0;
        forged.body = container(
            1,
            &[(earlier.msg_id, earlier.seq_no, 0, earlier.body.clone())],
        );
        Sent::Packet(self.seal(&forged).into())
    }

    fn bad_salt(&mut self, bad_msg_id: i64, bad_msg_seqno: i32) -> Bytes {
        boxed(&types::BadServerSalt {
            bad_msg_id,
            bad_msg_seqno,
            error_code: 48,
            new_server_salt: random::i64(self.random),
        })
    }

    /// An id of now, with these low bits.
    fn fresh_id(&mut self, bits: i64) -> i64 {
        let fraction = (u64::from(self.unix.subsec_nanos()) << 32) / 1_000_000_000;
        let noise = u64::from(random::u32(self.random) & 0x00ff_ffff);
        ((self.unix.as_secs() << 32 | fraction) ^ noise) as i64 & !3 | bits
    }

    fn result(&self, req_msg_id: i64, result: &[u8]) -> Bytes {
        let mut writer = Writer::with_capacity(12 + result.len());
        writer.put_u32(ids::RPC_RESULT);
        writer.put_i64(req_msg_id);
        writer.put_raw(result);
        writer.into_bytes()
    }

    /// A good message that means nothing to the client: the result of a call it never made.
    fn unasked_result(&mut self, bits: i64) -> Forged {
        let call = self.fresh_id(0);
        let body = self.result(call, &error("NOBODY_ASKED"));
        Forged {
            session_id: self.seen.session_id,
            msg_id: self.fresh_id(bits),
            seq_no: 1,
            padding: least_padding(body.len()),
            declared: None,
            body,
        }
    }

    /// Gives the message exactly this much padding.
    fn pad(&mut self, forged: &mut Forged, padding: usize) {
        // An error's name can be given any length that makes the blocks whole.
        for letters in 4..4 + BLOCK {
            let call = self.fresh_id(0);
            forged.body = self.result(call, &error(&"X".repeat(letters)));
            if (INNER_HEADER + forged.body.len() + padding).is_multiple_of(BLOCK) {
                forged.padding = padding;
                return;
            }
        }
        // No multiple of 4: what is said to be the body then ends within a word.
        let whole = (INNER_HEADER + forged.body.len() + padding).next_multiple_of(BLOCK);
        forged.padding = whole - INNER_HEADER - forged.body.len();
        forged.declared = i32::try_from(whole - INNER_HEADER - padding).ok();
    }

    fn container(&mut self, forged: &mut Forged, attack: &Attack) {
        let container_id = self.fresh_id(3);
        let message = |forger: &mut Self, before: i64| {
            let call = forger.fresh_id(0);
            let body = forger.result(call, &error("NOBODY_ASKED"));
            (((container_id & !3) - before) | 1, 1, 0, body)
        };
        let mut messages = [message(self, 8), message(self, 4)];
        let mut count = 2;
        match attack {
            Attack::ContainerCount(said) => count = *said,
            Attack::ContainerInContainer => messages[1].3 = container(1, &[message(self, 16)]),
            Attack::ContainerInGzip => {
                messages[1].3 = packed(&compress(&container(1, &[message(self, 16)])));
            }
            Attack::InnerLength(more) => messages[1].2 = *more,
            Attack::InnerEvenId => messages[1].0 &= !3,
            Attack::InnerNewerThanContainer => messages[1].0 = ((container_id & !3) + 4) | 1,
            _ => messages[1] = messages[0].clone(),
        }
        forged.msg_id = container_id;
        forged.seq_no = 0;
        forged.body = container(count, &messages);
    }

    fn seal(&mut self, forged: &Forged) -> Vec<u8> {
        // Services and containers replace the body after its padding was chosen.
        let filled = INNER_HEADER + forged.body.len() + forged.padding;
        let padding = if filled.is_multiple_of(BLOCK) {
            forged.padding
        } else {
            least_padding(forged.body.len())
        };
        let declared = forged.declared.unwrap_or(forged.body.len() as i32);
        let mut packet = vec![0; HEADER];
        packet.extend_from_slice(&self.seen.salt.to_le_bytes());
        packet.extend_from_slice(&forged.session_id.to_le_bytes());
        packet.extend_from_slice(&forged.msg_id.to_le_bytes());
        packet.extend_from_slice(&forged.seq_no.to_le_bytes());
        packet.extend_from_slice(&declared.to_le_bytes());
        packet.extend_from_slice(&forged.body);
        let unpadded = packet.len();
        packet.resize(unpadded + padding, 0);
        self.random.fill(&mut packet[unpadded..]);
        message::encrypt(self.key, Side::Server, &mut packet);
        packet
    }

    /// Encrypts a message and breaks the packet if that is what the attack is about.
    fn tampered(&mut self, attack: &Attack, forged: &Forged) -> Bytes {
        let mut packet = self.seal(forged);
        let blocks = (packet.len() - HEADER) / BLOCK;
        match attack {
            Attack::FlipKeyBit(bit) => packet[8 + usize::from(bit % 128) / 8] ^= 1 << (bit % 8),
            Attack::FlipBlock(block) => packet[HEADER + BLOCK * (block % blocks)] ^= 1,
            Attack::DropLastBlock => packet.truncate(packet.len() - BLOCK),
            Attack::SwapBlocks => {
                let last = packet.len() - BLOCK;
                let (front, back) = packet.split_at_mut(last);
                front[HEADER..HEADER + BLOCK].swap_with_slice(back);
            }
            Attack::KeyId(id) => packet[..8].copy_from_slice(&id.to_le_bytes()),
            Attack::PayloadLength(length) => packet.resize(*length, 0),
            _ => {}
        }
        packet.into()
    }

    fn unencrypted(&mut self, body: &Bytes) -> Sent {
        let mut writer = Writer::with_capacity(20 + body.len());
        writer.put_i64(0);
        writer.put_i64(self.fresh_id(1));
        writer.put_u32(body.len() as u32);
        writer.put_raw(body);
        Sent::Packet(writer.into_bytes())
    }
}

fn least_padding(body: usize) -> usize {
    (INNER_HEADER + body + 12).next_multiple_of(BLOCK) - INNER_HEADER - body
}

fn boxed<T: Encode + Constructor>(object: &T) -> Bytes {
    let mut writer = Writer::new();
    writer.object(T::ID, object);
    writer.into_bytes()
}

fn error(name: &str) -> Bytes {
    boxed(&types::RpcError {
        error_code: 400,
        error_message: Bytes::copy_from_slice(name.as_bytes()),
    })
}

fn bad_message(bad_msg_id: i64, bad_msg_seqno: i32, error_code: i32) -> Bytes {
    boxed(&types::BadMsgNotification {
        bad_msg_id,
        bad_msg_seqno,
        error_code,
    })
}

/// Messages are id, sequence number, how much longer they are said to be, and body.
fn container(count: i32, messages: &[(i64, i32, i32, Bytes)]) -> Bytes {
    let mut writer = Writer::new();
    writer.put_u32(ids::MSG_CONTAINER);
    writer.put_i32(count);
    for (msg_id, seq_no, more, body) in messages {
        writer.put_i64(*msg_id);
        writer.put_i32(*seq_no);
        writer.put_i32((body.len() as i32).wrapping_add(*more));
        writer.put_raw(body);
    }
    writer.into_bytes()
}

fn packed(gzip: &[u8]) -> Bytes {
    let mut writer = Writer::with_capacity(gzip.len() + 12);
    writer.put_u32(ids::GZIP_PACKED);
    writer.put_bytes(gzip);
    writer.into_bytes()
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn gzip(form: GzipAttack) -> Bytes {
    // Long enough to be cut and to have several blocks' worth of bytes.
    let honest = compress(&error(&"HONEST_".repeat(32)));
    match form {
        GzipAttack::Honest => packed(&honest),
        GzipAttack::Bomb(mebibytes) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let zeros = vec![0; 1024 * 1024];
            for _ in 0..mebibytes {
                let _ = encoder.write_all(&zeros);
            }
            packed(&encoder.finish().unwrap_or_default())
        }
        GzipAttack::Nested(depth) => {
            let mut nested = packed(&honest);
            for _ in 0..depth {
                nested = packed(&compress(&nested));
            }
            nested
        }
        GzipAttack::Cut => packed(&honest[..honest.len() / 2]),
        GzipAttack::Trailing => packed(&[&honest[..], b"more"].concat()),
        GzipAttack::TwoMembers => packed(&[&honest[..], &honest[..]].concat()),
        GzipAttack::Empty => packed(&[]),
        GzipAttack::Checksum => {
            let mut broken = honest;
            // The last eight bytes are the checksum and the length.
            let at = broken.len() - 8;
            broken[at] ^= 1;
            packed(&broken)
        }
    }
}
