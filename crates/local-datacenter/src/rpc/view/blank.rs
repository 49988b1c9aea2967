//! Wide constructors with every optional field left out, to be filled by the caller.

use actogram_tl::{enums, types};
use bytes::Bytes;

/// `user`.
pub(crate) fn user(id: i64) -> types::User {
    types::User {
        self_: false,
        contact: false,
        mutual_contact: false,
        deleted: false,
        bot: false,
        bot_chat_history: false,
        bot_nochats: false,
        verified: false,
        restricted: false,
        min: false,
        bot_inline_geo: false,
        support: false,
        scam: false,
        apply_min_photo: false,
        fake: false,
        bot_attach_menu: false,
        premium: false,
        attach_menu_enabled: false,
        bot_can_edit: false,
        close_friend: false,
        stories_hidden: false,
        stories_unavailable: false,
        contact_require_premium: false,
        bot_business: false,
        bot_has_main_app: false,
        bot_forum_view: false,
        bot_forum_can_manage_topics: false,
        bot_can_manage_bots: false,
        bot_guestchat: false,
        bot_guard: false,
        id,
        access_hash: None,
        first_name: None,
        last_name: None,
        username: None,
        phone: None,
        photo: None,
        status: None,
        bot_info_version: None,
        restriction_reason: None,
        bot_inline_placeholder: None,
        lang_code: None,
        emoji_status: None,
        usernames: None,
        stories_max_id: None,
        color: None,
        profile_color: None,
        bot_active_users: None,
        bot_verification_icon: None,
        send_paid_messages_stars: None,
        linked_community_id: None,
    }
}

/// `userFull`.
pub(crate) fn user_full(
    id: i64,
    settings: enums::PeerSettings,
    notify_settings: enums::PeerNotifySettings,
    common_chats_count: i32,
) -> types::UserFull {
    types::UserFull {
        blocked: false,
        phone_calls_available: false,
        phone_calls_private: false,
        can_pin_message: false,
        has_scheduled: false,
        video_calls_available: false,
        voice_messages_forbidden: false,
        translations_disabled: false,
        stories_pinned_available: false,
        blocked_my_stories_from: false,
        wallpaper_overridden: false,
        contact_require_premium: false,
        read_dates_private: false,
        sponsored_enabled: false,
        can_view_revenue: false,
        bot_can_manage_emoji_status: false,
        display_gifts_button: false,
        noforwards_my_enabled: false,
        noforwards_peer_enabled: false,
        unofficial_security_risk: false,
        id,
        about: None,
        settings,
        personal_photo: None,
        profile_photo: None,
        fallback_photo: None,
        notify_settings,
        bot_info: None,
        pinned_msg_id: None,
        common_chats_count,
        folder_id: None,
        ttl_period: None,
        theme: None,
        private_forward_name: None,
        bot_group_admin_rights: None,
        bot_broadcast_admin_rights: None,
        wallpaper: None,
        stories: None,
        business_work_hours: None,
        business_location: None,
        business_greeting_message: None,
        business_away_message: None,
        business_intro: None,
        birthday: None,
        personal_channel_id: None,
        personal_channel_message: None,
        stargifts_count: None,
        starref_program: None,
        bot_verification: None,
        send_paid_messages_stars: None,
        disallowed_gifts: None,
        stars_rating: None,
        stars_my_pending_rating: None,
        stars_my_pending_rating_date: None,
        main_tab: None,
        saved_music: None,
        note: None,
        bot_manager_id: None,
    }
}

/// `message`.
pub(crate) fn message(id: i32, peer_id: enums::Peer, date: i32, message: String) -> types::Message {
    types::Message {
        out: false,
        mentioned: false,
        media_unread: false,
        silent: false,
        post: false,
        from_scheduled: false,
        legacy: false,
        edit_hide: false,
        pinned: false,
        noforwards: false,
        invert_media: false,
        offline: false,
        video_processing_pending: false,
        paid_suggested_post_stars: false,
        paid_suggested_post_ton: false,
        id,
        from_id: None,
        from_boosts_applied: None,
        from_rank: None,
        peer_id,
        saved_peer_id: None,
        fwd_from: None,
        via_bot_id: None,
        via_business_bot_id: None,
        guestchat_via_from: None,
        reply_to: None,
        date,
        message,
        media: None,
        reply_markup: None,
        entities: None,
        views: None,
        forwards: None,
        replies: None,
        edit_date: None,
        post_author: None,
        grouped_id: None,
        reactions: None,
        restriction_reason: None,
        ttl_period: None,
        quick_reply_shortcut_id: None,
        effect: None,
        factcheck: None,
        report_delivery_until_date: None,
        paid_message_stars: None,
        suggested_post: None,
        schedule_repeat_period: None,
        summary_from_language: None,
        rich_message: None,
    }
}

