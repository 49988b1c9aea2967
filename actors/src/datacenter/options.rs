//! Where datacenters are: as the settings say, and as the datacenter itself tells.
//!
//! See <https://core.telegram.org/constructor/dcOption> and <https://core.telegram.org/method/help.getConfig>.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actogram_crypto::rsa::PublicKey;
use actogram_mtproto::transport::Secret;
use actogram_store::{DcOption, Write};
use actogram_tl::{Decode as _, Encode as _, enums, functions, types};
use tokio::sync::Mutex as AsyncMutex;

use crate::{
    api::CallPolicy, config::DatacenterAddress, error::CallError, satellites::Purpose,
    shared::Shared,
};

/// Ports that an address has besides its own, unless it says otherwise.
const OTHER_PORTS: [u16; 4] = [443, 80, 88, 5222];

/// What was told is good for so long at least, whatever is said.
const SHORTEST: Duration = Duration::from_secs(60);

/// And so long at most.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What the datacenter has told of where datacenters are.
#[derive(Debug, Default)]
pub(crate) struct Options {
    known: Mutex<Known>,
    asking: AsyncMutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    options: Vec<DcOption>,
    /// Until when that is good, on the monotonic clock.
    until: Option<Duration>,
    cdn_keys: Vec<(i32, PublicKey)>,
}

