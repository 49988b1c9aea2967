//! Parser for the TL language and generator of the Rust types, used by the build script of actogram-tl.
