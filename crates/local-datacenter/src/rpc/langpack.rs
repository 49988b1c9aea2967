//! `langpack.*`: there is one version of every pack, and it has no strings.

use actogram_tl as tl;
use tl::{enums, functions, types};

use super::call::Call;
use super::errors::{RpcResult, bad};

const VERSION: i32 = 1;

fn empty(lang_code: String, from_version: i32) -> enums::LangPackDifference {
    types::LangPackDifference {
        lang_code,
        from_version,
        version: VERSION,
        strings: Vec::new(),
    }
    .into()
}

/// `langpack.getLangPack`.
pub(super) fn get_lang_pack(
    _: &mut Call<'_>,
    request: functions::langpack::GetLangPack,
) -> RpcResult<enums::LangPackDifference> {
    if request.lang_code.is_empty() {
        return Err(bad("LANG_CODE_NOT_SUPPORTED"));
    }
    Ok(empty(request.lang_code, 0))
}

/// `langpack.getDifference`.
pub(super) fn get_difference(
    _: &mut Call<'_>,
    request: functions::langpack::GetDifference,
) -> RpcResult<enums::LangPackDifference> {
    if request.lang_code.is_empty() {
        return Err(bad("LANG_CODE_NOT_SUPPORTED"));
    }
    Ok(empty(request.lang_code, request.from_version))
}

/// `langpack.getStrings`: strings that are not in the pack are reported as deleted.
pub(super) fn get_strings(
    _: &mut Call<'_>,
    request: functions::langpack::GetStrings,
) -> RpcResult<Vec<enums::LangPackString>> {
    Ok(request
        .keys
        .into_iter()
        .map(|key| types::LangPackStringDeleted { key }.into())
        .collect())
}

/// `langpack.getLanguages`.
pub(super) fn get_languages(
    _: &mut Call<'_>,
    _: functions::langpack::GetLanguages,
) -> RpcResult<Vec<enums::LangPackLanguage>> {
    Ok(Vec::new())
}
