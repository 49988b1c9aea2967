//! `help.*`: the configuration a client starts with.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::RpcResult;
use crate::model::{DatacenterAddress, KNOWN_DATACENTERS, Role, World};

/// Clients fetch the configuration again after so many seconds.
const CONFIG_LIFETIME: i32 = 3600;

fn dc_option(id: i32, address: &DatacenterAddress) -> enums::DcOption {
    let mut option = types::DcOption::new(id, address.ip.to_string(), i32::from(address.port));
    let endpoint = address.endpoint;
    option.ipv6 = address.ip.is_ipv6();
    option.media_only = endpoint.role == Role::MediaOnly;
    option.cdn = endpoint.role == Role::Cdn;
    option.tcpo_only = endpoint.tcpo_only;
    option.this_port_only = endpoint.this_port_only;
    option.static_ = endpoint.fixed;
    option.into()
}

impl World {
    /// Every address that clients are told.
    pub(crate) fn dc_options(&self) -> Vec<enums::DcOption> {
        if let Some(told) = &self.advertised {
            let all = told.iter();
            return all.map(|it| dc_option(it.endpoint.dc_id, it)).collect();
        }
        let mut ids: Vec<i32> = self
            .datacenters
            .iter()
            .map(|address| address.endpoint.dc_id)
            .chain(KNOWN_DATACENTERS)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let mut dc_options = Vec::new();
        for id in ids {
            let of = |dc_id: i32| {
                let all = self.datacenters.iter();
                all.filter(move |address| address.endpoint.dc_id == dc_id)
            };
            let serving = if of(id).next().is_some() {
                Some(id)
            } else {
                self.serving(id)
            };
            let addresses = serving.into_iter().flat_map(of);
            dc_options.extend(addresses.map(|address| dc_option(id, address)));
        }
        dc_options
    }
}

/// `help.getConfig`: every listener; those of a lone datacenter for all the numbers a client may ask for. See
/// <https://core.telegram.org/method/help.getConfig>.
pub(super) fn get_config(
    call: &mut Call<'_>,
    _: functions::help::GetConfig,
) -> RpcResult<enums::Config> {
    let world = &call.world;
    let dc_options = world.dc_options();
    let limits = &world.config.limits;
    let date = call.date();
    Ok(types::Config {
        default_p2p_contacts: true,
        preload_featured_stickers: false,
        revoke_pm_inbox: true,
        blocked_mode: false,
        force_try_ipv6: false,
        date,
        expires: date.saturating_add(CONFIG_LIFETIME),
        test_mode: false,
        this_dc: call.dc_id,
        dc_options,
        dc_txt_domain_name: String::new(),
        chat_size_max: i32::try_from(limits.chat_size).unwrap_or(i32::MAX),
        megagroup_size_max: 200_000,
        forwarded_count_max: 100,
        online_update_period_ms: 210_000,
        offline_blur_timeout_ms: 5_000,
        offline_idle_timeout_ms: 30_000,
        online_cloud_timeout_ms: 300_000,
        notify_cloud_delay_ms: 30_000,
        notify_default_delay_ms: 1_500,
        push_chat_period_ms: 60_000,
        push_chat_limit: 2,
        edit_time_limit: limits.edit_seconds,
        revoke_time_limit: i32::MAX,
        revoke_pm_time_limit: i32::MAX,
        rating_e_decay: 2_419_200,
        stickers_recent_limit: 200,
        channels_read_media_period: 604_800,
        tmp_sessions: None,
        call_receive_timeout_ms: 20_000,
        call_ring_timeout_ms: 90_000,
        call_connect_timeout_ms: 30_000,
        call_packet_timeout_ms: 10_000,
        me_url_prefix: "https://t.me/".to_owned(),
        autoupdate_url_prefix: None,
        gif_search_username: None,
        venue_search_username: None,
        img_search_username: None,
        static_maps_provider: None,
        caption_length_max: 1024,
        message_length_max: i32::try_from(limits.message_length).unwrap_or(i32::MAX),
        webfile_dc_id: call.dc_id,
        suggested_lang_code: None,
        lang_pack_version: None,
        base_lang_pack_version: None,
        reactions_default: None,
        autologin_token: None,
    }
    .into())
}

/// `help.getNearestDc`.
pub(super) fn get_nearest_dc(
    call: &mut Call<'_>,
    _: functions::help::GetNearestDc,
) -> RpcResult<enums::NearestDc> {
    Ok(types::NearestDc {
        country: "ZZ".to_owned(),
        this_dc: call.dc_id,
        nearest_dc: call.dc_id,
    }
    .into())
}

/// `help.getAppConfig`: this datacenter has no client settings to give.
pub(super) fn get_app_config(
    call: &mut Call<'_>,
    request: functions::help::GetAppConfig,
) -> RpcResult<enums::help::AppConfig> {
    const HASH: i32 = 1;
    if request.hash == HASH {
        return Ok(enums::help::AppConfig::AppConfigNotModified);
    }
    let limits = &call.world.config.limits;
    let value = [
        ("upload_max_fileparts_default", limits.upload_parts),
        ("upload_max_fileparts_premium", limits.upload_parts_premium),
    ];
    let value = value.map(|(key, value)| {
        let value = types::JsonNumber {
            value: f64::from(value),
        };
        types::JsonObjectValue {
            key: key.to_owned(),
            value: value.into(),
        }
        .into()
    });
    let value = value.to_vec();
    Ok(types::help::AppConfig {
        hash: HASH,
        config: types::JsonObject { value }.into(),
    }
    .into())
}

/// `help.getTermsOfServiceUpdate`: there are no terms.
pub(super) fn get_terms_of_service_update(
    call: &mut Call<'_>,
    _: functions::help::GetTermsOfServiceUpdate,
) -> RpcResult<enums::help::TermsOfServiceUpdate> {
    Ok(types::help::TermsOfServiceUpdateEmpty {
        expires: call.date().saturating_add(CONFIG_LIFETIME),
    }
    .into())
}

/// `help.getCountriesList`: no country has a telephone network here.
pub(super) fn get_countries_list(
    _: &mut Call<'_>,
    _: functions::help::GetCountriesList,
) -> RpcResult<enums::help::CountriesList> {
    Ok(types::help::CountriesList {
        countries: Vec::new(),
        hash: 0,
    }
    .into())
}

/// `help.getCdnConfig`: the keys that CDNs offer, and nobody else.
pub(super) fn get_cdn_config(
    call: &mut Call<'_>,
    _: functions::help::GetCdnConfig,
) -> RpcResult<enums::CdnConfig> {
    let keys = call.world.cdn.keys.iter().map(|(dc_id, pem)| {
        types::CdnPublicKey {
            dc_id: *dc_id,
            public_key: pem.clone(),
        }
        .into()
    });
    Ok(types::CdnConfig {
        public_keys: keys.collect(),
    }
    .into())
}

/// `help.saveAppLog`: written to the log of the datacenter.
pub(super) fn save_app_log(
    _: &mut Call<'_>,
    request: functions::help::SaveAppLog,
) -> RpcResult<bool> {
    tracing::debug!(events = request.events.len(), "help.saveAppLog");
    Ok(true)
}

/// `help.getPromoData`: nothing is promoted.
pub(super) fn get_promo_data(
    call: &mut Call<'_>,
    _: functions::help::GetPromoData,
) -> RpcResult<enums::help::PromoData> {
    Ok(types::help::PromoDataEmpty {
        expires: call.date().saturating_add(CONFIG_LIFETIME),
    }
    .into())
}
