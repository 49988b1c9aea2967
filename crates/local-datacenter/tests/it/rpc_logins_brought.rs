//! Random plays of logins that are brought between datacenters, moved and ended: what must hold after each step.
#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;

use crate::rpc_support::*;
use actogram_local_datacenter::model::{DatacenterAddress, Endpoint, PeerKey, Revocation};
use actogram_local_datacenter::operator::BotAccount;
use actogram_tl::{enums, functions};
use proptest::prelude::*;

const DATACENTERS: [i32; 3] = [2, 4, 5];

#[derive(Clone, Debug)]
enum Step {
    LogIn {
        bot: usize,
    },
    Bring {
        client: usize,
        into: usize,
        /// The ticket is for another datacenter.
        astray: bool,
    },
    Move {
        bot: usize,
        to: usize,
    },
    LogOut {
        client: usize,
    },
    Revoke {
        client: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let any = || 0..8_usize;
    prop_oneof![
        2 => any().prop_map(|bot| Step::LogIn { bot }),
        5 => (any(), any(), prop::bool::weighted(0.1))
            .prop_map(|(client, into, astray)| Step::Bring { client, into, astray }),
        2 => (any(), any()).prop_map(|(bot, to)| Step::Move { bot, to }),
        1 => any().prop_map(|client| Step::LogOut { client }),
        1 => any().prop_map(|client| Step::Revoke { client }),
    ]
}

struct Play {
    rig: Rig,
    bots: Vec<BotAccount>,
    sender: i64,
    clients: Vec<Client>,
}

impl Play {
    fn new() -> Self {
        let mut rig = Rig::new();
        let at = |dc_id| DatacenterAddress {
            endpoint: Endpoint::main(dc_id),
            ip: Ipv4Addr::LOCALHOST.into(),
            port: 1,
        };
        rig.world.set_datacenters(DATACENTERS.map(at).to_vec());
        let (bots, sender) = operate(&mut rig, |operator| {
            let bots = ["one_bot", "two_bot"].map(|name| operator.create_bot(name, name).unwrap());
            (
                bots.to_vec(),
                operator.create_user("9996620001", "Ann").unwrap(),
            )
        });
        let clients = DATACENTERS.map(|dc_id| rig.client_at(dc_id)).to_vec();
        Self {
            rig,
            bots,
            sender,
            clients,
        }
    }

    fn play(&mut self, step: &Step) {
        let count = self.clients.len();
        match *step {
            Step::LogIn { bot } => {
                let bot = &self.bots[bot % 2];
                let mut client = self.rig.client_at(self.rig.world.home(bot.id));
                let login = functions::auth::ImportBotAuthorization {
                    flags: 0,
                    api_id: 1,
                    api_hash: "h".into(),
                    bot_auth_token: bot.token.clone(),
                };
                self.rig.call(&mut client, &login).unwrap();
                self.clients.push(client);
            }
            Step::Bring {
                client,
                into,
                astray,
            } => {
                let (client, into) = (client % count, into % count);
                let mut there = self.clients[into].clone();
                let at = DATACENTERS
                    .iter()
                    .position(|id| *id == there.dc_id)
                    .unwrap();
                let dc_id = DATACENTERS[(at + usize::from(astray)) % 3];
                let export = functions::auth::ExportAuthorization { dc_id };
                let ticket = self.rig.call(&mut self.clients[client], &export);
                // Who is logged in to nothing, or away from home, exports nothing.
                let Ok(enums::auth::ExportedAuthorization::ExportedAuthorization(ticket)) = ticket
                else {
                    return;
                };
                let import = functions::auth::ImportAuthorization {
                    id: ticket.id,
                    bytes: ticket.bytes,
                };
                let to_itself = self.root(self.clients[client].key) == there.key;
                let result = self.rig.call(&mut there, &import);
                assert_eq!(result.is_ok(), !astray && !to_itself);
                self.clients[into] = there;
            }
            Step::Move { bot, to } => {
                let bot = self.bots[bot % 2].id;
                let dc_id = DATACENTERS[to % 3];
                operate(&mut self.rig, |operator| operator.move_home(bot, dc_id)).unwrap();
            }
            Step::LogOut { client } => {
                // Refused for who is logged in to nothing.
                let _ = self
                    .rig
                    .call(&mut self.clients[client % count], &functions::auth::LogOut);
            }
            Step::Revoke { client } => {
                let key = self.clients[client % count].key;
                let _ = operate(&mut self.rig, |operator| {
                    operator.revoke(key, Revocation::SessionRevoked)
                });
            }
        }
    }

    fn root(&self, key: i64) -> i64 {
        let logins = self.rig.world.state().authorizations();
        let mut logins = logins.filter(|login| login.auth_key_id == key);
        logins.next().and_then(|login| login.main).unwrap_or(key)
    }

    fn check(&mut self) {
        let state = self.rig.world.state();
        let logins: Vec<_> = state.authorizations().cloned().collect();
        for login in &logins {
            assert_eq!(state.account_of(login.auth_key_id), Some(login.user));
            let Some(main) = login.main else { continue };
            let origin = logins.iter().find(|other| other.auth_key_id == main);
            let origin = origin.expect("a brought login ends with its origin");
            assert_eq!(
                (origin.main, origin.user),
                (None, login.user),
                "one step leads to it"
            );
        }
        // Every main login at home hears of a message, once, and nobody else does.
        for bot in self.bots.clone() {
            self.rig.pushed.clear();
            let sender = self.sender;
            operate(&mut self.rig, |operator| {
                operator.send_message(sender, PeerKey::User(bot.id), "hello")
            })
            .unwrap();
            let home = self.rig.world.home(bot.id);
            for client in &self.clients {
                let login = logins.iter().find(|login| login.auth_key_id == client.key);
                let hears = login.is_some_and(|login| {
                    login.user == bot.id && login.main.is_none() && client.dc_id == home
                });
                let heard = self.rig.pushed.get(&(client.key, client.session));
                assert_eq!(heard.map_or(0, Vec::len), usize::from(hears), "{login:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn brought_logins_lead_to_their_origins_and_updates_to_those_at_home(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut play = Play::new();
        for step in &steps {
            play.play(step);
            play.check();
        }
    }
}
