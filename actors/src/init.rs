//! What the datacenter is told about this program before the first call of a session.

use actogram_tl::{self as tl, Encode as _, RawQuery, functions};
use bytes::Bytes;

/// The parameters of `initConnection` (<https://core.telegram.org/method/initConnection>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitConnection {
    /// The application's number.
    pub api_id: i32,
    /// The device, shown in the list of sessions.
    pub device_model: String,
    /// The operating system, shown there too.
    pub system_version: String,
    /// The application's version, shown there too.
    pub app_version: String,
    /// The system's language, ISO 639-1.
    pub system_lang_code: String,
    /// The language pack; empty for programs that have none.
    pub lang_pack: String,
    /// The language of the program, ISO 639-1.
    pub lang_code: String,
}

impl InitConnection {
    /// This application, on this system, in English.
    pub fn new(api_id: i32) -> Self {
        Self {
            api_id,
            device_model: "actogram".to_owned(),
            system_version: std::env::consts::OS.to_owned(),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            system_lang_code: "en".to_owned(),
            lang_pack: String::new(),
            lang_code: "en".to_owned(),
        }
    }

    /// What is told to those who need to know nothing (<https://core.telegram.org/cdn>).
    pub(crate) fn anonymous(&self) -> Self {
        let nothing = || "n/a".to_owned();
        Self {
            api_id: self.api_id,
            device_model: nothing(),
            system_version: nothing(),
            app_version: nothing(),
            system_lang_code: "en".to_owned(),
            lang_pack: String::new(),
            lang_code: "en".to_owned(),
        }
    }

    /// `invokeWithLayer` around `initConnection`, encoded up to the query.
    pub(crate) fn prefix(&self) -> Bytes {
        let init = functions::InitConnection {
            api_id: self.api_id,
            device_model: self.device_model.clone(),
            system_version: self.system_version.clone(),
            app_version: self.app_version.clone(),
            system_lang_code: self.system_lang_code.clone(),
            lang_pack: self.lang_pack.clone(),
            lang_code: self.lang_code.clone(),
            proxy: None,
            params: None,
            query: RawQuery(Bytes::new()),
        };
        functions::InvokeWithLayer {
            layer: tl::LAYER,
            query: RawQuery(init.to_bytes()),
        }
        .to_bytes()
    }
}
