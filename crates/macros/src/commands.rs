//! What is read of an enum of commands, and what is made of it.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, GenericArgument, Lit,
    LitStr, Meta, PathArguments, Result, Type, Variant, ext::IdentExt as _,
};

/// A bot may have so many (<https://core.telegram.org/bots/api#setmycommands>).
const MOST: usize = 100;

struct Command<'a> {
    variant: &'a Variant,
    name: LitStr,
    description: LitStr,
    hidden: bool,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "commands are the variants of an enum",
        ));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "an enum of commands has no parameters",
        ));
    }
    let mut commands = Vec::new();
    let mut names = BTreeSet::new();
    for variant in &data.variants {
        let command = Command::of(variant)?;
        if !names.insert(command.name.value()) {
            let name = command.name.value();
            let text = format!("there are two commands /{name}; name one of them otherwise");
            return Err(Error::new(command.name.span(), text));
        }
        commands.push(command);
    }
    if commands.iter().filter(|command| !command.hidden).count() > MOST {
        let text = format!("a bot shows at most {MOST} commands; hide some: #[command(hidden)]");
        return Err(Error::new_spanned(&input.ident, text));
    }
    let ident = &input.ident;
    let infos = commands.iter().map(Command::info);
    let arms = commands
        .iter()
        .map(Command::arm)
        .collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        impl ::actogram::commands::Commands for #ident {
            const COMMANDS: &'static [::actogram::commands::CommandInfo] = &[#(#infos),*];

            fn parse(
                name: &str,
                args: &str,
            ) -> ::core::option::Option<
                ::core::result::Result<Self, ::actogram::commands::CommandError>,
            > {
                match name.to_ascii_lowercase().as_str() {
                    #(#arms)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    })
}

impl<'a> Command<'a> {
    fn of(variant: &'a Variant) -> Result<Self> {
        let (mut name, mut description, mut hidden) = (None, None, false);
        for attribute in &variant.attrs {
            if !attribute.path().is_ident("command") {
                continue;
            }
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    name = Some(meta.value()?.parse::<LitStr>()?);
                } else if meta.path.is_ident("description") {
                    description = Some(meta.value()?.parse::<LitStr>()?);
                } else if meta.path.is_ident("hidden") {
                    hidden = true;
                } else {
                    return Err(
                        meta.error("expected `name = \"…\"`, `description = \"…\"` or `hidden`")
                    );
                }
                Ok(())
            })?;
        }
        let span = variant.ident.span();
        let name =
            name.unwrap_or_else(|| LitStr::new(&snake(&variant.ident.unraw().to_string()), span));
        check_name(&name)?;
        let description = description.or_else(|| from_docs(&variant.attrs, span));
        let description = description.ok_or_else(|| {
            Error::new(
                span,
                "a command needs a description: #[command(description = \"…\")], or a doc comment",
            )
        })?;
        let length = description.value().chars().count();
        if !(1..=256).contains(&length) {
            let text = format!("a description has 1 to 256 characters, this one has {length}");
            return Err(Error::new(description.span(), text));
        }
        Ok(Self {
            variant,
            name,
            description,
            hidden,
        })
    }

    fn fields(&self) -> impl Iterator<Item = (String, &'a Field)> {
        self.variant
            .fields
            .iter()
            .enumerate()
            .map(|(place, field)| {
                let name = match &field.ident {
                    Some(ident) => ident.unraw().to_string(),
                    None => format!("argument {}", place + 1),
                };
                (name, field)
            })
    }

    /// What the help shows behind the name.
    fn usage(&self) -> String {
        let count = self.variant.fields.len();
        let fields = self.fields().enumerate().map(|(place, (name, field))| {
            let name = match field.ident {
                Some(_) => name.replace('_', " "),
                None => shown(&field.ty).to_lowercase(),
            };
            let open_end = place + 1 == count && is_string(&field.ty);
            match (inner_of_option(&field.ty), open_end) {
                (Some(inner), _) if field.ident.is_none() => {
                    format!(" [{}]", shown(inner).to_lowercase())
                }
                (Some(_), _) => format!(" [{name}]"),
                (None, true) if field.ident.is_none() => " [text]".to_owned(),
                (None, true) => format!(" [{name}]"),
                (None, false) => format!(" <{name}>"),
            }
        });
        fields.collect()
    }

    fn info(&self) -> TokenStream {
        let Self {
            name,
            description,
            hidden,
            ..
        } = self;
        let usage = self.usage();
        quote! {
            ::actogram::commands::CommandInfo {
                name: #name,
                usage: #usage,
                description: #description,
                hidden: #hidden,
            }
        }
    }

    fn arm(&self) -> Result<TokenStream> {
        let name = &self.name;
        let count = self.variant.fields.len();
        let (mut takes, mut variables) = (Vec::new(), Vec::new());
        let mut optional = false;
        for (place, (argument, field)) in self.fields().enumerate() {
            let variable = format_ident!("argument_{place}");
            let last = place + 1 == count;
            let (ty, inner) = (&field.ty, inner_of_option(&field.ty));
            if optional && inner.is_none() && !(last && is_string(ty)) {
                return Err(Error::new_spanned(
                    ty,
                    "behind an argument that may be missing there can be none that may not",
                ));
            }
            optional |= inner.is_some();
            takes.push(match inner {
                None if last && is_string(ty) => quote!(let #variable = args.rest();),
                None => {
                    let expected = shown(ty);
                    quote!(let #variable = args.next::<#ty>(#argument, #expected)?;)
                }
                Some(inner) => {
                    let expected = shown(inner);
                    quote!(let #variable = args.optional::<#inner>(#argument, #expected)?;)
                }
            });
            variables.push(variable);
        }
        let ident = &self.variant.ident;
        let value = match &self.variant.fields {
            Fields::Unit => quote!(Self::#ident),
            Fields::Unnamed(_) => quote!(Self::#ident(#(#variables),*)),
            Fields::Named(fields) => {
                let names = fields.named.iter().map(|field| &field.ident);
                quote!(Self::#ident { #(#names: #variables),* })
            }
        };
        Ok(quote! {
            #name => ::core::option::Option::Some((|| {
                #[allow(unused_mut, reason = "a command without arguments takes none")]
                let mut args = ::actogram::commands::Args::new(#name, args);
                #(#takes)*
                args.end()?;
                ::core::result::Result::Ok(#value)
            })()),
        })
    }
}

/// <https://core.telegram.org/constructor/botCommand>
fn check_name(name: &LitStr) -> Result<()> {
    let value = name.value();
    let allowed = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
    if (1..=32).contains(&value.len()) && value.chars().all(allowed) {
        return Ok(());
    }
    let text = format!(
        "{value:?} is no name of a command: 1 to 32 of a-z, 0-9 and _ are; give one by #[command(name = \"…\")]"
    );
    Err(Error::new(name.span(), text))
}

fn from_docs(attributes: &[Attribute], span: Span) -> Option<LitStr> {
    let lines = attributes.iter().filter_map(|attribute| {
        let Meta::NameValue(meta) = &attribute.meta else {
            return None;
        };
        match &meta.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(line),
                ..
            }) if meta.path.is_ident("doc") => Some(line.value().trim().to_owned()),
            _ => None,
        }
    });
    // Up to the first empty line, as rustdoc's summary.
    let summary: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let summary = summary.join(" ");
    let summary = summary.trim_end_matches('.');
    (!summary.is_empty()).then(|| LitStr::new(summary, span))
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (place, letter) in name.char_indices() {
        if letter.is_uppercase() && place > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

fn is_string(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "String")
}

fn inner_of_option(ty: &Type) -> Option<&Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) => Some(inner),
        _ => None,
    }
}

