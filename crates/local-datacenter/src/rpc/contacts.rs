//! `contacts.*`: usernames, phone numbers and address books.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::{RpcResult, bad};
use super::view;
use crate::model::{Contact, Event, PeerKey, UserId, normalize_phone};

/// Whether a text has the form of a username, see <https://core.telegram.org/method/account.checkUsername>.
pub(crate) fn is_username(name: &str) -> bool {
    (5..=32).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('_')
        && !name.contains("__")
}

fn resolved(call: &Call<'_>, me: UserId, key: PeerKey) -> enums::contacts::ResolvedPeer {
    call.view(me, |view| {
        view.mention(key);
        types::contacts::ResolvedPeer {
            peer: view::peer(key),
            chats: view.chats(),
            users: view.users(),
        }
        .into()
    })
}

/// `contacts.resolveUsername`.
pub(super) fn resolve_username(
    call: &mut Call<'_>,
    request: functions::contacts::ResolveUsername,
) -> RpcResult<enums::contacts::ResolvedPeer> {
    let me = call.me()?;
    let name = request
        .username
        .strip_prefix('@')
        .unwrap_or(&request.username);
    if !is_username(name) {
        return Err(bad("USERNAME_INVALID"));
    }
    let id = call
        .world
        .state
        .user_by_username(name)
        .map(|user| PeerKey::User(user.id));
    let channel = call
        .world
        .state
        .channel_by_username(name)
        .map(|room| PeerKey::Channel(room.channel.id));
    let key = id.or(channel).ok_or(bad("USERNAME_NOT_OCCUPIED"))?;
    Ok(resolved(call, me, key))
}

/// `contacts.resolvePhone`.
pub(super) fn resolve_phone(
    call: &mut Call<'_>,
    request: functions::contacts::ResolvePhone,
) -> RpcResult<enums::contacts::ResolvedPeer> {
    let me = call.me()?;
    let id = normalize_phone(&request.phone)
        .and_then(|phone| call.world.state.user_by_phone(&phone).map(|user| user.id))
        .ok_or(bad("PHONE_NOT_OCCUPIED"))?;
    Ok(resolved(call, me, PeerKey::User(id)))
}

/// `contacts.getContacts`.
pub(super) fn get_contacts(
    call: &mut Call<'_>,
    _: functions::contacts::GetContacts,
) -> RpcResult<enums::contacts::Contacts> {
    let me = call.me()?;
    let book: Vec<UserId> = call
        .world
        .state
        .contacts
        .get(&me)
        .into_iter()
        .flat_map(|book| book.keys().copied())
        .collect();
    let contacts = book
        .iter()
        .map(|user_id| {
            let mutual = call
                .world
                .state
                .contacts
                .get(user_id)
                .is_some_and(|book| book.contains_key(&me));
            types::Contact {
                user_id: *user_id,
                mutual,
            }
            .into()
        })
        .collect();
    call.view(me, |view| {
        for id in &book {
            view.mention(PeerKey::User(*id));
        }
        Ok(types::contacts::Contacts {
            contacts,
            saved_count: 0,
            users: view.users(),
        }
        .into())
    })
}

/// `contacts.importContacts`: numbers without an account are not imported.
pub(super) fn import_contacts(
    call: &mut Call<'_>,
    request: functions::contacts::ImportContacts,
) -> RpcResult<enums::contacts::ImportedContacts> {
    let me = call.me()?;
    let mut imported = Vec::new();
    let mut found = Vec::new();
    for contact in request.contacts {
        let enums::InputContact::InputPhoneContact(contact) = contact;
        let user = normalize_phone(&contact.phone)
            .and_then(|phone| call.world.state.user_by_phone(&phone).map(|user| user.id));
        let Some(user) = user.filter(|user| *user != me) else {
            continue;
        };
        call.world.commit(Event::ContactPut {
            owner: me,
            user,
            contact: Some(Contact {
                first_name: contact.first_name.clone(),
                last_name: contact.last_name.clone(),
            }),
        });
        found.push(user);
        imported.push(
            types::ImportedContact {
                user_id: user,
                client_id: contact.client_id,
            }
            .into(),
        );
    }
    call.view(me, |view| {
        for id in found {
            view.mention(PeerKey::User(id));
        }
        Ok(types::contacts::ImportedContacts {
            imported,
            popular_invites: Vec::new(),
            retry_contacts: Vec::new(),
            users: view.users(),
        }
        .into())
    })
}

