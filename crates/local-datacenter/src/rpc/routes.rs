//! Which function executes which method.

use actogram_tl as tl;
use bytes::Bytes;
use tl::{Function, functions};

use super::call::Call;
use super::dispatch::answer;
use super::errors::RpcResult;
use super::{
    account, auth, bots, cdn, channels, contacts, help, langpack, messages, migration, password,
    stats, takeout, temporary_keys, updates, uploads, users,
};

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    Everybody,
    Users,
    Bots,
}

/// Who may call the method, as documented.
pub(super) fn availability(id: u32) -> Availability {
    match tl::tables::function_by_id(id).map(|info| info.availability) {
        Some(tl::tables::Availability::Users) => Availability::Users,
        Some(tl::tables::Availability::Bots) => Availability::Bots,
        _ => Availability::Everybody,
    }
}

macro_rules! routes {
    ($($namespace:ident :: $method:ident => $function:path,)+) => {
        /// Executes a method; nothing if it is not built.
        pub(super) fn route(
            call: &mut Call<'_>,
            id: u32,
            query: Bytes,
            layer: i32,
        ) -> Option<RpcResult<Bytes>> {
            Some(match id {
                $(functions::$namespace::$method::ID => {
                    answer::<functions::$namespace::$method>(call, query, layer, $function)
                })+
                _ => return None,
            })
        }

        /// Names of the methods that are built, as in the schema.
        pub const BUILT: &[&str] = &[$(functions::$namespace::$method::NAME),+];
    };
}