/// The type as people call it.
fn shown(ty: &Type) -> String {
    match last_segment(ty) {
        Some(segment) => segment.ident.to_string(),
        None => quote!(#ty).to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(input: TokenStream) -> String {
        let input = syn::parse2(input).unwrap();
        expand(&input).unwrap_err().to_string()
    }

    #[test]
    fn what_telegram_would_refuse_does_not_compile() {
        let long = "x".repeat(33);
        for name in ["", "Start", "a-b", "ä", long.as_str()] {
            let error = refused(quote! {
                enum C { #[command(name = #name, description = "d")] A }
            });
            assert!(
                error.contains("is no name of a command: 1 to 32"),
                "{error}"
            );
        }
        let long = "x".repeat(257);
        for description in ["", long.as_str()] {
            let error = refused(quote!(
                enum C {
                    #[command(description = #description)]
                    A,
                }
            ));
            let length = description.len();
            assert!(
                error.ends_with(&format!("this one has {length}")),
                "{error}"
            );
        }
        let error = refused(quote!(
            enum C {
                A,
            }
        ));
        assert!(error.contains("needs a description"), "{error}");
        // What is generated from the variant's name is checked as well.
        let error = refused(quote!(
            enum C {
                #[command(description = "d")]
                Über,
            }
        ));
        assert!(error.contains("is no name"), "{error}");
        let many = (0..101).map(|number| {
            let variant = format_ident!("C{number}");
            quote!(#[command(description = "d")] #variant)
        });
        assert!(refused(quote!(enum C { #(#many),* })).contains("at most 100"));
    }

    #[test]
    fn what_cannot_be_parsed_does_not_compile() {
        let twice = quote! {
            enum C {
                #[command(description = "d")] BanUser,
                #[command(name = "ban_user", description = "d")] Other,
            }
        };
        assert!(refused(twice).contains("two commands /ban_user"));
        assert!(
            refused(quote!(
                struct C;
            ))
            .contains("variants of an enum")
        );
        assert!(
            refused(quote!(
                enum C<T> {
                    A(T),
                }
            ))
            .contains("no parameters")
        );
        let unknown = quote!(
            enum C {
                #[command(descripton = "d")]
                A,
            }
        );
        assert!(refused(unknown).contains("expected `name"));
        let gap = quote!(
            enum C {
                #[command(description = "d")]
                A(Option<u8>, u8),
            }
        );
        assert!(refused(gap).contains("may be missing"));
    }

    #[test]
    fn descriptions_come_from_doc_comments_and_names_from_variants() {
        let input = quote! {
            enum C {
                /// Bans somebody
                /// for good.
                ///
                /// More of it.
                BanUser { user: u8 },
            }
        };
        let expanded = expand(&syn::parse2(input).unwrap()).unwrap().to_string();
        assert!(
            expanded.contains(r#""Bans somebody for good""#),
            "{expanded}"
        );
        assert!(expanded.contains(r#""ban_user""#) && expanded.contains(r#"" <user>""#));
    }
}