fn contacts_changed(call: &Call<'_>, me: UserId, users: &[UserId]) -> enums::Updates {
    let date = call.date();
    call.view(me, |view| {
        let updates = users
            .iter()
            .map(|user| {
                view.mention(PeerKey::User(*user));
                types::UpdatePeerSettings {
                    peer: types::PeerUser { user_id: *user }.into(),
                    settings: types::PeerSettings::new().into(),
                }
                .into()
            })
            .collect();
        view.container(updates, date, 0)
    })
}

/// `contacts.addContact`.
pub(super) fn add_contact(
    call: &mut Call<'_>,
    request: functions::contacts::AddContact,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let user = call
        .input_user(&request.id)
        .map_err(|_| bad("CONTACT_ID_INVALID"))?
        .id;
    if user == me {
        return Err(bad("CONTACT_ID_INVALID"));
    }
    if request.first_name.trim().is_empty() {
        return Err(bad("CONTACT_NAME_EMPTY"));
    }
    call.world.commit(Event::ContactPut {
        owner: me,
        user,
        contact: Some(Contact {
            first_name: request.first_name.trim().to_owned(),
            last_name: request.last_name.trim().to_owned(),
        }),
    });
    Ok(contacts_changed(call, me, &[user]))
}

/// `contacts.deleteContacts`.
pub(super) fn delete_contacts(
    call: &mut Call<'_>,
    request: functions::contacts::DeleteContacts,
) -> RpcResult<enums::Updates> {
    let me = call.me()?;
    let mut users = Vec::new();
    for input in &request.id {
        users.push(call.input_user(input)?.id);
    }
    for user in &users {
        call.world.commit(Event::ContactPut {
            owner: me,
            user: *user,
            contact: None,
        });
    }
    Ok(contacts_changed(call, me, &users))
}

/// `contacts.search`: by the beginning of usernames, and by names in the address book.
pub(super) fn search(
    call: &mut Call<'_>,
    request: functions::contacts::Search,
) -> RpcResult<enums::contacts::Found> {
    let me = call.me()?;
    let wanted = request.q.trim().trim_start_matches('@').to_lowercase();
    if wanted.is_empty() {
        return Err(bad("SEARCH_QUERY_EMPTY"));
    }
    let limit = usize::try_from(request.limit).unwrap_or(0).min(50);
    let peer = |id: UserId| -> enums::Peer { types::PeerUser { user_id: id }.into() };
    let mine: Vec<UserId> = call
        .world
        .state
        .contacts
        .get(&me)
        .into_iter()
        .flatten()
        .filter(|(_, contact)| {
            format!("{} {}", contact.first_name, contact.last_name)
                .to_lowercase()
                .contains(&wanted)
        })
        .map(|(id, _)| *id)
        .take(limit)
        .collect();
    let others: Vec<UserId> = call
        .world
        .state
        .usernames
        .range(wanted.clone()..)
        .take_while(|(name, _)| name.starts_with(&wanted))
        .map(|(_, id)| *id)
        .filter(|id| *id != me && !mine.contains(id))
        .take(limit)
        .collect();
    call.view(me, |view| {
        for id in mine.iter().chain(&others) {
            view.mention(PeerKey::User(*id));
        }
        Ok(types::contacts::Found {
            my_results: mine.iter().map(|id| peer(*id)).collect(),
            results: others.iter().map(|id| peer(*id)).collect(),
            chats: view.chats(),
            users: view.users(),
        }
        .into())
    })
}

#[cfg(test)]
mod tests {
    use super::is_username;

    #[test]
    fn usernames_have_a_form() {
        for good in ["alice", "echo_bot", "a1234"] {
            assert!(is_username(good), "{good}");
        }
        for bad in [
            "",
            "abcd",
            "1alice",
            "alice_",
            "al__ice",
            "älice",
            "a b c d e",
        ] {
            assert!(!is_username(bad), "{bad}");
        }
        assert!(!is_username(&"a".repeat(33)));
    }
}