/// `messageService`.
pub(crate) fn service_message(
    id: i32,
    peer_id: enums::Peer,
    date: i32,
    action: enums::MessageAction,
) -> types::MessageService {
    types::MessageService {
        out: false,
        mentioned: false,
        media_unread: false,
        reactions_are_possible: false,
        silent: false,
        post: false,
        legacy: false,
        id,
        from_id: None,
        peer_id,
        saved_peer_id: None,
        reply_to: None,
        date,
        action,
        reactions: None,
        ttl_period: None,
    }
}

/// `chat`.
pub(crate) fn chat(
    id: i64,
    title: String,
    photo: enums::ChatPhoto,
    participants_count: i32,
    date: i32,
    version: i32,
) -> types::Chat {
    types::Chat {
        creator: false,
        left: false,
        deactivated: false,
        call_active: false,
        call_not_empty: false,
        noforwards: false,
        id,
        title,
        photo,
        participants_count,
        date,
        version,
        migrated_to: None,
        admin_rights: None,
        default_banned_rights: None,
    }
}

/// `chatFull`.
pub(crate) fn chat_full(
    id: i64,
    about: String,
    participants: enums::ChatParticipants,
    notify_settings: enums::PeerNotifySettings,
) -> types::ChatFull {
    types::ChatFull {
        can_set_username: false,
        has_scheduled: false,
        translations_disabled: false,
        has_welcome_messages: false,
        id,
        about,
        participants,
        chat_photo: None,
        notify_settings,
        exported_invite: None,
        bot_info: None,
        pinned_msg_id: None,
        folder_id: None,
        call: None,
        ttl_period: None,
        groupcall_default_join_as: None,
        theme_emoticon: None,
        requests_pending: None,
        recent_requesters: None,
        available_reactions: None,
        reactions_limit: None,
    }
}

/// `peerSettings`.
pub(crate) fn peer_settings() -> types::PeerSettings {
    types::PeerSettings {
        report_spam: false,
        add_contact: false,
        block_contact: false,
        share_contact: false,
        need_contacts_exception: false,
        report_geo: false,
        autoarchived: false,
        invite_members: false,
        request_chat_broadcast: false,
        business_bot_paused: false,
        business_bot_can_reply: false,
        geo_distance: None,
        request_chat_title: None,
        request_chat_date: None,
        business_bot_id: None,
        business_bot_manage_url: None,
        charge_paid_message_stars: None,
        registration_month: None,
        phone_country: None,
        name_change_date: None,
        photo_change_date: None,
    }
}

/// `peerNotifySettings`.
pub(crate) fn peer_notify_settings() -> types::PeerNotifySettings {
    types::PeerNotifySettings {
        show_previews: None,
        silent: None,
        mute_until: None,
        ios_sound: None,
        android_sound: None,
        other_sound: None,
        stories_muted: None,
        stories_hide_sender: None,
        stories_ios_sound: None,
        stories_android_sound: None,
        stories_other_sound: None,
    }
}

/// `messageFwdHeader`.
pub(crate) fn forward_header(date: i32) -> types::MessageFwdHeader {
    types::MessageFwdHeader {
        imported: false,
        saved_out: false,
        from_id: None,
        from_name: None,
        date,
        channel_post: None,
        post_author: None,
        saved_from_peer: None,
        saved_from_msg_id: None,
        saved_from_id: None,
        saved_from_name: None,
        saved_date: None,
        psa_type: None,
    }
}

/// `messageReplyHeader`.
pub(crate) fn reply_header() -> types::MessageReplyHeader {
    types::MessageReplyHeader {
        reply_to_scheduled: false,
        forum_topic: false,
        quote: false,
        reply_to_ephemeral: false,
        reply_to_msg_id: None,
        reply_to_peer_id: None,
        reply_from: None,
        reply_media: None,
        reply_to_top_id: None,
        quote_text: None,
        quote_entities: None,
        quote_offset: None,
        todo_item_id: None,
        poll_option: None,
    }
}

/// `draftMessage`.
pub(crate) fn draft(message: String, date: i32) -> types::DraftMessage {
    types::DraftMessage {
        no_webpage: false,
        invert_media: false,
        reply_to: None,
        message,
        entities: None,
        media: None,
        date,
        effect: None,
        suggested_post: None,
        rich_message: None,
    }
}

