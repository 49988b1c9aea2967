//! The Markdown dialects, both ways.
#![allow(clippy::unwrap_used)]

mod support;

use actogram_text::{
    Entity, ParseErrorReason as Reason, Text, markdown, markdown_legacy, markdown_legacy_strict,
    markdown_strict,
};
use support::*;

/// What is read strictly and leniently alike, and what it is rendered as.
fn valid() -> Vec<(&'static str, &'static str, Vec<Entity>, &'static str)> {
    vec![
        ("", "", vec![], ""),
        ("plain", "plain", vec![], "plain"),
        (
            "*a*_b_",
            "ab",
            vec![e(Bold, 0, 1), e(Italic, 1, 1)],
            "*a*_b_",
        ),
        (
            "__a__ ~b~ ||c||",
            "a b c",
            vec![e(Underline, 0, 1), e(Strike, 2, 1), e(Spoiler, 4, 1)],
            "__a__ ~b~ ||c||",
        ),
        ("`a*b`", "a*b", vec![e(Code, 0, 3)], "`a*b`"),
        ("`a\\`b\\\\`", "a`b\\", vec![e(Code, 0, 4)], "`a\\`b\\\\`"),
        (
            "```\nfn\n```",
            "fn\n",
            vec![e(pre(""), 0, 3)],
            "```\nfn\n```",
        ),
        (
            "```rust\nfn```",
            "fn",
            vec![e(pre("rust"), 0, 2)],
            "```rust\nfn```",
        ),
        ("```rust```", "rust", vec![e(pre(""), 0, 4)], "```\nrust```"),
        (
            "```rust\n```",
            "rust\n",
            vec![e(pre(""), 0, 5)],
            "```\nrust\n```",
        ),
        ("```🏟 🏟```", " 🏟", vec![e(pre("🏟"), 0, 3)], "```🏟\n 🏟```"),
        ("```a\r\nb```", "b", vec![e(pre("a"), 0, 1)], "```a\nb```"),
        (
            "```a\n\nb```",
            "\nb",
            vec![e(pre("a"), 0, 2)],
            "```a\n\nb```",
        ),
        (
            "```a\r\rb```",
            "\rb",
            vec![e(pre("a"), 0, 2)],
            "```a\n\\\rb```",
        ),
        (
            "[a](https://x.example/\\)\\\\)",
            "a",
            vec![e(url("https://x.example/)\\"), 0, 1)],
            "[a](https://x.example/\\)\\\\)",
        ),
        (
            "[a](tg://user?id=7)[b](tg:user?id=8)",
            "ab",
            vec![e(mention(7), 0, 1), e(mention(8), 1, 1)],
            "[a](tg://user?id=7)[b](tg://user?id=8)",
        ),
        ("[a]()", "a", vec![], "a"),
        (
            "![👍](tg://emoji?id=5368324170671202286)",
            "👍",
            vec![e(emoji(5368324170671202286), 0, 2)],
            "![👍](tg://emoji?id=5368324170671202286)",
        ),
        (
            "![👍](TG://EMoJI/?test=1231&id=25#id=32)a",
            "👍a",
            vec![e(emoji(25), 0, 2)],
            "![👍](tg://emoji?id=25)a",
        ),
        (
            "![22:45](tg://time?unix=1647531900&format=wDT) ![x](tg://time?unix=1)",
            "22:45 x",
            vec![e(date(1647531900, "wDT"), 0, 5), e(date(1, ""), 6, 1)],
            "![22:45](tg://time?unix=1647531900&format=wDT) ![x](tg://time?unix=1)",
        ),
        ("\\*a\\_\\a\\\\\\.", "*a_a\\.", vec![], "\\*a\\_a\\\\\\."),
        ("\\➡\\", "\\➡\\", vec![], "\\\\➡\\\\"),
        (
            "➡️ ➡️_➡️ ➡️_*➡️ ➡️*",
            "➡️ ➡️➡️ ➡️➡️ ➡️",
            vec![e(Italic, 5, 5), e(Bold, 10, 5)],
            "➡️ ➡️_➡️ ➡️_*➡️ ➡️*",
        ),
        (
            "_🏟 *🏟*_",
            "🏟 🏟",
            vec![e(Italic, 0, 5), e(Bold, 3, 2)],
            "_🏟 *🏟*_",
        ),
        (
            "_a __b___",
            "a b",
            vec![e(Italic, 0, 3), e(Underline, 2, 1)],
            "_a __b___",
        ),
        (
            "__a _b_**__",
            "a b",
            vec![e(Underline, 0, 3), e(Italic, 2, 1)],
            "__a _b_**__",
        ),
        (
            "_a_**__b__",
            "ab",
            vec![e(Italic, 0, 1), e(Underline, 1, 1)],
            "_a_**__b__",
        ),
        (
            "*_*a*_*",
            "a",
            vec![e(Bold, 0, 1), e(Italic, 0, 1)],
            "*_a_*",
        ),
        (
            "__a _b_ __",
            "a b ",
            vec![e(Underline, 0, 4), e(Italic, 2, 1)],
            "__a _b_ __",
        ),
        (
            "*bold _italic ~struck ||spoiler||~ __under___ bold*",
            "bold italic struck spoiler under bold",
            vec![
                e(Bold, 0, 37),
                e(Italic, 5, 27),
                e(Strike, 12, 14),
                e(Spoiler, 19, 7),
                e(Underline, 27, 5),
            ],
            "*bold _italic ~struck ||spoiler||~ __under___ bold*",
        ),
        ("a**b____c~~d||||", "abcd", vec![], "abcd"),
        ("``a````````b", "ab", vec![], "ab"),
        (">a\n>b\nc", "a\nb\nc", vec![e(quote(), 0, 3)], ">a\n>b\nc"),
        (
            ">a\n>b||\nc",
            "a\nb\nc",
            vec![e(expandable(), 0, 3)],
            ">a\n>b||\nc",
        ),
        (">a\n>b||", "a\nb", vec![e(expandable(), 0, 3)], ">a\n>b||"),
        (
            ">q||e||",
            "qe",
            vec![e(quote(), 0, 2), e(Spoiler, 1, 1)],
            ">q||e||",
        ),
        (
            ">q||e||||",
            "qe",
            vec![e(expandable(), 0, 2), e(Spoiler, 1, 1)],
            ">q||e||||",
        ),
        (
            ">a\n**>b||",
            "a\nb",
            vec![e(quote(), 0, 1), e(expandable(), 2, 1)],
            ">a\n**>b||",
        ),
        (
            "x\n>\n>a\n>\ny",
            "x\n\na\n\ny",
            vec![e(quote(), 2, 3)],
            "x\n>\n>a\n>\ny",
        ),
        (
            ">*a\n>b*c\nd",
            "a\nbc\nd",
            vec![e(quote(), 0, 4), e(Bold, 0, 3)],
            ">*a\n>b*c\nd",
        ),
        (
            "*a\n>b\nc*",
            "a\nb\nc",
            vec![e(Bold, 0, 5), e(quote(), 2, 1)],
            "*a*\n>*b*\n*c*",
        ),
        (
            ">`a\nb`\n>c",
            "a\nb\nc",
            vec![e(quote(), 0, 5), e(Code, 0, 3)],
            ">`a\nb`\n>c",
        ),
        (
            "`>a\n>b`\n>c",
            ">a\n>b\nc",
            vec![e(Code, 0, 5), e(quote(), 6, 1)],
            "`>a\n>b`\n>c",
        ),
        (">||", "", vec![], ""),
        (">", "", vec![], ""),
        (
            "[a *b*](u)",
            "a b",
            vec![e(url("u"), 0, 3), e(Bold, 2, 1)],
            "[a *b*](u)",
        ),
        (
            "*[a](u) b*",
            "a b",
            vec![e(Bold, 0, 3), e(url("u"), 0, 1)],
            "*[a](u) b*",
        ),
    ]
}

