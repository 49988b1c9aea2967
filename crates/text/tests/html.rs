//! The HTML dialects, both ways.
#![allow(clippy::unwrap_used)]

mod support;

use actogram_text::{Entity, EntityKind, ParseErrorReason as Reason, Text, html, html_strict};
use support::*;

/// What is read strictly and leniently alike, and what it is rendered as.
fn valid() -> Vec<(&'static str, &'static str, Vec<Entity>, &'static str)> {
    vec![
        ("plain", "plain", vec![], "plain"),
        ("", "", vec![], ""),
        (
            "<b>a</b><strong>b</strong>",
            "ab",
            vec![e(Bold, 0, 1), e(Bold, 1, 1)],
            "<b>ab</b>",
        ),
        (
            "<i>a</i> <em>b</em>",
            "a b",
            vec![e(Italic, 0, 1), e(Italic, 2, 1)],
            "<i>a</i> <i>b</i>",
        ),
        (
            "<u>a</u> <ins>b</ins>",
            "a b",
            vec![e(Underline, 0, 1), e(Underline, 2, 1)],
            "<u>a</u> <u>b</u>",
        ),
        (
            "<s>a</s> <strike>b</strike> <del>c</del>",
            "a b c",
            vec![e(Strike, 0, 1), e(Strike, 2, 1), e(Strike, 4, 1)],
            "<s>a</s> <s>b</s> <s>c</s>",
        ),
        (
            "<span class=\"tg-spoiler\">a</span> <tg-spoiler>b</tg-spoiler>",
            "a b",
            vec![e(Spoiler, 0, 1), e(Spoiler, 2, 1)],
            "<tg-spoiler>a</tg-spoiler> <tg-spoiler>b</tg-spoiler>",
        ),
        (
            "<code>x &lt; y</code>",
            "x < y",
            vec![e(Code, 0, 5)],
            "<code>x &lt; y</code>",
        ),
        (
            "<pre>fn</pre>",
            "fn",
            vec![e(pre(""), 0, 2)],
            "<pre>fn</pre>",
        ),
        (
            "<pre><code class=\"language-rust\">fn</code></pre>",
            "fn",
            vec![e(pre("rust"), 0, 2)],
            "<pre><code class=\"language-rust\">fn</code></pre>",
        ),
        (
            "<code class=\"language-rust\"><pre>fn</pre></code>",
            "fn",
            vec![e(pre("rust"), 0, 2)],
            "<pre><code class=\"language-rust\">fn</code></pre>",
        ),
        (
            "<pre><code>fn</code></pre>",
            "fn",
            vec![e(pre(""), 0, 2)],
            "<pre>fn</pre>",
        ),
        (
            "<pre>a <code class=\"language-rust\">fn</code></pre>",
            "a fn",
            vec![e(pre(""), 0, 4), e(Code, 2, 2)],
            "<pre>a fn</pre>",
        ),
        (
            "<code class=\"language-rust\">fn</code>",
            "fn",
            vec![e(Code, 0, 2)],
            "<code>fn</code>",
        ),
        (
            "<blockquote>a\nb</blockquote><blockquote expandable>c</blockquote>",
            "a\nbc",
            vec![e(quote(), 0, 3), e(expandable(), 3, 1)],
            "<blockquote>a\nb</blockquote><blockquote expandable>c</blockquote>",
        ),
        (
            "<a href=\"https://a.example/?x=1&amp;y=2\">x</a>",
            "x",
            vec![e(url("https://a.example/?x=1&y=2"), 0, 1)],
            "<a href=\"https://a.example/?x=1&amp;y=2\">x</a>",
        ),
        (
            "<a href = 'x' >a</a><a href=y>b</a>",
            "ab",
            vec![e(url("x"), 0, 1), e(url("y"), 1, 1)],
            "<a href=\"x\">a</a><a href=\"y\">b</a>",
        ),
        (
            "<a href=\"tg://user?id=7\">Ann</a>",
            "Ann",
            vec![e(mention(7), 0, 3)],
            "<a href=\"tg://user?id=7\">Ann</a>",
        ),
        (
            "<tg-emoji emoji-id=\"5368324170671202286\">👍</tg-emoji>!",
            "👍!",
            vec![e(emoji(5368324170671202286), 0, 2)],
            "<tg-emoji emoji-id=\"5368324170671202286\">👍</tg-emoji>!",
        ),
        (
            "<tg-time unix=\"1647531900\" format=\"wDT\">22:45</tg-time> <tg-time unix=\"1\">x</tg-time>",
            "22:45 x",
            vec![e(date(1647531900, "wDT"), 0, 5), e(date(1, ""), 6, 1)],
            "<tg-time unix=\"1647531900\" format=\"wDT\">22:45</tg-time> <tg-time unix=\"1\">x</tg-time>",
        ),
        (
            "<i>a<b>b</b></i>",
            "ab",
            vec![e(Italic, 0, 2), e(Bold, 1, 1)],
            "<i>a<b>b</b></i>",
        ),
        (
            "<b>bold <i>italic <s>struck <tg-spoiler>spoiler</tg-spoiler></s> <u>under</u></i> bold</b>",
            "bold italic struck spoiler under bold",
            vec![
                e(Bold, 0, 37),
                e(Italic, 5, 27),
                e(Strike, 12, 14),
                e(Spoiler, 19, 7),
                e(Underline, 27, 5),
            ],
            "<b>bold <i>italic <s>struck <tg-spoiler>spoiler</tg-spoiler></s> <u>under</u></i> bold</b>",
        ),
        (
            "😀<b>é</b>🇺🇦<i>€</i>",
            "😀é🇺🇦€",
            vec![e(Bold, 2, 1), e(Italic, 7, 1)],
            "😀<b>é</b>🇺🇦<i>€</i>",
        ),
        ("<b></b>a<i></i>", "a", vec![], "a"),
        ("<b>a<b>b</b></b>", "ab", vec![e(Bold, 0, 2)], "<b>ab</b>"),
        (
            "<B>a</b> <A HREF=x>b</>",
            "a b",
            vec![e(Bold, 0, 1), e(url("x"), 2, 1)],
            "<b>a</b> <a href=\"x\">b</a>",
        ),
        (
            "&lt;&gt;&amp;&quot;&#60;&#x3C;&#X3c;",
            "<>&\"<<<",
            vec![],
            "&lt;&gt;&amp;&quot;&lt;&lt;&lt;",
        ),
        (
            "&lt🏟 &amp &ge; &laquo; &; & &#12345678; &#0;",
            "<🏟 & &ge; &laquo; &; & &#12345678; &#0;",
            vec![],
            "&lt;🏟 &amp; &amp;ge; &amp;laquo; &amp;; &amp; &amp;#12345678; &amp;#0;",
        ),
        (
            "<a>x</a> <a href=''>y</a> <span>z</span>",
            "x y z",
            vec![],
            "x y z",
        ),
        (
            "<b>a<code>b</code>c</b>",
            "abc",
            vec![e(Bold, 0, 3), e(Code, 1, 1)],
            "<b>a</b><code>b</code><b>c</b>",
        ),
        (
            "<a href=x>a<b>b</b></a><b>c</b>",
            "abc",
            vec![e(url("x"), 0, 2), e(Bold, 1, 1), e(Bold, 2, 1)],
            "<a href=\"x\">a<b>b</b></a><b>c</b>",
        ),
    ]
}