routes! {
    account::CheckUsername => account::check_username,
    account::FinishTakeoutSession => takeout::finish_takeout_session,
    account::GetAuthorizations => account::get_authorizations,
    account::GetContentSettings => account::get_content_settings,
    account::GetNotifySettings => account::get_notify_settings,
    account::GetPassword => password::get_password,
    account::InitTakeoutSession => takeout::init_takeout_session,
    account::ResetAuthorization => account::reset_authorization,
    account::UpdatePasswordSettings => password::update_password_settings,
    account::UpdateProfile => account::update_profile,
    account::UpdateStatus => account::update_status,
    account::UpdateUsername => account::update_username,
    auth::BindTempAuthKey => temporary_keys::bind_temp_auth_key,
    auth::CancelCode => auth::cancel_code,
    auth::CheckPassword => auth::check_password,
    auth::DropTempAuthKeys => temporary_keys::drop_temp_auth_keys,
    auth::ExportAuthorization => migration::export_authorization,
    auth::ImportAuthorization => migration::import_authorization,
    auth::ImportBotAuthorization => auth::import_bot_authorization,
    auth::LogOut => auth::log_out,
    auth::ResendCode => auth::resend_code,
    auth::ResetAuthorizations => auth::reset_authorizations,
    auth::SendCode => auth::send_code,
    auth::SignIn => auth::sign_in,
    auth::SignUp => auth::sign_up,
    bots::GetBotCommands => bots::get_bot_commands,
    bots::ResetBotCommands => bots::reset_bot_commands,
    bots::SetBotCommands => bots::set_bot_commands,
    channels::CheckUsername => channels::manage::check_username,
    channels::CreateChannel => channels::manage::create_channel,
    channels::DeleteChannel => channels::manage::delete_channel,
    channels::DeleteMessages => channels::messages::delete_messages,
    channels::EditAdmin => channels::rights::edit_admin,
    channels::EditBanned => channels::rights::edit_banned,
    channels::EditTitle => channels::manage::edit_title,
    channels::GetChannels => channels::manage::get_channels,
    channels::GetFullChannel => channels::manage::get_full_channel,
    channels::GetMessages => channels::messages::get_messages,
    channels::GetParticipant => channels::members::get_participant,
    channels::GetParticipants => channels::members::get_participants,
    channels::InviteToChannel => channels::members::invite_to_channel,
    channels::JoinChannel => channels::members::join_channel,
    channels::LeaveChannel => channels::members::leave_channel,
    channels::ReadHistory => channels::messages::read_history,
    channels::ReadMessageContents => channels::messages::read_message_contents,
    channels::UpdateUsername => channels::manage::update_username,
    contacts::AddContact => contacts::add_contact,
    contacts::DeleteContacts => contacts::delete_contacts,
    contacts::GetContacts => contacts::get_contacts,
    contacts::ImportContacts => contacts::import_contacts,
    contacts::ResolvePhone => contacts::resolve_phone,
    contacts::ResolveUsername => contacts::resolve_username,
    contacts::Search => contacts::search,
    help::GetAppConfig => help::get_app_config,
    help::GetCdnConfig => help::get_cdn_config,
    help::GetConfig => help::get_config,
    help::GetCountriesList => help::get_countries_list,
    help::GetNearestDc => help::get_nearest_dc,
    help::GetPromoData => help::get_promo_data,
    help::GetTermsOfServiceUpdate => help::get_terms_of_service_update,
    help::SaveAppLog => help::save_app_log,
    langpack::GetDifference => langpack::get_difference,
    langpack::GetLangPack => langpack::get_lang_pack,
    langpack::GetLanguages => langpack::get_languages,
    langpack::GetStrings => langpack::get_strings,
    messages::AddChatUser => messages::groups::add_chat_user,
    messages::CheckChatInvite => messages::invites::check_chat_invite,
    messages::CreateChat => messages::groups::create_chat,
    messages::DeleteChatUser => messages::groups::delete_chat_user,
    messages::DeleteHistory => messages::change::delete_history,
    messages::DeleteMessages => messages::change::delete_messages,
    messages::EditChatAbout => messages::groups::edit_chat_about,
    messages::EditChatAdmin => messages::groups::edit_chat_admin,
    messages::EditChatTitle => messages::groups::edit_chat_title,
    messages::EditMessage => messages::change::edit_message,
    messages::ExportChatInvite => messages::invites::export_chat_invite,
    messages::ForwardMessages => messages::send::forward_messages,
    messages::GetAllDrafts => messages::dialogs::get_all_drafts,
    messages::GetBotCallbackAnswer => messages::callback::get_bot_callback_answer,
    messages::GetChats => messages::groups::get_chats,
    messages::GetCommonChats => messages::groups::get_common_chats,
    messages::GetDialogFilters => messages::dialogs::get_dialog_filters,
    messages::GetDialogs => messages::dialogs::get_dialogs,
    messages::GetFullChat => messages::groups::get_full_chat,
    messages::GetHistory => messages::history::get_history,
    messages::GetInlineBotResults => messages::inline::get_inline_bot_results,
    messages::GetMessages => messages::history::get_messages,
    messages::GetMessagesReactions => messages::reactions::get_messages_reactions,
    messages::GetPeerDialogs => messages::dialogs::get_peer_dialogs,
    messages::GetPinnedDialogs => messages::dialogs::get_pinned_dialogs,
    messages::ImportChatInvite => messages::invites::import_chat_invite,
    messages::ReadHistory => messages::read::read_history,
    messages::ReadMessageContents => messages::read::read_message_contents,
    messages::ReceivedMessages => messages::read::received_messages,
    messages::SaveDraft => messages::dialogs::save_draft,
    messages::Search => messages::history::search,
    messages::SendInlineBotResult => messages::inline::send_inline_bot_result,
    messages::SendMedia => messages::media::send_media,
    messages::SendMessage => messages::send::send_message,
    messages::SendMultiMedia => messages::album::send_multi_media,
    messages::SendReaction => messages::reactions::send_reaction,
    messages::SetBotCallbackAnswer => messages::callback::set_bot_callback_answer,
    messages::SetInlineBotResults => messages::inline::set_inline_bot_results,
    messages::SetTyping => messages::read::set_typing,
    messages::StartBot => messages::send::start_bot,
    messages::UpdatePinnedMessage => messages::pins::update_pinned_message,
    messages::UploadMedia => messages::media::upload_media,
    stats::GetBroadcastStats => stats::get_broadcast_stats,
    updates::GetChannelDifference => channels::difference::get_channel_difference,
    updates::GetDifference => updates::get_difference,
    updates::GetState => updates::get_state,
    upload::GetCdnFile => cdn::get_cdn_file,
    upload::GetCdnFileHashes => cdn::get_cdn_file_hashes,
    upload::GetFile => uploads::get_file,
    upload::GetFileHashes => uploads::get_file_hashes,
    upload::ReuploadCdnFile => cdn::reupload_cdn_file,
    upload::SaveBigFilePart => uploads::save_big_file_part,
    upload::SaveFilePart => uploads::save_file_part,
    users::GetFullUser => users::get_full_user,
    users::GetUsers => users::get_users,
}
