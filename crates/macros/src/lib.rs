//! The derive for enums of commands. Use it by way of `actogram`, which documents it.

mod commands;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes an enum the commands of a bot: see the trait `actogram::commands::Commands`.
#[proc_macro_derive(Commands, attributes(command))]
pub fn derive_commands(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    commands::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
