//! Doc comments of the generated items.

use std::fmt::Write as _;

use crate::methods::Method;
use crate::parse::{Definition, Name};
use crate::schema::Schema;

fn link(out: &mut String, s: &Schema, kind: &str, name: &Name) {
    let _ = if s.place.documented {
        writeln!(
            out,
            "///\n/// Documentation: <https://core.telegram.org/{kind}/{name}>"
        )
    } else if s.place.prefix == "crate::secret" {
        writeln!(
            out,
            "///\n/// Documentation: <https://core.telegram.org/schema/end-to-end>"
        )
    } else {
        writeln!(
            out,
            "///\n/// Documentation: <https://core.telegram.org/schema/mtproto>"
        )
    };
}

fn definition(out: &mut String, d: &Definition) {
    let _ = writeln!(out, "/// `{}`\n///\n/// ```text\n/// {d}\n/// ```", d.name);
}

/// Of a constructor: its definition, which lists the fields, and a link.
pub(crate) fn constructor(out: &mut String, s: &Schema, d: &Definition) {
    definition(out, d);
    link(out, s, "constructor", &d.name);
}

/// Of a boxed type.
pub(crate) fn boxed(out: &mut String, s: &Schema, name: &Name) {
    let _ = writeln!(out, "/// Type `{name}`");
    link(out, s, "type", name);
}

/// Of a method: definition, who may call it, documented errors, and a link.
pub(crate) fn function(out: &mut String, s: &Schema, d: &Definition, method: Option<&Method>) {
    definition(out, d);
    if let Some(m) = method {
        let who = match m.who.as_str() {
            "both" => "users and bots",
            "users" => "users only",
            "bots" => "bots only",
            _ => "not documented",
        };
        let _ = writeln!(out, "///\n/// Who may call: {who}.");
        if !m.errors.is_empty() {
            let errors: Vec<String> = m.errors.iter().map(|(c, n)| format!("{c} `{n}`")).collect();
            let _ = writeln!(out, "///\n/// Documented errors: {}.", errors.join(", "));
        }
    }
    link(out, s, "method", &d.name);
}