#[test]
fn valid_sources_are_read_alike_and_rendered() {
    for (source, text, entities, rendered) in valid() {
        let read = markdown_strict(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(read, Text::with_entities(text, entities), "{source}");
        assert_eq!(markdown(source), read, "{source}");
        assert_eq!(read.to_markdown_v2(), rendered, "{source}");
        assert_eq!(
            markdown_strict(rendered).unwrap().normalized(),
            read.normalized(),
            "{source}"
        );
    }
}

#[test]
fn every_reserved_character_must_be_escaped_to_be_valid() {
    for byte in 1..127u8 {
        let character = char::from(byte).to_string();
        let escaped = format!("a\\{character}");
        assert_eq!(
            markdown_strict(&escaped).unwrap(),
            Text::plain(format!("a{character}")),
            "{escaped}"
        );
        let alone = format!("a{character}");
        assert_eq!(markdown(&alone), Text::plain(alone.as_str()));
        let reserved = "_*[]()~`>#+-=|{}.!".contains(&character);
        assert_eq!(markdown_strict(&alone).is_err(), reserved, "{alone}");
    }
}

#[test]
fn invalid_sources_are_errors_that_say_where_and_lose_no_text() {
    let cases: Vec<(&str, usize, Reason, &str, Vec<Entity>)> = vec![
        ("1. one", 1, Reason::Reserved('.'), "1. one", vec![]),
        ("🏟 🏟!", 9, Reason::Reserved('!'), "🏟 🏟!", vec![]),
        ("🏟 🏟>", 9, Reason::Reserved('>'), "🏟 🏟>", vec![]),
        ("a | b", 2, Reason::Reserved('|'), "a | b", vec![]),
        (
            "🏟 🏟_abacaba",
            9,
            Reason::Unclosed("italic text"),
            "🏟 🏟_abacaba",
            vec![],
        ),
        (
            "🏟 🏟_abac * asd ",
            15,
            Reason::Unclosed("bold text"),
            "🏟 🏟_abac * asd ",
            vec![],
        ),
        ("🏟 🏟`", 9, Reason::Unclosed("code"), "🏟 🏟`", vec![]),
        (
            "🏟 🏟```a ",
            9,
            Reason::Unclosed("a block of code"),
            "🏟 🏟```a ",
            vec![],
        ),
        (
            "🏟 🏟```🏟 🏟\\`",
            9,
            Reason::Unclosed("a block of code"),
            "🏟 🏟```🏟 🏟`",
            vec![],
        ),
        (
            "🏟 🏟__🏟 🏟_",
            20,
            Reason::Unclosed("italic text"),
            "🏟 🏟__🏟 🏟_",
            vec![],
        ),
        (
            "🏟 🏟__🏟 _🏟___",
            23,
            Reason::Unclosed("italic text"),
            "🏟 🏟🏟 _🏟_",
            vec![e(Underline, 5, 6)],
        ),
        (
            "🏟 🏟||test\\|",
            9,
            Reason::Unclosed("a spoiler"),
            "🏟 🏟||test|",
            vec![],
        ),
        (
            "[telegram\\.org](asd\\)",
            16,
            Reason::UnclosedUrl,
            "[telegram.org](asd)",
            vec![],
        ),
        (
            "[not a link]",
            0,
            Reason::MissingUrl,
            "[not a link]",
            vec![],
        ),
        ("[](u)", 0, Reason::EmptyLink, "[](u)", vec![]),
        ("a]", 1, Reason::Reserved(']'), "a]", vec![]),
        ("![👍]", 0, Reason::MissingUrl, "![👍]", vec![]),
        (
            "![👍](t://emoji?id=1234)",
            8,
            Reason::NotEmojiOrTime("t://emoji?id=1234".into()),
            "!👍",
            vec![e(url("t://emoji?id=1234"), 1, 2)],
        ),
        (
            "![👍](tg://emoji?test=1231&id=025)",
            8,
            Reason::NotEmojiOrTime("tg://emoji?test=1231&id=025".into()),
            "!👍",
            vec![e(url("tg://emoji?test=1231&id=025"), 1, 2)],
        ),
        (
            ">*b\n>ld\nld*\ndef",
            1,
            Reason::Unclosed("bold text"),
            "*b\nld\nld*\ndef",
            vec![e(quote(), 0, 5)],
        ),
        (
            ">\n*a*>2",
            5,
            Reason::Reserved('>'),
            "\na>2",
            vec![e(Bold, 1, 1)],
        ),
        (
            ">a||b",
            2,
            Reason::Unclosed("a spoiler"),
            "a||b",
            vec![e(quote(), 0, 4)],
        ),
        (
            "```a `b` c```",
            5,
            Reason::Reserved('`'),
            " `b` c",
            vec![e(pre("a"), 0, 6)],
        ),
        (
            "*a _b* c_",
            8,
            Reason::Unclosed("italic text"),
            "a _b c_",
            vec![e(Bold, 0, 4)],
        ),
        (
            "*bold*, 2 * 3 = 6. _unclosed",
            14,
            Reason::Reserved('='),
            "bold, 2 * 3 = 6. _unclosed",
            vec![e(Bold, 0, 4)],
        ),
        (
            "[a *b](u) c*",
            5,
            Reason::Reserved(']'),
            "a *b c*",
            vec![e(url("u"), 0, 4)],
        ),
        ("_>a", 0, Reason::Unclosed("italic text"), "_>a", vec![]),
        ("-\\-", 0, Reason::Reserved('-'), "--", vec![]),
    ];
    for (source, offset, reason, text, entities) in cases {
        assert_eq!(
            markdown(source),
            Text::with_entities(text, entities),
            "{source}"
        );
        let error = markdown_strict(source).unwrap_err();
        assert_eq!((error.offset, error.reason), (offset, reason), "{source}");
    }
}

#[test]
fn legacy_sources_are_read_and_rendered() {
    let cases: Vec<(&str, &str, Vec<Entity>, &str)> = vec![
        (
            "a.b! (c) > ~ | #",
            "a.b! (c) > ~ | #",
            vec![],
            "a.b! (c) > ~ | #",
        ),
        (
            "*a* _b_ `c*`",
            "a b c*",
            vec![e(Bold, 0, 1), e(Italic, 2, 1), e(Code, 4, 2)],
            "*a* _b_ `c*`",
        ),
        (
            "_snake_\\__case_",
            "snake_case",
            vec![e(Italic, 0, 5), e(Italic, 6, 4)],
            "_snake_\\__case_",
        ),
        (
            "*2*\\**2=4*",
            "2*2=4",
            vec![e(Bold, 0, 1), e(Bold, 2, 3)],
            "*2*\\**2=4*",
        ),
        ("*a_b*", "a_b", vec![e(Bold, 0, 3)], "*a_b*"),
        (
            "[a](http://x.example/)",
            "a",
            vec![e(url("http://x.example/"), 0, 1)],
            "[a](http://x.example/)",
        ),
        (
            "[a](tg://user?id=5)",
            "a",
            vec![e(mention(5), 0, 1)],
            "[a](tg://user?id=5)",
        ),
        ("```\nfn```", "fn", vec![e(pre(""), 0, 2)], "```\nfn```"),
        (
            "```rust\nfn```",
            "fn",
            vec![e(pre("rust"), 0, 2)],
            "```rust\nfn```",
        ),
        ("a\\b\\\\_", "a\\b\\_", vec![], "a\\b\\\\_"),
        ("**", "", vec![], ""),
        ("🏟*🏟*", "🏟🏟", vec![e(Bold, 2, 2)], "🏟*🏟*"),
    ];
    for (source, text, entities, rendered) in cases {
        let read =
            markdown_legacy_strict(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(read, Text::with_entities(text, entities), "{source}");
        assert_eq!(markdown_legacy(source), read, "{source}");
        assert_eq!(read.to_markdown_legacy(), rendered, "{source}");
    }
    let cases: Vec<(&str, usize, Reason)> = vec![
        ("a *b", 2, Reason::Unclosed("bold text")),
        ("a _b", 2, Reason::Unclosed("italic text")),
        ("é`b", 2, Reason::Unclosed("code")),
        ("a ```b", 2, Reason::Unclosed("a block of code")),
        ("a [b", 2, Reason::Unclosed("a link")),
        ("a [b] c", 2, Reason::MissingUrl),
        ("a [b](c", 2, Reason::UnclosedUrl),
        ("[](c)", 0, Reason::EmptyLink),
    ];
    for (source, offset, reason) in cases {
        let error = markdown_legacy_strict(source).unwrap_err();
        assert_eq!((error.offset, error.reason), (offset, reason), "{source}");
        assert_eq!(markdown_legacy(source), Text::plain(source), "{source}");
    }
}

#[test]
fn legacy_markdown_keeps_the_outermost_of_nested_entities() {
    let text = Text::bold(Text::plain("a") + Text::italic("b"))
        + Text::strike("c")
        + Text::link("d]e", "u)");
    assert_eq!(text.to_markdown_legacy(), "*a**b*c[d](u%29)][e](u%29)");
    let text = Text::plain("\\") + Text::bold("a");
    assert_eq!(text.to_markdown_legacy(), "*\\a*");
}
