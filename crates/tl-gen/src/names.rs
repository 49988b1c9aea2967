//! From the names of a schema to the names of Rust.

/// Words Rust keeps for itself; a field of such a name gets a trailing underscore.
const RESERVED: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Splits at underscores and at changes of case: a run of capitals is one word, and its last
/// capital begins the next word if a small letter follows (`JSONQuery` is `JSON`, `Query`).
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut out = Vec::new();
    let mut word = String::new();
    for (i, c) in chars.iter().enumerate() {
        if *c == '_' {
            if !word.is_empty() {
                out.push(std::mem::take(&mut word));
            }
            continue;
        }
        let before = i.checked_sub(1).map(|j| chars[j]);
        let after = chars.get(i + 1);
        let starts = c.is_ascii_uppercase()
            && before.is_some_and(|b| {
                !b.is_ascii_uppercase() || after.is_some_and(|a| a.is_ascii_lowercase())
            });
        if starts && !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        word.push(c.to_ascii_lowercase());
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// `inputPeerUser` → `InputPeerUser`, `server_DH_params_ok` → `ServerDhParamsOk`.
pub fn camel(name: &str) -> String {
    let mut out = String::new();
    for word in words(name) {
        let mut chars = word.chars();
        if let Some(first) = chars.next() {
            out.push(first.to_ascii_uppercase());
            out.push_str(chars.as_str());
        }
    }
    out
}

/// `srp_B` → `srp_b`. What the tables and JSON use.
pub fn snake(name: &str) -> String {
    words(name).join("_")
}

/// A field as a Rust identifier: [`snake`], with a trailing underscore after a reserved word.
pub fn field(name: &str) -> String {
    let mut out = snake(name);
    if RESERVED.contains(&out.as_str()) {
        out.push('_');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_rust() {
        for (from, to) in [
            ("inputPeerUser", "InputPeerUser"),
            ("resPQ", "ResPq"),
            ("p_q_inner_data_dc", "PQInnerDataDc"),
            ("server_DH_params_ok", "ServerDhParamsOk"),
            ("updateBotWebhookJSONQuery", "UpdateBotWebhookJsonQuery"),
            ("getAccountTTL", "GetAccountTtl"),
            ("Client_DH_Inner_Data", "ClientDhInnerData"),
        ] {
            assert_eq!(camel(from), to);
        }
        assert_eq!(field("type"), "type_");
        assert_eq!(field("srp_B"), "srp_b");
        assert_eq!(field("M1"), "m1");
        assert_eq!(field("md5_checksum"), "md5_checksum");
    }
}
