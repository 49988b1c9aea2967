//! Recursive-descent parser for the subset of the TL language that Telegram's schemas use.
//!
//! The language: <https://core.telegram.org/mtproto/TL>. One definition is
//! `name#id {X:Type} field:type … = Type;`; sections are `---types---` and `---functions---`;
//! `//` begins a comment.

use std::fmt;

/// A name with its optional namespace, as `messages.dialogs`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Part before the dot, if any.
    pub namespace: Option<String>,
    /// Part after the dot.
    pub ident: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(ns) => write!(f, "{ns}.{}", self.ident),
            None => f.write_str(&self.ident),
        }
    }
}

/// A type as written in a field or after `=`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A plain name: `int`, `InputPeer`, `messages.Dialogs`, `future_salt`.
    Named(Name),
    /// `%Type`: the only constructor of a type, without its id.
    Bare(Name),
    /// `Vector<T>`, with the constructor id on the wire.
    Vector(Box<Type>),
    /// `vector<T>`, without it.
    BareVector(Box<Type>),
    /// `!X`: an encoded function whose result is `X`.
    Query(String),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Named(n) => write!(f, "{n}"),
            Type::Bare(n) => write!(f, "%{n}"),
            Type::Vector(t) => write!(f, "Vector<{t}>"),
            Type::BareVector(t) => write!(f, "vector<{t}>"),
            Type::Query(x) => write!(f, "!{x}"),
        }
    }
}

/// What stands after the colon of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// `#`: a word of flags.
    Flags,
    /// An ordinary type, perhaps present only when a bit of a flag word is set.
    Value {
        /// Name of the flag word and number of the bit, for `flags.3?int`.
        condition: Option<(String, u8)>,
        /// The type itself.
        ty: Type,
    },
}

/// One field of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name as in the schema.
    pub name: String,
    /// Type as in the schema.
    pub ty: FieldType,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ty {
            FieldType::Flags => write!(f, "{}:#", self.name),
            FieldType::Value {
                condition: None,
                ty,
            } => write!(f, "{}:{ty}", self.name),
            FieldType::Value {
                condition: Some((word, bit)),
                ty,
            } => {
                write!(f, "{}:{word}.{bit}?{ty}", self.name)
            }
        }
    }
}

/// Which section of a schema a definition stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// A constructor.
    Types,
    /// A method.
    Functions,
}

/// One definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Constructor or method.
    pub section: Section,
    /// Its name.
    pub name: Name,
    /// Its id: the explicit one if written, else the CRC-32 of the normalized text.
    pub id: u32,
    /// Names of type parameters, as `X` of `{X:Type}`.
    pub parameters: Vec<String>,
    /// Fields in wire order.
    pub fields: Vec<Field>,
    /// The boxed type of a constructor, or the result of a method.
    pub result: Type,
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:08x}", self.name, self.id)?;
        for p in &self.parameters {
            write!(f, " {{{p}:Type}}")?;
        }
        for field in &self.fields {
            write!(f, " {field}")?;
        }
        write!(f, " = {};", self.result)
    }
}

/// Why a schema could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseError {
    /// Line, counted from one.
    pub line: usize,
    /// The text of the definition.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: expected {} in `{}`",
            self.line, self.expected, self.text
        )
    }
}

impl std::error::Error for ParseError {}

/// Reads a schema. Built-in definitions (`int ? = Int`, `vector {t:Type} # [ t ] = …`) are skipped.
///
/// # Errors
/// The first definition that is not of the language, with its line.
pub fn parse(text: &str) -> Result<Vec<Definition>, ParseError> {
    let mut section = Section::Types;
    let mut out = Vec::new();
    let mut pending = String::new();
    let mut started = 0;
    for (number, line) in text.lines().enumerate() {
        let line = line.split("//").next().unwrap_or("").trim();
        match line {
            "" => continue,
            "---types---" => {
                section = Section::Types;
                continue;
            }
            "---functions---" => {
                section = Section::Functions;
                continue;
            }
            _ => {}
        }
        if pending.is_empty() {
            started = number + 1;
        } else {
            pending.push(' ');
        }
        pending.push_str(line);
        if !pending.ends_with(';') {
            continue;
        }
        let text = std::mem::take(&mut pending);
        if text.contains('?') && text.contains(" ? ") || text.contains('[') {
            continue;
        }
        let mut cursor = Cursor {
            rest: text.trim_end_matches(';').trim(),
            expected: "a name",
        };
        match cursor.definition(section) {
            Some(def) => out.push(def),
            None => {
                return Err(ParseError {
                    line: started,
                    expected: cursor.expected,
                    text,
                });
            }
        }
    }
    if pending.is_empty() {
        Ok(out)
    } else {
        Err(ParseError {
            line: started,
            text: pending,
            expected: "`;` at the end",
        })
    }
}

struct Cursor<'a> {
    rest: &'a str,
    expected: &'static str,
}

