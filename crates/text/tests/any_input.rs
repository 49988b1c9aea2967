//! Any input is read, and none of its text is lost.
#![allow(clippy::unwrap_used)]

mod support;

use actogram_text::{EntityKind, ParseMode, Text};
use proptest::prelude::*;
use support::{any_plain, any_source, is_sound, letters};

const MODES: [ParseMode; 3] = [
    ParseMode::Html,
    ParseMode::MarkdownV2,
    ParseMode::MarkdownLegacy,
];

/// Letters and digits of the text and of all that its entities say, by how often each occurs.
fn kept(text: &Text) -> Vec<char> {
    let mut all = letters(text.as_str());
    for entity in text.entities() {
        all += &letters(&match &entity.kind {
            EntityKind::Pre { language } => language.clone(),
            EntityKind::TextUrl { url } => url.clone(),
            EntityKind::MentionName { user_id } => format!("tguserid{user_id}"),
            EntityKind::CustomEmoji { document_id } => format!("tgemojiid{document_id}"),
            EntityKind::FormattedDate { date, format } => format!("tgtimeunix{date}format{format}"),
            _ => String::new(),
        });
    }
    let mut all: Vec<char> = all.chars().collect();
    all.sort_unstable();
    all
}

fn is_part_of(part: &[char], whole: &[char]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|wanted| rest.any(|found| found == wanted))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn entities_lie_within_the_text(source in prop_oneof![any_source(), any_plain(), ".{0,80}"]) {
        for mode in MODES {
            let text = mode.parse(&source);
            prop_assert!(is_sound(&text), "{:?}: {:?}", mode, text);
            let ordered = text.entities().windows(2).all(|pair| {
                (pair[0].offset, std::cmp::Reverse(pair[0].end())) <= (pair[1].offset, std::cmp::Reverse(pair[1].end()))
            });
            prop_assert!(ordered, "{:?}: {:?}", mode, text);
        }
    }

    #[test]
    fn what_is_valid_is_read_as_the_strict_reader_does(source in prop_oneof![any_source(), any_plain()]) {
        for mode in MODES {
            if let Ok(text) = mode.parse_strict(&source) {
                prop_assert_eq!(mode.parse(&source), text);
            }
        }
    }

    #[test]
    fn errors_say_where_in_the_source(source in any_source()) {
        for mode in MODES {
            if let Err(error) = mode.parse_strict(&source) {
                prop_assert!(source.is_char_boundary(error.offset), "{:?}", error);
                prop_assert!(error.offset <= source.len(), "{:?}", error);
            }
        }
    }

    #[test]
    fn markdown_loses_no_letter(source in prop_oneof![any_source(), any_plain(), ".{0,80}"]) {
        let mut letters: Vec<char> = letters(&source).chars().collect();
        letters.sort_unstable();
        for mode in [ParseMode::MarkdownV2, ParseMode::MarkdownLegacy] {
            let text = mode.parse(&source);
            prop_assert!(is_part_of(&letters, &kept(&text)), "{:?}: {:?}", mode, text);
        }
    }

    #[test]
    fn html_loses_no_word_between_its_tags(words in proptest::collection::vec("[a-z]{1,8}", 0..20), tags in proptest::collection::vec("</?(b|i|pre|a|zz|code|span|tg-spoiler|blockquote|tg-emoji|em|u)( [a-z]+=\"y\")?( expandable)?/?>|<|&|</|<b |&#", 20)) {
        let source: String = words.iter().zip(&tags).map(|(word, tag)| format!("{tag} {word} ")).collect();
        let text = actogram_text::html(&source);
        for word in words.iter().take(tags.len()) {
            prop_assert!(text.as_str().contains(word.as_str()), "{word:?} of {source:?} in {text:?}");
        }
    }

    #[test]
    fn any_characters_survive_any_dialect(source in any::<String>()) {
        for mode in MODES {
            prop_assert!(is_sound(&mode.parse(&source)));
        }
    }
}

#[test]
fn marks_without_end_need_no_stack() {
    for piece in [
        "<b>",
        "<b><i>",
        "*_",
        "**_",
        "[",
        ">*\n",
        "![",
        "<pre><code>",
        "_*~",
    ] {
        let source = piece.repeat(200_000);
        for mode in MODES {
            let text = mode.parse(&source);
            assert!(text.to_html().len() + text.to_markdown_v2().len() < 40 * source.len());
        }
    }
}

#[test]
fn deep_nesting_that_closes_is_one_entity_of_each_kind() {
    let depth = 20_000;
    let source = format!("{}x{}", "*_".repeat(depth), "_*".repeat(depth));
    let text = ParseMode::MarkdownV2.parse_strict(&source).unwrap();
    assert_eq!(text.as_str(), "x");
    assert_eq!(text.entities().len(), 2);
    let source = format!("{}x{}", "<b><u>".repeat(depth), "</u></b>".repeat(depth));
    assert_eq!(
        ParseMode::Html
            .parse_strict(&source)
            .unwrap()
            .entities()
            .len(),
        2
    );
}
