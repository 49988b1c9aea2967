//! Values of every constructor, made from the tables alone: what the typed codec is tested against.

#![allow(dead_code, clippy::unwrap_used)]

use actogram_tl::tables::{ConstructorInfo, FieldInfo, FunctionInfo, Schema, Shape};
use actogram_tl::{Bytes, Decode, DecodeError, Encode, Writer};

/// Decodes and encodes again, in a layer.
pub(crate) type Again = fn(Bytes, i32) -> Result<Bytes, DecodeError>;

fn again<T: Decode + Encode>(bytes: Bytes, layer: i32) -> Result<Bytes, DecodeError> {
    Ok(T::from_bytes(bytes)?.to_bytes_for(layer))
}

include!(concat!(env!("OUT_DIR"), "/round_trips.rs"));

/// The three schemas with the typed codec of each boxed type.
pub(crate) fn schemas() -> [(&'static Schema, &'static [(&'static str, Again)]); 3] {
    use actogram_tl::tables::{api, mtproto, secret};
    [
        (api(), API_TYPES),
        (mtproto(), MTPROTO_TYPES),
        (secret(), SECRET_TYPES),
    ]
}

/// The typed codec of a boxed type.
pub(crate) fn typed(types: &[(&'static str, Again)], name: &str) -> Again {
    types.iter().find(|t| t.0 == name).unwrap().1
}

/// SplitMix64: small, seedable, the same everywhere.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Which optional fields a value has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Optional {
    None,
    All,
    Some,
}

/// Writes values by the tables.
pub(crate) struct Generator {
    pub(crate) random: Random,
    pub(crate) schema: &'static Schema,
    /// The layer whose constructors are used.
    pub(crate) layer: i32,
    optional: Optional,
    depth: usize,
    heights: Vec<usize>,
    inline: bool,
    budget: usize,
}

const INLINE_MARKUP_OLD: u32 = 0x48a3_0254;
const INLINE_BUTTONS: &[&str] = &[
    "keyboardButtonUrl",
    "keyboardButtonCallback",
    "keyboardButtonSwitchInline",
    "keyboardButtonGame",
    "keyboardButtonBuy",
    "keyboardButtonUrlAuth",
    "inputKeyboardButtonUrlAuth",
    "inputKeyboardButtonUserProfile",
    "keyboardButtonUserProfile",
    "keyboardButtonWebView",
    "keyboardButtonCopy",
];

impl Generator {
    pub(crate) fn new(schema: &'static Schema, layer: i32, seed: u64) -> Self {
        let mut g = Generator {
            random: Random(seed),
            schema,
            layer,
            optional: Optional::Some,
            depth: 0,
            heights: vec![usize::MAX; schema.types.len()],
            inline: false,
            budget: 0,
        };
        // How deep the flattest value of each type is; by that, recursion ends.
        loop {
            let mut changed = false;
            for t in 0..schema.types.len() {
                let best = g.of_type(t).into_iter().map(|c| g.height(c.fields)).min();
                if best.unwrap_or(usize::MAX) < g.heights[t] {
                    g.heights[t] = best.unwrap_or(usize::MAX);
                    changed = true;
                }
            }
            if !changed {
                return g;
            }
        }
    }

    fn height(&self, fields: &[FieldInfo]) -> usize {
        let of = |shape: Shape| match shape {
            Shape::Boxed(t) => self.heights[usize::from(t)],
            Shape::Bare(c) => self.height(self.schema.constructors[usize::from(c)].fields),
            _ => 0,
        };
        let required = fields.iter().filter(|f| f.flag.is_none());
        required
            .map(|f| of(f.shape))
            .max()
            .unwrap_or(0)
            .saturating_add(1)
    }

    /// Constructors of a type that the layer has.
    pub(crate) fn of_type(&self, t: usize) -> Vec<&'static ConstructorInfo> {
        let ty = &self.schema.types[t];
        let known = |c: &&ConstructorInfo| c.since <= self.layer && self.layer <= c.until;
        let at = |i: &u16| &self.schema.constructors[usize::from(*i)];
        let older: Vec<_> = ty.older.iter().map(at).filter(known).collect();
        // The current form of what the layer has otherwise does not count.
        let current = ty.constructors.iter().map(at).filter(known);
        let current = current.filter(|c| !self.changed_since(c.name));
        let mut out: Vec<_> = older
            .iter()
            .copied()
            // Of two older forms the layer uses the one that ends first.
            .filter(|c| !older.iter().any(|d| d.name == c.name && d.until < c.until))
            .chain(current)
            .collect();
        if out.len() > 1 && out.iter().any(|c| INLINE_BUTTONS.contains(&c.name)) {
            out.retain(|c| INLINE_BUTTONS.contains(&c.name) == self.inline);
        }
        out
    }

    fn changed_since(&self, name: &str) -> bool {
        let older = &self.schema.constructors[self.schema.current().len()..];
        older
            .iter()
            .any(|c| c.name == name && self.layer <= c.until)
    }

    /// A boxed value of one constructor.
    pub(crate) fn value_of(&mut self, c: &'static ConstructorInfo, optional: Optional) -> Bytes {
        let mut w = Writer::new();
        self.optional = optional;
        self.depth = 0;
        self.budget = 400;
        self.constructor(&mut w, c);
        w.into_bytes()
    }

    /// The flattest value of a type, without optional fields.
    pub(crate) fn least(&mut self, t: usize) -> Bytes {
        let all = self.of_type(t);
        let c = all
            .into_iter()
            .min_by_key(|c| (self.height(c.fields), c.fields.len()))
            .unwrap();
        let mut w = Writer::new();
        (self.optional, self.depth, self.budget) = (Optional::None, 9, 0);
        self.constructor(&mut w, c);
        w.into_bytes()
    }

    /// A call of one method.
    pub(crate) fn call_of(&mut self, f: &'static FunctionInfo, optional: Optional) -> Bytes {
        let mut w = Writer::new();
        self.optional = optional;
        self.depth = 0;
        self.budget = 400;
        w.put_u32(f.id);
        self.fields(&mut w, f.fields);
        w.into_bytes()
    }

    /// A value of some constructor of a type.
    pub(crate) fn value(&mut self, type_name: &str) -> Bytes {
        let t = self
            .schema
            .types
            .iter()
            .position(|t| t.name == type_name)
            .unwrap();
        let all = self.of_type(t);
        let c = all[self.random.below(all.len())];
        self.value_of(c, Optional::Some)
    }

    fn constructor(&mut self, w: &mut Writer, c: &'static ConstructorInfo) {
        let before = self.inline;
        self.inline |= c.id == INLINE_MARKUP_OLD;
        w.put_u32(c.id);
        self.fields(w, c.fields);
        self.inline = before;
    }

    fn fields(&mut self, w: &mut Writer, fields: &'static [FieldInfo]) {
        self.depth += 1;
        let mut words: Vec<u32> = Vec::new();
        for f in fields {
            if f.shape == Shape::Flags {
                let index = words.len();
                let known = fields.iter().filter_map(|g| g.flag);
                let mut word = known
                    .filter(|(word, _)| usize::from(*word) == index)
                    .fold(0, |bits, (_, bit)| bits | 1 << bit);
                let deep = self.depth > 4 || self.budget == 0;
                word &= match self.optional {
                    Optional::None => 0,
                    Optional::All if !deep => u32::MAX,
                    _ if deep => 0,
                    _ => self.random.next() as u32,
                };
                w.put_u32(word);
                words.push(word);
                continue;
            }
            let there = f
                .flag
                .is_none_or(|(word, bit)| words[usize::from(word)] & (1 << bit) != 0);
            if there {
                self.shape(w, f.shape);
            }
        }
        self.depth -= 1;
    }

    fn shape(&mut self, w: &mut Writer, shape: Shape) {
        self.budget = self.budget.saturating_sub(1);
        match shape {
            Shape::Flags | Shape::True => {}
            Shape::Int => w.put_i32(self.random.next() as i32),
            Shape::Long => w.put_i64(self.random.next() as i64),
            Shape::Double => w.put_raw(&self.random.next().to_le_bytes()),
            Shape::Int128 => {
                for _ in 0..2 {
                    w.put_i64(self.random.next() as i64);
                }
            }
            Shape::Int256 => {
                for _ in 0..4 {
                    w.put_i64(self.random.next() as i64);
                }
            }
            Shape::String => {
                let text: String = (0..self.length())
                    .map(|_| ['a', '"', '\\', '\0', 'é', '漢', '🦀'][self.random.below(7)])
                    .collect();
                w.put_bytes(text.as_bytes());
            }
            Shape::Bytes => {
                let bytes: Vec<u8> = (0..self.length())
                    .map(|_| self.random.next() as u8)
                    .collect();
                w.put_bytes(&bytes);
            }
            Shape::Bool => {
                let id = [0x9972_75b5, 0xbc79_9737][self.random.below(2)];
                w.put_u32(id);
            }
            Shape::Boxed(t) => {
                let mut all = self.of_type(usize::from(t));
                if self.depth > 4 || self.budget == 0 {
                    let least = all.iter().map(|c| self.height(c.fields)).min().unwrap();
                    all.retain(|c| self.height(c.fields) == least);
                }
                let c = all[self.random.below(all.len())];
                self.constructor(w, c);
            }
            Shape::Bare(i) => self.fields(w, self.schema.constructors[usize::from(i)].fields),
            Shape::Function(_) => unreachable!("no field is a method"),
            Shape::Vector(inner) => {
                w.put_u32(0x1cb5_c415);
                self.vector(w, *inner);
            }
            Shape::BareVector(inner) => self.vector(w, *inner),
            // help.getConfig
            Shape::Raw => w.put_u32(0xc4f9_186b),
        }
    }

    fn vector(&mut self, w: &mut Writer, inner: Shape) {
        let count = if self.depth > 4 || self.budget == 0 {
            0
        } else {
            self.random.below(3)
        };
        w.put_u32(count as u32);
        for _ in 0..count {
            self.shape(w, inner);
        }
    }

    fn length(&mut self) -> usize {
        match self.random.below(40) {
            0 => [253, 254, 255, 256][self.random.below(4)],
            1 => 5000,
            _ => self.random.below(9),
        }
    }
}

/// A number from the environment: to search longer, or from another seed.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}