#[test]
fn valid_sources_are_read_alike_and_rendered() {
    for (source, text, entities, rendered) in valid() {
        let read = html_strict(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(read, Text::with_entities(text, entities), "{source}");
        assert_eq!(html(source), read, "{source}");
        assert_eq!(read.to_html(), rendered, "{source}");
        assert_eq!(
            html_strict(rendered).unwrap().normalized(),
            read.normalized(),
            "{source}"
        );
    }
}

#[test]
fn invalid_sources_are_errors_that_say_where_and_lose_no_text() {
    let unexpected = |found: &str, expected: Option<&str>| Reason::UnexpectedEndTag {
        found: found.into(),
        expected: expected.map(str::to_owned),
    };
    let cases: Vec<(&str, usize, Reason, &str, Vec<Entity>)> = vec![
        (
            "1 < 2",
            2,
            Reason::UnsupportedTag("".into()),
            "1 < 2",
            vec![],
        ),
        (
            "a <3 b",
            2,
            Reason::UnsupportedTag("3".into()),
            "a <3 b",
            vec![],
        ),
        ("<", 0, Reason::UnclosedTag, "<", vec![]),
        (
            "🏟 🏟&lt;<abacaba",
            13,
            Reason::UnclosedTag,
            "🏟 🏟<<abacaba",
            vec![],
        ),
        (
            "🏟 🏟&lt;<abac aba>",
            13,
            Reason::UnsupportedTag("abac".into()),
            "🏟 🏟<<abac aba>",
            vec![],
        ),
        (
            "Vec<String>",
            3,
            Reason::UnsupportedTag("String".into()),
            "Vec<String>",
            vec![],
        ),
        (
            "<blink>a</blink>",
            0,
            Reason::UnsupportedTag("blink".into()),
            "<blink>a</blink>",
            vec![],
        ),
        (
            "a<br>b<br/>c",
            1,
            Reason::UnsupportedTag("br".into()),
            "a\nb\nc",
            vec![],
        ),
        (
            "<spoiler>a</spoiler>",
            0,
            Reason::UnsupportedTag("spoiler".into()),
            "a",
            vec![e(Spoiler, 0, 1)],
        ),
        (
            "<emoji id=5>👍</emoji>",
            0,
            Reason::UnsupportedTag("emoji".into()),
            "👍",
            vec![e(emoji(5), 0, 2)],
        ),
        (
            "<i   =aba>x",
            0,
            Reason::BadAttribute("i".into()),
            "<i   =aba>x",
            vec![],
        ),
        (
            "<i aba>x</i>",
            0,
            Reason::BadAttribute("i".into()),
            "x",
            vec![e(Italic, 0, 1)],
        ),
        ("<i aba  =  ", 0, Reason::UnclosedTag, "<i aba  =  ", vec![]),
        (
            "<a href=\"x>y",
            0,
            Reason::UnclosedTag,
            "<a href=\"x>y",
            vec![],
        ),
        ("a</", 1, Reason::UnclosedTag, "a</", vec![]),
        // No tag is looked for beyond the next one.
        (
            "<a href=\"<b>x</b>\">y",
            0,
            Reason::Unclosed("a"),
            "<a href=\"x\">y",
            vec![e(Bold, 9, 1)],
        ),
        ("</b>a", 0, unexpected("b", None), "a", vec![]),
        ("</>a", 0, unexpected("", None), "</>a", vec![]),
        (
            "<i>a</em>b",
            4,
            unexpected("em", Some("i")),
            "ab",
            vec![e(Italic, 0, 2)],
        ),
        (
            "<b>b<i>c</b>d</i>",
            8,
            unexpected("b", Some("i")),
            "bcd",
            vec![e(Bold, 0, 2), e(Italic, 1, 2)],
        ),
        (
            "<b>a<strong>b</b>c</strong>d</b>",
            13,
            unexpected("b", Some("strong")),
            "abcd",
            vec![e(Bold, 0, 2), e(Bold, 1, 2)],
        ),
        ("x<b>a", 1, Reason::Unclosed("b"), "xa", vec![e(Bold, 1, 1)]),
        (
            "<b>a<i>b",
            4,
            Reason::Unclosed("i"),
            "ab",
            vec![e(Bold, 0, 2), e(Italic, 1, 1)],
        ),
        (
            "&#xDFDF;",
            0,
            Reason::NoCharacter("xDFDF".into()),
            "&#xDFDF;",
            vec![],
        ),
    ];
    for (source, offset, reason, text, entities) in cases {
        let error = html_strict(source).unwrap_err();
        assert_eq!((error.offset, error.reason), (offset, reason), "{source}");
        assert_eq!(
            html(source),
            Text::with_entities(text, entities),
            "{source}"
        );
    }
}

#[test]
fn madelineprotos_dialect() {
    let cases: Vec<(&str, &str, Vec<Entity>)> = vec![
        ("<b>test</b><br>test", "test\ntest", vec![e(Bold, 0, 4)]),
        ("🇺🇦<b>🇺🇦</b>", "🇺🇦🇺🇦", vec![e(Bold, 4, 4)]),
        (
            "<pre language=\"html\">test</pre>",
            "test",
            vec![e(pre("html"), 0, 4)],
        ),
        (
            "<a href=\"mention:186785362\">mention</a>",
            "mention",
            vec![e(mention(186785362), 0, 7)],
        ),
        (
            "<a href=\"emoji:5368324170671202286\">👍</a>",
            "👍",
            vec![e(emoji(5368324170671202286), 0, 2)],
        ),
        (
            "<a href=\"tg://emoji?id=5\">👍</a>",
            "👍",
            vec![e(emoji(5), 0, 2)],
        ),
        ("<spoiler>a</spoiler>", "a", vec![e(Spoiler, 0, 1)]),
    ];
    for (source, text, entities) in cases {
        assert_eq!(
            html(source),
            Text::with_entities(text, entities),
            "{source}"
        );
    }
}

#[test]
fn any_entities_are_rendered_as_well_nested_tags() {
    let cases: Vec<(&str, Vec<Entity>, &str)> = vec![
        (
            "abcdef",
            vec![e(Bold, 0, 4), e(Italic, 2, 4)],
            "<b>ab<i>cd</i></b><i>ef</i>",
        ),
        (
            "abc",
            vec![e(Bold, 1, 1), e(Bold, 0, 3), e(Bold, 2, 1)],
            "<b>abc</b>",
        ),
        (
            "abcd",
            vec![e(Italic, 0, 3), e(url("u"), 1, 3)],
            "<i>a</i><a href=\"u\"><i>bc</i>d</a>",
        ),
        (
            "abcd",
            vec![e(Italic, 0, 4), e(url("u"), 1, 2)],
            "<i>a<a href=\"u\">bc</a>d</i>",
        ),
        (
            "abcd",
            vec![e(url("u"), 0, 3), e(url("v"), 2, 2)],
            "<a href=\"u\">abc</a><a href=\"v\">d</a>",
        ),
        (
            "abcd",
            vec![e(quote(), 0, 3), e(expandable(), 1, 3)],
            "<blockquote>abc</blockquote><blockquote expandable>d</blockquote>",
        ),
        (
            "a\nb",
            vec![e(quote(), 0, 1), e(Bold, 0, 3)],
            "<blockquote><b>a</b></blockquote>\n<b>b</b>",
        ),
        (
            "abcd",
            vec![e(quote(), 1, 2), e(url("u"), 0, 4)],
            "<a href=\"u\">a</a><blockquote><a href=\"u\">bc</a></blockquote><a href=\"u\">d</a>",
        ),
        ("👍", vec![e(Bold, 1, 1)], "<b>👍</b>"),
        (
            "a",
            vec![
                e(Bold, 0, 100),
                e(Italic, 5, 5),
                e(Strike, usize::MAX, usize::MAX),
            ],
            "<b>a</b>",
        ),
        (
            "#tag",
            vec![e(EntityKind::Hashtag, 0, 4), e(Bold, 0, 4)],
            "<b>#tag</b>",
        ),
        (
            "a",
            vec![e(url(""), 0, 1), e(mention(0), 0, 1), e(emoji(0), 0, 1)],
            "a",
        ),
        (
            "a",
            vec![e(url("tg://user?id=3"), 0, 1)],
            "<a href=\"tg://user?id=3\">a</a>",
        ),
        (
            "a",
            vec![e(pre("two words"), 0, 1)],
            "<pre><code class=\"language-two\">a</code></pre>",
        ),
        (
            "a\"<>&",
            vec![e(url("\"<>&'"), 0, 1)],
            "<a href=\"&quot;&lt;&gt;&amp;'\">a</a>&quot;&lt;&gt;&amp;",
        ),
    ];
    for (text, entities, rendered) in cases {
        let text = Text::with_entities(text, entities);
        assert_eq!(text.to_html(), rendered, "{text:?}");
    }
}
