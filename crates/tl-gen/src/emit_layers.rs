//! Writes how definitions of older layers map to the current ones.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::emit::{get, read_field, word_variable};
use crate::names::field;
use crate::parse::{Field, FieldType, Name, Type};
use crate::schema::{Meaning, Older, Schema};

/// Older forms of one constructor that code by hand translates (`crate::layers::custom`), because
/// the difference is more than fields that came, went or became optional.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Custom {
    /// The current constructor.
    name: &'static str,
    /// End of the names of the two functions: `decode_…` and `encode_…`.
    pub(crate) hook: &'static str,
    /// Their last layer.
    pub(crate) until: i32,
    /// Their ids.
    pub(crate) ids: &'static [u32],
}

const CUSTOM: &[Custom] = &[
    Custom {
        name: "replyInlineMarkup",
        hook: "reply_inline_markup",
        until: 228,
        ids: &[0x48a3_0254],
    },
    Custom {
        name: "keyboardButton",
        hook: "keyboard_button",
        until: 228,
        ids: &[
            0x7d17_0cff,
            0xd80c_25ec,
            0xe62b_c960,
            0x417e_fd8f,
            0xaa40_f94d,
            0x9913_99fc,
            0x89c5_90f9,
            0x3fa5_3905,
            0xf510_06f9,
            0x6801_3e72,
            0x7a11_d782,
            0x7d5e_07c7,
            0xc0fd_5d09,
            0xe846_b1a0,
            0xe15c_4370,
            0x5b0f_15f5,
            0x02b7_8156,
            0xbcc4_af10,
        ],
    },
    Custom {
        name: "messages.chatInviteJoinResultWebView",
        hook: "chat_invite_join_result_web_view",
        until: 227,
        ids: &[0x2f51_c337],
    },
];

/// The translation by hand of a constructor, if it has one.
pub(crate) fn custom(s: &Schema, constructor: usize) -> Option<&'static Custom> {
    if s.older.is_empty() {
        return None;
    }
    let name = s.constructors[constructor].name.to_string();
    CUSTOM.iter().find(|c| c.name == name)
}

/// Older forms of a constructor that are translated field by field, oldest first.
pub(crate) fn versions(s: &Schema, constructor: usize) -> Vec<&Older> {
    if custom(s, constructor).is_some() {
        return Vec::new();
    }
    let mut out: Vec<_> = s
        .older
        .iter()
        .filter(|o| o.now == Some(constructor))
        .collect();
    out.sort_by_key(|o| o.until);
    out
}

/// All translations.
///
/// # Errors
/// A difference neither the rules nor [`CUSTOM`] cover.
pub(crate) fn emit(s: &Schema) -> Result<String, String> {
    let mut out = "use crate::generated_prelude::*;\n".to_owned();
    for o in &s.older {
        match o.now {
            Some(c) if custom(s, c).is_none() => {
                let path = s.struct_path(c);
                let new = &s.constructors[c].fields;
                let what = || format!("layer {}: {}", o.until, o.def.name);
                decode(&mut out, s, o, new, &path, "").map_err(|e| format!("{}: {e}", what()))?;
                encode(&mut out, s, o, new, &path).map_err(|e| format!("{}: {e}", what()))?;
            }
            _ if CUSTOM.iter().any(|c| c.ids.contains(&o.def.id)) => {}
            _ => return Err(format!("layer {}: {} became nothing", o.until, o.def.name)),
        }
    }
    for o in &s.older_functions {
        let Some(f) = o.now else {
            return Err(format!("layer {}: {} became nothing", o.until, o.def.name));
        };
        let path = s.function_path(f);
        decode(
            &mut out,
            s,
            o,
            &s.functions[f].fields,
            &path,
            "#[cfg(feature = \"functions-decode\")]\n",
        )
        .map_err(|e| format!("layer {}: {}: {e}", o.until, o.def.name))?;
    }
    Ok(out)
}

fn value_of(f: &Field) -> Option<(Option<&(String, u8)>, &Type)> {
    match &f.ty {
        FieldType::Flags => None,
        FieldType::Value { condition, ty } => Some((condition.as_ref(), ty)),
    }
}

fn default(s: &Schema, ty: &Type) -> Option<String> {
    Some(match s.meaning(ty) {
        Meaning::Int | Meaning::Long => "0".into(),
        Meaning::Double => "0.0".into(),
        Meaning::String | Meaning::Bytes | Meaning::Vector => "Default::default()".into(),
        Meaning::Bool => "false".into(),
        Meaning::Boxed(_) if ty.to_string() == "Peer" => "crate::layers::custom::no_peer()".into(),
        _ => return None,
    })
}