impl Options {
    /// What a former process was told.
    pub(crate) fn new(options: Vec<DcOption>) -> Self {
        let known = Known {
            options,
            ..Known::default()
        };
        Self {
            known: Mutex::new(known),
            asking: AsyncMutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that a CDN is trusted by.
    pub(crate) fn cdn_keys(&self, dc: i32) -> Vec<PublicKey> {
        let known = self.known();
        let keys = known.cdn_keys.iter().filter(|(of, _)| *of == dc);
        keys.map(|(_, key)| key.clone()).collect()
    }
}

/// Addresses to try in turn. What the settings say comes first; addresses for files before others, where they are for files;
/// IPv4 before IPv6; and an address's own port before those that it may have besides.
pub(crate) fn candidates(
    configured: &[DatacenterAddress],
    told: &[DcOption],
    obfuscated: bool,
    dc: i32,
    purpose: Purpose,
) -> Vec<DatacenterAddress> {
    let cdn = purpose == Purpose::Cdn;
    let files = matches!(purpose, Purpose::Files(_));
    let mut all: Vec<DatacenterAddress> = Vec::new();
    let mut add = |address: DatacenterAddress| {
        let known = all
            .iter()
            .any(|known| known.host == address.host && known.port == address.port);
        if !known {
            all.push(address);
        }
    };
    let mut told: Vec<&DcOption> = told
        .iter()
        .filter(|option| option.dc == dc && option.cdn == cdn)
        .filter(|option| files || !option.media_only)
        .filter(|option| obfuscated || !option.tcpo_only)
        // One of another length is of an obfuscation that this version does not speak.
        .filter(|option| option.secret.is_none() || secret_of(option).is_some())
        .collect();
    told.sort_by_key(|option| {
        (
            files && !option.media_only,
            option.address.is_ipv6(),
            !option.is_static,
        )
    });
    let address = |option: &DcOption, port: u16| DatacenterAddress {
        secret: secret_of(option),
        ..DatacenterAddress::new(dc, option.address.to_string(), port)
    };
    for option in told.iter().filter(|option| option.media_only) {
        add(address(option, option.port));
    }
    for configured in configured.iter().filter(|it| it.dc == dc && !cdn) {
        add(configured.clone());
    }
    for option in &told {
        add(address(option, option.port));
    }
    for option in told.iter().filter(|option| !option.this_port_only) {
        for port in OTHER_PORTS {
            add(address(option, port));
        }
    }
    all
}

fn secret_of(option: &DcOption) -> Option<Secret> {
    let secret = option.secret.as_ref()?;
    let bytes: [u8; 16] = secret.as_slice().try_into().ok()?;
    Some(Secret::new(bytes))
}

fn to_keep(option: &types::DcOption) -> Option<DcOption> {
    let address: IpAddr = option.ip_address.parse().ok()?;
    let port = u16::try_from(option.port).ok().filter(|port| *port != 0)?;
    Some(DcOption {
        dc: option.id,
        address,
        port,
        media_only: option.media_only,
        tcpo_only: option.tcpo_only,
        cdn: option.cdn,
        is_static: option.static_,
        this_port_only: option.this_port_only,
        secret: option.secret.as_ref().map(|it| it.to_vec().into()),
    })
}

impl Shared {
    /// Where this datacenter can be tried.
    pub(crate) fn candidates(&self, dc: i32, purpose: Purpose) -> Vec<DatacenterAddress> {
        let known = self.options.known();
        let config = &self.config;
        let obfuscated = config.obfuscated && config.transport.supports_obfuscation();
        let here =
            |option: &&DcOption| !config.stays_on_this_machine || option.address.is_loopback();
        let told: Vec<DcOption> = known.options.iter().filter(here).cloned().collect();
        candidates(&config.addresses, &told, obfuscated, dc, purpose)
    }

    /// Asks where datacenters are, unless that is known and still good.
    ///
    /// # Errors
    /// [`CallError::NoAddress`] if nobody knows this one.
    pub(crate) async fn locate(
        self: &Arc<Self>,
        dc: i32,
        purpose: Purpose,
    ) -> Result<(), CallError> {
        let _alone = self.options.asking.lock().await;
        let is_known = || !self.candidates(dc, purpose).is_empty();
        let fresh = self
            .options
            .known()
            .until
            .is_none_or(|until| self.monotonic() < until);
        if is_known() && fresh {
            return Ok(());
        }
        match self.ask_config().await {
            // What is known is better than nothing.
            Err(error) if is_known() => {
                tracing::warn!(%error, "where datacenters are could not be asked");
            }
            asked => asked?,
        }
        is_known().then_some(()).ok_or(CallError::NoAddress { dc })
    }

    /// Asks where datacenters are, if that is not known for certain any more. Returns how long it is good then.
    pub(crate) async fn refresh_options(self: &Arc<Self>) -> Duration {
        let _alone = self.options.asking.lock().await;
        let left = || {
            let until = self.options.known().until.unwrap_or_default();
            until.saturating_sub(self.monotonic())
        };
        if left().is_zero()
            && let Err(error) = self.ask_config().await
        {
            tracing::warn!(%error, "where datacenters are could not be asked");
        }
        left().max(SHORTEST)
    }

    async fn ask_config(self: &Arc<Self>) -> Result<(), CallError> {
        let body = functions::help::GetConfig {}.to_bytes();
        let answer = self.invoke(body, CallPolicy::default(), None).await?;
        let config = enums::Config::from_bytes(answer);
        let enums::Config::Config(config) = config.map_err(|error| not_read(&error))?;
        let mut options: Vec<DcOption> = Vec::new();
        for option in &config.dc_options {
            let enums::DcOption::DcOption(option) = option;
            match to_keep(option) {
                Some(option) => options.push(option),
                None => tracing::warn!(dc = option.id, "an address that is none was told"),
            }
        }
        let told = u64::try_from(i64::from(config.expires) - i64::from(config.date));
        let good_for = Duration::from_secs(told.unwrap_or(0)).clamp(SHORTEST, LONGEST);
        self.store.write(Write::DcOptions(options.clone()));
        let mut known = self.options.known();
        known.options = options;
        known.until = Some(self.monotonic() + good_for);
        Ok(())
    }

    /// Asks by which keys CDNs are trusted (<https://core.telegram.org/cdn#getting-cdn-public-keys>), unless one is known for
    /// this one.
    pub(crate) async fn learn_cdn_keys(self: &Arc<Self>, dc: i32) -> Result<(), CallError> {
        let _alone = self.options.asking.lock().await;
        if !self.options.cdn_keys(dc).is_empty() {
            return Ok(());
        }
        let body = functions::help::GetCdnConfig {}.to_bytes();
        let answer = self.invoke(body, CallPolicy::default(), None).await?;
        let config = enums::CdnConfig::from_bytes(answer);
        let enums::CdnConfig::CdnConfig(config) = config.map_err(|error| not_read(&error))?;
        let mut keys = Vec::new();
        for key in &config.public_keys {
            let enums::CdnPublicKey::CdnPublicKey(told) = key;
            match PublicKey::from_pem(&told.public_key) {
                Ok(key) => keys.push((told.dc_id, key)),
                Err(error) => {
                    tracing::warn!(dc = told.dc_id, %error, "a key of a CDN that is none was told");
                }
            }
        }
        self.options.known().cdn_keys = keys;
        Ok(())
    }
}

fn not_read(error: &actogram_tl::DecodeError) -> CallError {
    CallError::Bug(format!(
        "the datacenter's configuration cannot be read: {error}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(dc: i32, address: &str, port: u16) -> DcOption {
        DcOption {
            dc,
            address: address.parse().expect("an address"),
            port,
            media_only: false,
            tcpo_only: false,
            cdn: false,
            is_static: true,
            this_port_only: true,
            secret: None,
        }
    }

    #[test]
    fn addresses_are_tried_in_the_order_of_what_they_are_for() {
        let configured = [
            DatacenterAddress::new(2, "10.0.0.1", 443),
            DatacenterAddress::new(4, "10.0.0.4", 443),
        ];
        let told = [
            option(2, "::1", 443),
            option(2, "10.0.0.1", 443),
            DcOption {
                this_port_only: false,
                ..option(2, "10.0.0.2", 5222)
            },
            DcOption {
                media_only: true,
                ..option(2, "10.0.0.9", 443)
            },
            DcOption {
                tcpo_only: true,
                ..option(2, "10.0.0.3", 443)
            },
            DcOption {
                cdn: true,
                ..option(2, "10.0.0.8", 443)
            },
            option(5, "10.0.0.5", 443),
            DcOption {
                secret: Some(vec![0xee; 17].into()),
                ..option(2, "10.0.0.7", 443)
            },
        ];
        let of = |purpose, obfuscated| {
            let all = candidates(&configured, &told, obfuscated, 2, purpose);
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let rest = ["10.0.0.2:443", "10.0.0.2:80", "10.0.0.2:88"];
        let calls = ["10.0.0.1:443", "10.0.0.2:5222", "10.0.0.3:443", "[::1]:443"];
        assert_eq!(of(Purpose::Calls, true), [&calls[..], &rest].concat());
        let plain = ["10.0.0.1:443", "10.0.0.2:5222", "[::1]:443"];
        assert_eq!(of(Purpose::Calls, false), [&plain[..], &rest].concat());
        let files = [&["10.0.0.9:443"][..], &calls, &rest].concat();
        assert_eq!(of(Purpose::Files(1), true), files);
        assert_eq!(of(Purpose::Cdn, true), ["10.0.0.8:443"]);
    }

    #[test]
    fn what_is_no_address_is_passed_over() {
        for (host, port) in [
            ("nowhere", 443),
            ("1.2.3.4", 0),
            ("1.2.3.4", 70_000),
            ("", 1),
        ] {
            let told = types::DcOption::new(2, host.to_owned(), port);
            assert!(to_keep(&told).is_none(), "{host}:{port}");
        }
        let told = types::DcOption::new(2, "1.2.3.4".to_owned(), 443);
        assert!(to_keep(&told).is_some());
    }
}
