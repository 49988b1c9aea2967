//! Telegram's TL schema: types, binary codec, JSON codec and the table of methods.
