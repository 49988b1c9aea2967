//! Rendering, then parsing, gives the text back; normalizing is idempotent.
#![allow(clippy::unwrap_used)]

mod support;

use actogram_text::{
    Text, escape_html, escape_markdown, escape_markdown_v2, html_strict, markdown_legacy_strict,
    markdown_strict,
};
use proptest::prelude::*;
use support::{
    any_plain, any_source, any_text, any_text_with_quoted_lines, is_quote, is_sound, rendered_kinds,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn html_comes_back(text in any_text()) {
        let rendered = text.to_html();
        let back = html_strict(&rendered).map_err(|error| TestCaseError::fail(format!("{error}: {rendered}")))?;
        prop_assert_eq!(back.normalized(), rendered_kinds(&text.normalized()), "{}", rendered);
    }

    #[test]
    fn markdown_v2_comes_back(text in any_text_with_quoted_lines()) {
        let rendered = text.to_markdown_v2();
        let back = markdown_strict(&rendered).map_err(|error| TestCaseError::fail(format!("{error}: {rendered}")))?;
        prop_assert_eq!(back.normalized(), rendered_kinds(&text.normalized()), "{}", rendered);
    }

    #[test]
    fn markdown_v2_quotes_the_lines_of_other_quotations(text in any_text()) {
        let rendered = text.to_markdown_v2();
        let back = markdown_strict(&rendered).map_err(|error| TestCaseError::fail(format!("{error}: {rendered}")))?;
        prop_assert_eq!(back.as_str(), text.as_str(), "{}", rendered);
        let again = markdown_strict(back.to_markdown_v2()).unwrap();
        prop_assert_eq!(again.normalized(), back.normalized(), "{}", rendered);
        // No quotation is smaller for it, but for the line break at its end.
        for quote in text.normalized().entities().iter().filter(|entity| is_quote(entity)) {
            let covered = |at: usize| back.entities().iter().any(|other| is_quote(other) && other.offset <= at && at < other.end());
            let units: Vec<u16> = text.as_str().encode_utf16().collect();
            for at in quote.offset..quote.end() {
                prop_assert!(covered(at) || units.get(at) == Some(&u16::from(b'\n')), "{} of {}", at, rendered);
            }
        }
    }

    #[test]
    fn legacy_markdown_keeps_the_text(text in any_text()) {
        let rendered = text.to_markdown_legacy();
        let back = markdown_legacy_strict(&rendered).map_err(|error| TestCaseError::fail(format!("{error}: {rendered}")))?;
        prop_assert_eq!(back.as_str(), text.as_str(), "{}", rendered);
    }

    #[test]
    fn what_is_read_can_be_rendered_and_read_again(source in any_source()) {
        for mode in [actogram_text::ParseMode::Html, actogram_text::ParseMode::MarkdownV2] {
            let read = mode.parse(&source);
            prop_assert_eq!(html_strict(read.to_html()).unwrap().normalized(), read.normalized());
            let again = markdown_strict(read.to_markdown_v2()).unwrap();
            prop_assert_eq!(again.as_str(), read.as_str());
            // The Bot API begins a quotation behind a carriage return too, though no line begins there.
            if mode == actogram_text::ParseMode::MarkdownV2 && !source.contains('\r') {
                prop_assert_eq!(again.normalized(), read.normalized());
            }
        }
    }

    #[test]
    fn normalizing_once_is_enough(text in any_text()) {
        let normal = text.normalized();
        prop_assert!(is_sound(&normal), "{:?}", normal);
        prop_assert_eq!(normal.as_str(), text.as_str());
        prop_assert_eq!(normal.normalized(), normal);
    }

    #[test]
    fn escaped_text_comes_back_plain(text in any_plain()) {
        let plain = Text::plain(text.as_str());
        prop_assert_eq!(&html_strict(escape_html(&text)).unwrap(), &plain);
        prop_assert_eq!(&markdown_strict(escape_markdown_v2(&text)).unwrap(), &plain);
        prop_assert_eq!(&markdown_legacy_strict(escape_markdown(&text)).unwrap(), &plain);
        prop_assert_eq!(&html_strict(plain.to_html()).unwrap(), &plain);
        prop_assert_eq!(&markdown_strict(plain.to_markdown_v2()).unwrap(), &plain);
    }

    #[test]
    fn texts_put_together_hold_what_their_pieces_hold(pieces in proptest::collection::vec(any_text(), 0..5)) {
        let pieces: Vec<Text> = pieces.iter().map(Text::normalized).collect();
        let whole: Text = pieces.iter().cloned().collect();
        prop_assert!(is_sound(&whole));
        prop_assert_eq!(whole.as_str(), pieces.iter().map(Text::as_str).collect::<String>());
        let mut at = 0;
        let mut of_whole = whole.entities().iter();
        for piece in &pieces {
            for entity in piece.entities() {
                let there = of_whole.next().unwrap();
                prop_assert_eq!((&there.kind, there.offset, there.length), (&entity.kind, entity.offset + at, entity.length));
            }
            at += piece.utf16_len();
        }
        prop_assert!(of_whole.next().is_none());
    }
}
