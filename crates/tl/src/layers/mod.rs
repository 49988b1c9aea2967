//! Older layers: generated translations, and those by hand.

pub(crate) mod custom;
#[allow(clippy::all)]
pub(crate) mod generated {
    include!(concat!(env!("OUT_DIR"), "/layers.rs"));
}