/// Wraps, unwraps or converts a value between the old and the new form of a field.
fn convert(
    s: &Schema,
    value: &str,
    from: (bool, &Type),
    to: (bool, &Type),
) -> Result<String, String> {
    let text =
        |t: &Type| matches!(t, Type::Named(Name { namespace: None, ident }) if ident == "string");
    let rich = |t: &Type| t.to_string() == "TextWithEntities";
    let map = if from.1 == to.1 {
        None
    } else if text(from.1) && rich(to.1) {
        Some("crate::layers::custom::text_with_entities")
    } else if rich(from.1) && text(to.1) {
        Some("crate::layers::custom::plain_text")
    } else {
        return Err(format!("no rule from {} to {}", from.1, to.1));
    };
    let mapped = |v: &str| match map {
        Some(f) => format!("{f}({v})"),
        None => v.to_owned(),
    };
    Ok(match (from.0, to.0) {
        (false, false) => mapped(value),
        (false, true) => format!("Some({})", mapped(value)),
        (true, true) => match map {
            Some(f) => format!("{value}.map({f})"),
            None => value.to_owned(),
        },
        (true, false) => {
            let fallback =
                default(s, from.1).ok_or_else(|| format!("no default for {}", from.1))?;
            mapped(&format!("{value}.unwrap_or_else(|| {fallback})"))
        }
    })
}

fn decode(
    out: &mut String,
    s: &Schema,
    o: &Older,
    new: &[Field],
    path: &str,
    attribute: &str,
) -> Result<(), String> {
    let _ = writeln!(
        out,
        "{attribute}pub(crate) fn decode_{:08x}(r: &mut Reader) -> Result<{path}, DecodeError> {{",
        o.def.id
    );
    let by_name: HashMap<&str, &Field> =
        o.def.fields.iter().map(|f| (f.name.as_str(), f)).collect();
    for f in &o.def.fields {
        match value_of(f) {
            None => {
                let _ = writeln!(out, "let {} = r.get_u32()?;", word_variable(&f.name));
            }
            Some((condition, ty)) => {
                let rust = s.rust_type(ty);
                let (kept, rust) = match (condition, s.meaning(ty)) {
                    (Some(_), Meaning::True) => ("bool".to_owned(), rust),
                    (Some(_), _) => (format!("Option<{rust}>"), rust),
                    (None, _) => (rust.clone(), rust),
                };
                let _ = rust;
                let read = if condition.is_none() {
                    get(s, ty).to_owned()
                } else {
                    read_field(s, condition, ty)
                };
                let _ = writeln!(out, "let old_{}: {kept} = {read};", field(&f.name));
            }
        }
    }
    let _ = writeln!(out, "Ok({path} {{");
    for f in new {
        let Some((condition, ty)) = value_of(f) else {
            continue;
        };
        let is_true = s.meaning(ty) == Meaning::True;
        let value = match by_name.get(f.name.as_str()).and_then(|old| value_of(old)) {
            Some((old_condition, old_ty)) => {
                let value = format!("old_{}", field(&f.name));
                let flag = !is_true;
                convert(
                    s,
                    &value,
                    (flag && old_condition.is_some(), old_ty),
                    (flag && condition.is_some(), ty),
                )?
            }
            None if is_true => "false".into(),
            None if condition.is_some() => "None".into(),
            None => default(s, ty).ok_or_else(|| format!("no default for {}", f.name))?,
        };
        let _ = writeln!(out, "{}: {value},", field(&f.name));
    }
    out.push_str("})\n}\n");
    Ok(())
}

fn encode(
    out: &mut String,
    s: &Schema,
    o: &Older,
    new: &[Field],
    path: &str,
) -> Result<(), String> {
    let _ = writeln!(
        out,
        "pub(crate) fn encode_{:08x}(x: &{path}, w: &mut Writer) {{",
        o.def.id
    );
    let by_name: HashMap<&str, &Field> = new.iter().map(|f| (f.name.as_str(), f)).collect();
    for f in &o.def.fields {
        let Some((condition, ty)) = value_of(f) else {
            continue;
        };
        let flag = s.meaning(ty) != Meaning::True;
        let value = match by_name.get(f.name.as_str()).and_then(|now| value_of(now)) {
            Some((new_condition, new_ty)) => convert(
                s,
                &format!("x.{}.clone()", field(&f.name)),
                (flag && new_condition.is_some(), new_ty),
                (flag && condition.is_some(), ty),
            )?,
            None if !flag => "false".into(),
            None if condition.is_some() => "None".into(),
            None => default(s, ty).ok_or_else(|| format!("no default for {}", f.name))?,
        };
        let rust = s.rust_type(ty);
        let rust = if flag && condition.is_some() {
            format!("Option<{rust}>")
        } else {
            rust
        };
        let _ = writeln!(out, "let old_{}: {rust} = {value};", field(&f.name));
    }
    for f in &o.def.fields {
        match value_of(f) {
            None => {
                let mut parts = vec!["0".to_owned()];
                for g in &o.def.fields {
                    let Some((Some((word, bit)), ty)) = value_of(g) else {
                        continue;
                    };
                    if *word == f.name {
                        let test = if s.meaning(ty) == Meaning::True {
                            ""
                        } else {
                            ".is_some()"
                        };
                        parts.push(format!("((old_{}{test}) as u32) << {bit}", field(&g.name)));
                    }
                }
                let _ = writeln!(out, "w.put_u32({});", parts.join(" | "));
            }
            Some((condition, ty)) => {
                let name = field(&f.name);
                match (condition, s.meaning(ty)) {
                    (_, Meaning::True) => {}
                    (Some(_), _) => {
                        let _ = writeln!(out, "w.optional(&old_{name});");
                    }
                    (None, _) => {
                        let _ = writeln!(out, "old_{name}.encode(w);");
                    }
                }
            }
        }
    }
    out.push_str("}\n");
    Ok(())
}
