//! Texts that are too long for one message.
#![allow(clippy::unwrap_used)]

mod support;

use actogram_text::{
    CAPTION_LENGTH, Entity, EntityKind, MESSAGE_LENGTH, MOST_ENTITIES, Text, html,
};
use proptest::prelude::*;
use support::*;

fn plain(parts: &[Text]) -> Vec<&str> {
    parts.iter().map(Text::as_str).collect()
}

#[test]
fn a_short_text_is_one_part_as_it_is() {
    for text in ["", "  a  \n", "\n\n"] {
        assert_eq!(Text::plain(text).split(10), [Text::plain(text)]);
    }
    assert_eq!(
        Text::plain("\n".repeat(50)).split(10),
        [Text::plain("\n".repeat(50))]
    );
}

#[test]
fn trap_23_parts_end_at_line_breaks_then_at_blanks_then_anywhere() {
    let cases: &[(&str, usize, &[&str])] = &[
        ("one two\nthree four", 12, &["one two", "three four"]),
        ("one two three", 8, &["one two", "three"]),
        ("one two three", 7, &["one two", "three"]),
        ("abcdefghij", 4, &["abcd", "efgh", "ij"]),
        ("a\nbcdefgh", 4, &["a", "bcde", "fgh"]),
        ("abcd\nefgh", 4, &["abcd", "efgh"]),
        ("ab  \n  cd", 5, &["ab", "  cd"]),
        ("a          b", 4, &["a", " b"]),
        ("12\u{a0}km far", 6, &["12\u{a0}km", "far"]),
    ];
    for (text, limit, parts) in cases {
        assert_eq!(
            plain(&Text::plain(*text).split(*limit)),
            *parts,
            "{text:?} at {limit}"
        );
    }
}

#[test]
fn trap_23_no_surrogate_pair_and_no_cluster_is_cut() {
    assert_eq!(plain(&Text::plain("🏟🏟🏟").split(3)), ["🏟", "🏟", "🏟"]);
    assert_eq!(plain(&Text::plain("🏟🏟").split(1)), ["🏟", "🏟"]);
    assert_eq!(plain(&Text::plain("🇺🇦🇺🇦🇺🇦").split(10)), ["🇺🇦🇺🇦", "🇺🇦"]);
    assert_eq!(
        plain(&Text::plain("a👨‍👩‍👧b").split(8)),
        ["a", "👨‍👩‍👧b".trim_end_matches('b'), "b"]
    );
    assert_eq!(
        plain(&Text::plain("xe\u{301}y").split(2)),
        ["x", "e\u{301}", "y"]
    );
    // One cluster longer than a message is cut between its characters.
    let zalgo = format!("a{}", "\u{301}".repeat(9));
    assert_eq!(Text::plain(zalgo).split(4).len(), 3);
}

#[test]
fn trap_23_entities_are_cut_at_the_borders_and_go_on() {
    let text = html(
        "<b>one <i>two\nthree</i></b> <a href=\"u\">link here</a>\n<pre><code class=\"language-x\">a\nb</code></pre>",
    );
    let parts: Vec<String> = text.split(10).iter().map(Text::to_html).collect();
    assert_eq!(
        parts,
        [
            "<b>one <i>two</i></b>",
            "<b><i>three</i></b> <a href=\"u\">link</a>",
            "<a href=\"u\">here</a>
<pre><code class=\"language-x\">a\nb</code></pre>"
        ]
    );
    let parts = Text::code("x".repeat(MESSAGE_LENGTH * 2 + 1)).split(MESSAGE_LENGTH);
    let lengths: Vec<usize> = parts.iter().map(Text::utf16_len).collect();
    assert_eq!(lengths, [MESSAGE_LENGTH, MESSAGE_LENGTH, 1]);
    for part in parts {
        assert_eq!(part.entities(), [e(Code, 0, part.utf16_len())]);
    }
    assert_eq!(Text::plain("🏟".repeat(1000)).split(CAPTION_LENGTH).len(), 2);
}

#[test]
fn a_part_has_as_many_entities_as_a_message_may() {
    let text: Text = (0..250).map(|n| Text::code(n.to_string()) + " ").collect();
    let parts = text.split(MESSAGE_LENGTH);
    let counts: Vec<usize> = parts.iter().map(|part| part.entities().len()).collect();
    assert_eq!(counts, [MOST_ENTITIES, MOST_ENTITIES, 50]);
    let all: String = parts.iter().map(Text::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(all, text.as_str().trim_end());
    // More of them in one place than can be: the text is kept.
    let crowd = vec![Entity::new(EntityKind::Hashtag, 0, 5); 300];
    let parts = Text::with_entities("hello", crowd).split(MESSAGE_LENGTH);
    assert_eq!(plain(&parts).concat(), "hello");
    assert!(
        parts
            .iter()
            .all(|part| part.entities().len() <= MOST_ENTITIES)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nothing_is_lost_and_no_part_is_too_long(text in any_text(), more in any_text(), limit in 1usize..20) {
        let text = (text + more).normalized();
        let parts = text.split(limit);
        if text.utf16_len() <= limit {
            prop_assert_eq!(parts, [text]);
            return Ok(());
        }
        let mut rest = text.as_str();
        let mut at = 0;
        for part in &parts {
            prop_assert!(is_sound(part), "{:?}", part);
            let characters = part.as_str().chars().count();
            prop_assert!(part.utf16_len() <= limit || characters == 1, "{:?}", part);
            if text.as_str().trim().is_empty() {
                continue;
            }
            prop_assert!(!part.as_str().trim().is_empty());
            // Only blanks lie between two parts.
            let skipped = rest.find(part.as_str()).unwrap();
            prop_assert!(rest[..skipped].trim().is_empty(), "{:?} before {:?}", &rest[..skipped], part);
            at += rest[..skipped].encode_utf16().count();
            rest = &rest[skipped + part.as_str().len()..];
            // What a part's characters are is what they were.
            for unit in 0..part.utf16_len() {
                let kinds = |entities: &[Entity], at: usize| -> Vec<EntityKind> {
                    let over = entities.iter().filter(|entity| entity.offset <= at && at < entity.end());
                    over.map(|entity| entity.kind.clone()).collect()
                };
                let (mut was, mut is) = (kinds(text.entities(), at + unit), kinds(part.entities(), unit));
                was.sort_by_key(|kind| format!("{kind:?}"));
                is.sort_by_key(|kind| format!("{kind:?}"));
                prop_assert_eq!(was, is);
            }
            at += part.utf16_len();
        }
        prop_assert!(rest.trim().is_empty());
    }
}