impl<'a> Cursor<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, token: &str, expected: &'static str) -> Option<()> {
        self.expected = expected;
        self.eat(token).then_some(())
    }

    fn ident(&mut self, expected: &'static str) -> Option<&'a str> {
        self.expected = expected;
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return None;
        }
        self.rest = rest;
        Some(word)
    }

    fn name(&mut self, expected: &'static str) -> Option<Name> {
        let first = self.ident(expected)?;
        if self.eat(".") {
            let second = self.ident("a name after the namespace")?;
            return Some(Name {
                namespace: Some(first.into()),
                ident: second.into(),
            });
        }
        Some(Name {
            namespace: None,
            ident: first.into(),
        })
    }

    fn ty(&mut self) -> Option<Type> {
        if self.eat("!") {
            return Some(Type::Query(self.ident("a type parameter")?.into()));
        }
        if self.eat("%") {
            return Some(Type::Bare(self.name("a type")?));
        }
        let name = self.name("a type")?;
        if name.namespace.is_none() && name.ident.eq_ignore_ascii_case("vector") {
            let angle = self.eat("<");
            if !angle {
                self.space();
            }
            let inner = self.ty()?;
            if angle {
                self.need(">", "`>`")?;
            }
            return Some(if name.ident == "Vector" {
                Type::Vector(Box::new(inner))
            } else {
                Type::BareVector(Box::new(inner))
            });
        }
        Some(Type::Named(name))
    }

    fn field_type(&mut self) -> Option<FieldType> {
        if self.eat("#") {
            return Some(FieldType::Flags);
        }
        // `flags.3?int` and `messages.Dialogs` begin alike: only the question mark tells.
        let end = self.rest.find(' ').unwrap_or(self.rest.len());
        if let Some(mark) = self.rest[..end].find('?') {
            let condition = &self.rest[..mark];
            self.expected = "a condition such as `flags.3?`";
            let (word, bit) = condition.split_once('.')?;
            let bit: u8 = bit.parse().ok().filter(|b| *b < 32)?;
            self.rest = &self.rest[mark + 1..];
            let ty = self.ty()?;
            return Some(FieldType::Value {
                condition: Some((word.into(), bit)),
                ty,
            });
        }
        Some(FieldType::Value {
            condition: None,
            ty: self.ty()?,
        })
    }

    fn definition(&mut self, section: Section) -> Option<Definition> {
        let text = self.rest;
        let name = self.name("a name")?;
        let explicit = if self.eat("#") {
            let hex = self.ident("an id of up to eight hexadecimal digits")?;
            Some(u32::from_str_radix(hex, 16).ok()?)
        } else {
            None
        };
        let (mut parameters, mut fields) = (Vec::new(), Vec::new());
        loop {
            self.space();
            if self.eat("=") {
                break;
            }
            if self.eat("{") {
                parameters.push(self.ident("a type parameter")?.to_owned());
                self.need(":Type}", "`:Type}`")?;
                continue;
            }
            let field = self.ident("a field or `=`")?.to_owned();
            self.need(":", "`:`")?;
            fields.push(Field {
                name: field,
                ty: self.field_type()?,
            });
        }
        self.space();
        let result = self.ty()?;
        self.space();
        self.expected = "nothing after the type";
        if !self.rest.is_empty() {
            return None;
        }
        let id = explicit.unwrap_or_else(|| crc32(normalize(text).as_bytes()));
        Some(Definition {
            section,
            name,
            id,
            parameters,
            fields,
            result,
        })
    }
}

/// The text whose CRC-32 names a definition that has no explicit id.
fn normalize(text: &str) -> String {
    let kept: Vec<&str> = text
        .split_whitespace()
        .filter(|w| !w.ends_with("?true"))
        .collect();
    kept.join(" ")
        .replace(":bytes", ":string")
        .replace("?bytes", "?string")
        .replace(['<', '>', '{', '}', ';'], " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// CRC-32 (IEEE), bit by bit: a few hundred short lines do not earn a table.
fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_telegram_writes() {
        let text = "// LAYER 1\nboolTrue#997275b5 = Bool;\nint ? = Int;\n\
            vector#1cb5c415 {t:Type} # [ t ] = Vector t;\n---functions---\n\
            initConnection#c1cd5ea9 {X:Type} flags:# api_id:int proxy:flags.0?InputClientProxy query:!X = X;\n\
            help.x#1 a:Vector<help.Y> b:vector<%z> = Vector<int>;";
        let defs = parse(text).unwrap();
        let printed: Vec<String> = defs.iter().map(ToString::to_string).collect();
        assert_eq!(
            printed,
            [
                "boolTrue#997275b5 = Bool;",
                "initConnection#c1cd5ea9 {X:Type} flags:# api_id:int proxy:flags.0?InputClientProxy query:!X = X;",
                "help.x#00000001 a:Vector<help.Y> b:vector<%z> = Vector<int>;",
            ]
        );
        assert_eq!(defs[0].section, Section::Types);
        assert_eq!(defs[1].section, Section::Functions);
    }

    #[test]
    fn says_where_and_what() {
        let bad = |t: &str| parse(t).unwrap_err().to_string();
        assert!(bad("\na#1 x:flags.40?int = B;").starts_with("line 2: expected a condition"));
        assert!(bad("a#zz = B;").contains("hexadecimal"));
        assert!(bad("a#1 x = B;").contains("`:`"));
        assert!(bad("a#1 x:int = B").contains("`;`"));
        assert!(bad("a#1 x:int = B C;").contains("nothing after"));
    }

    #[test]
    fn missing_ids_are_computed() {
        let of = |t: &str| parse(t).unwrap()[0].id;
        assert_eq!(of("boolTrue = Bool;"), 0x9972_75b5);
        assert_eq!(of("inputPeerChat chat_id:long = InputPeer;"), 0x35a9_5cb9);
        assert_eq!(
            of(
                "resPQ nonce:int128 server_nonce:int128 pq:bytes server_public_key_fingerprints:Vector<long> = ResPQ;"
            ),
            0x0516_2463
        );
    }
}
