//! Who may call a method, which errors are documented for it, and what a second execution would do.

use std::collections::HashMap;

use crate::parse::{Definition, FieldType};

/// Facts about one method.
#[derive(Clone, Debug, Default)]
pub struct Method {
    /// `both`, `users`, `bots` or `unknown`.
    pub who: String,
    /// Code and name; a number inside a name is written `%d`.
    pub errors: Vec<(i32, String)>,
}

/// Reads `methods.tsv`: method, who may call, `code:NAME,…`.
///
/// # Errors
/// The first line that is not of this form.
pub fn parse(text: &str) -> Result<HashMap<String, Method>, String> {
    let mut out = HashMap::new();
    for line in text
        .lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty())
    {
        let bad = || format!("methods.tsv: expected three columns in `{line}`");
        let mut columns = line.split('\t');
        let (Some(name), Some(who), Some(errors)) =
            (columns.next(), columns.next(), columns.next())
        else {
            return Err(bad());
        };
        let errors = errors
            .split(',')
            .filter(|e| !e.is_empty())
            .map(|e| {
                let (code, name) = e.split_once(':')?;
                Some((code.parse().ok()?, name.to_owned()))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(bad)?;
        out.insert(
            name.to_owned(),
            Method {
                who: who.to_owned(),
                errors,
            },
        );
    }
    Ok(out)
}

/// Verbs whose methods only look.
const LOOKING: &[&str] = &["get", "check", "search", "resolve", "can"];

/// Methods with such a verb that do more than look: a second execution is seen by somebody, moves
/// a counter or spends something.
const NOT_LOOKING: &[&str] = &[
    "account.getTmpPassword",
    "auth.checkPassword",
    "messages.getBotCallbackAnswer",
    "messages.getInlineBotResults",
    "messages.getMessagesViews",
    "phone.getGroupCallStreamRtmpUrl",
    "auth.checkPaidAuth",
    "channels.searchPosts",
    "ephemeral.getCallbackAnswer",
    "messages.checkUrlAuthMatchCode",
];

/// Methods that leave the same state however often they are executed.
const IDEMPOTENT: &[&str] = &[
    "account.updateDeviceLocked",
    "account.updateNotifySettings",
    "account.updateStatus",
    "channels.readHistory",
    "channels.readMessageContents",
    "contacts.block",
    "contacts.unblock",
    "messages.clearAllDrafts",
    "messages.markDialogUnread",
    "messages.readDiscussion",
    "messages.readEncryptedHistory",
    "messages.readHistory",
    "messages.readMentions",
    "messages.readMessageContents",
    "messages.readReactions",
    "messages.receivedMessages",
    "messages.saveDraft",
    "messages.setEncryptedTyping",
    "messages.setTyping",
    "messages.toggleDialogPin",
    "account.registerDevice",
    "bots.setBotCommands",
    "bots.resetBotCommands",
    "bots.setBotMenuButton",
    "stories.readStories",
    "upload.saveBigFilePart",
    "upload.saveFilePart",
];

/// The class of `tables::ResendClass` a method falls in, as its Rust name.
pub fn resend_class(def: &Definition) -> &'static str {
    let name = def.name.to_string();
    let has_random_id = def.fields.iter().any(|f| {
        matches!(&f.ty, FieldType::Value { ty, .. }
            if f.name == "random_id" && matches!(ty.to_string().as_str(), "long" | "Vector<long>"))
    });
    if has_random_id {
        return "RandomId";
    }
    if IDEMPOTENT.contains(&name.as_str()) {
        return "Idempotent";
    }
    let verb = LOOKING.iter().any(|v| {
        def.name.ident.strip_prefix(v).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_uppercase())
        })
    });
    if verb && !NOT_LOOKING.contains(&name.as_str()) {
        "Read"
    } else {
        "NotIdempotent"
    }
}