/// `botInfo`.
pub(crate) fn bot_info() -> types::BotInfo {
    types::BotInfo {
        has_preview_medias: false,
        user_id: None,
        description: None,
        description_photo: None,
        description_document: None,
        commands: None,
        menu_button: None,
        privacy_policy_url: None,
        app_settings: None,
        verifier_settings: None,
    }
}

/// `dcOption`.
pub(crate) fn dc_option(id: i32, ip_address: String, port: i32) -> types::DcOption {
    types::DcOption {
        ipv6: false,
        media_only: false,
        tcpo_only: false,
        cdn: false,
        static_: false,
        this_port_only: false,
        id,
        ip_address,
        port,
        secret: None,
    }
}

/// `updateShortMessage`.
pub(crate) fn short_message(
    id: i32,
    user_id: i64,
    message: String,
    pts: i32,
    pts_count: i32,
    date: i32,
) -> types::UpdateShortMessage {
    types::UpdateShortMessage {
        out: false,
        mentioned: false,
        media_unread: false,
        silent: false,
        id,
        user_id,
        message,
        pts,
        pts_count,
        date,
        fwd_from: None,
        via_bot_id: None,
        reply_to: None,
        entities: None,
        ttl_period: None,
    }
}

/// `updateShortChatMessage`.
pub(crate) fn short_chat_message(
    id: i32,
    from_id: i64,
    chat_id: i64,
    message: String,
    pts: i32,
    pts_count: i32,
    date: i32,
) -> types::UpdateShortChatMessage {
    types::UpdateShortChatMessage {
        out: false,
        mentioned: false,
        media_unread: false,
        silent: false,
        id,
        from_id,
        chat_id,
        message,
        pts,
        pts_count,
        date,
        fwd_from: None,
        via_bot_id: None,
        reply_to: None,
        entities: None,
        ttl_period: None,
    }
}

/// `updateShortSentMessage`.
pub(crate) fn short_sent_message(
    id: i32,
    pts: i32,
    pts_count: i32,
    date: i32,
) -> types::UpdateShortSentMessage {
    types::UpdateShortSentMessage {
        out: false,
        id,
        pts,
        pts_count,
        date,
        media: None,
        entities: None,
        ttl_period: None,
    }
}

/// `account.password`.
pub(crate) fn password(
    new_algo: enums::PasswordKdfAlgo,
    new_secure_algo: enums::SecurePasswordKdfAlgo,
    secure_random: Bytes,
) -> types::account::Password {
    types::account::Password {
        has_recovery: false,
        has_secure_values: false,
        has_password: false,
        current_algo: None,
        srp_b: None,
        srp_id: None,
        hint: None,
        email_unconfirmed_pattern: None,
        new_algo,
        new_secure_algo,
        secure_random,
        pending_reset_date: None,
        login_email_pattern: None,
    }
}

/// `messages.messagesSlice`.
pub(crate) fn messages_slice(
    count: i32,
    messages: Vec<enums::Message>,
    topics: Vec<enums::ForumTopic>,
    chats: Vec<enums::Chat>,
    users: Vec<enums::User>,
) -> types::messages::MessagesSlice {
    types::messages::MessagesSlice {
        inexact: false,
        count,
        next_rate: None,
        offset_id_offset: None,
        search_flood: None,
        messages,
        topics,
        chats,
        users,
    }
}

/// `auth.authorization`.
pub(crate) fn login(user: enums::User) -> types::auth::Authorization {
    types::auth::Authorization {
        setup_password_required: false,
        otherwise_relogin_days: None,
        tmp_sessions: None,
        future_auth_token: None,
        user,
    }
}

/// `chatBannedRights`.
pub(crate) fn banned_rights(until_date: i32) -> types::ChatBannedRights {
    types::ChatBannedRights {
        view_messages: false,
        send_messages: false,
        send_media: false,
        send_stickers: false,
        send_gifs: false,
        send_games: false,
        send_inline: false,
        embed_links: false,
        send_polls: false,
        change_info: false,
        invite_users: false,
        pin_messages: false,
        manage_topics: false,
        send_photos: false,
        send_videos: false,
        send_roundvideos: false,
        send_audios: false,
        send_voices: false,
        send_docs: false,
        send_plain: false,
        edit_rank: false,
        send_reactions: false,
        manage_linked_peers: false,
        until_date,
    }
}
