"""Markup read by two foreign libraries beside ours: the same, but for differences that are listed and justified.

TEXT_ENTITIES is the path of the example `entities` of actogram-text; `cargo xtask test` sets it.
"""

import asyncio
import json
import os
import random
import subprocess

import pyrogram.parser.html
import pyrogram.parser.markdown
import pytest
import telethon.extensions.html
import telethon.extensions.markdown

KINDS = {
    "MessageEntityBold": "bold",
    "MessageEntityItalic": "italic",
    "MessageEntityUnderline": "underline",
    "MessageEntityStrike": "strike",
    "MessageEntitySpoiler": "spoiler",
    "MessageEntityCode": "code",
    "MessageEntityPre": "pre",
    "MessageEntityBlockquote": "blockquote",
    "MessageEntityTextUrl": "text_url",
    "MessageEntityUrl": "url",
    "MessageEntityEmail": "email",
    "InputMessageEntityMentionName": "mention_name",
    "MessageEntityMentionName": "mention_name",
    "MessageEntityCustomEmoji": "custom_emoji",
    "MessageEntityFormattedDate": "formatted_date",
}


@pytest.fixture(scope="module")
def ours():
    program = os.environ.get("TEXT_ENTITIES")
    if not program:
        raise RuntimeError("TEXT_ENTITIES is not set: `cargo xtask test` builds the example and sets it")
    running = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(mode, source, **options):
        running.stdin.write(json.dumps({"mode": mode, "source": source, **options}) + "\n")
        running.stdin.flush()
        return json.loads(running.stdout.readline())

    yield ask
    running.stdin.close()
    assert running.wait(30) == 0


def date_format(entity):
    if entity.relative:
        return "r"
    letters = [
        (entity.day_of_week, "w"),
        (entity.short_date, "d"),
        (entity.long_date, "D"),
        (entity.short_time, "t"),
        (entity.long_time, "T"),
    ]
    return "".join(letter for there, letter in letters if there)


def short(entity):
    """Kind, offset, length and what else there is, of an entity of theirs."""
    kind = KINDS[type(entity).__name__]
    more = {
        "pre": lambda: entity.language or "",
        "blockquote": lambda: bool(entity.collapsed),
        "text_url": lambda: entity.url,
        "mention_name": lambda: entity.user_id,
        "custom_emoji": lambda: entity.document_id,
        "formatted_date": lambda: (entity.date, date_format(entity)),
    }.get(kind)
    return (kind, entity.offset, entity.length) + ((more(),) if more else ())


def short_of_ours(entity):
    kind = entity["kind"]
    more = {
        "pre": lambda: entity["language"],
        "blockquote": lambda: entity["collapsed"],
        "text_url": lambda: entity["url"],
        "mention_name": lambda: entity["user_id"],
        "custom_emoji": lambda: entity["document_id"],
        "formatted_date": lambda: (entity["date"], entity["format"]),
    }.get(kind)
    return (kind, entity["offset"], entity["length"]) + ((more(),) if more else ())


def in_order(entities):
    return sorted(entities, key=lambda entity: (entity[1], -entity[2], entity[0]))


def read_by_telethon(mode, source):
    library = {"html": telethon.extensions.html, "markdown_v2": telethon.extensions.markdown}[mode]
    text, entities = library.parse(source)
    return text, in_order(short(entity) for entity in entities)


def read_by_kurigram(mode, source):
    library = {"html": pyrogram.parser.html.HTML, "markdown_v2": pyrogram.parser.markdown.Markdown}[mode]
    read = asyncio.run(library(None).parse(source))
    return read["message"], in_order(short(entity) for entity in read["entities"] or [])


def read_by_us(ours, mode, source, **options):
    read = ours(mode, source, **options)
    return read["text"], in_order(short_of_ours(entity) for entity in read["entities"])


LIBRARIES = {"telethon": read_by_telethon, "kurigram": read_by_kurigram}

HTML = [
    "plain",
    "<b>a</b><strong>b</strong>",
    "<i>a</i><em>b</em>",
    "<u>a</u>",
    "<ins>a</ins>",
    "<s>a</s><del>b</del>",
    "<strike>a</strike>",
    "<tg-spoiler>a</tg-spoiler>",
    '<span class="tg-spoiler">a</span>',
    "<spoiler>a</spoiler>",
    "<code>a</code>",
    "<pre>a</pre>",
    '<pre><code class="language-rust">fn</code></pre>',
    '<pre language="rust">fn</pre>',
    "<pre><code>a</code></pre>",
    "<blockquote>a\nb</blockquote>",
    "<blockquote expandable>a</blockquote>",
    '<a href="https://a.example/?x=1&amp;y=2">l</a>',
    '<a href="tg://user?id=7">Ann</a>',
    '<a href="mailto:a@b.example">m</a>',
    '<tg-emoji emoji-id="5">👍</tg-emoji>',
    '<emoji id="5">👍</emoji>',
    '<tg-time unix="9" format="wDT">x</tg-time>',
    "<b>a<i>b</i>c</b>",
    "<i><b>a</b></i>",
    "<b><b>a</b>b</b>",
    "<b>a<i>b</b>c</i>",
    "😀<b>é</b>🇺🇦<i>€</i>",
    "&lt;b&gt; &amp; &quot;",
    "&#60;&#x3C;",
    "&copy; x",
    "a & b",
    "1 < 2",
    "a <3 b",
    "Vec<String>",
    "<blink>a</blink>",
    "a<br>b",
    "<b>a",
    "</b>a",
    "<b></b>a",
    "<a>x</a>",
    "a <b> b </b> c",
    "<b>a </b>",
    "<B>a</B>",
    "<!-- x -->y",
    "<code>a<b>b</b></code>",
    '<a href="u"><b>a</b></a>',
    "<pre>a</pre><code>b</code>",
]

MARKDOWN = [
    "plain",
    "`a*b`",
    "```\nfn\n```",
    "```rust\nfn```",
    "[a](https://x.example/)",
    "[a](tg://user?id=7)",
    "**a**",
    "__a__",
    "--a--",
    "~~a~~",
    "||a||",
    "😀||é||",
    "*a*",
    "_a_",
    "~a~",
    "![👍](tg://emoji?id=5)",
    "![x](tg://time?unix=9&format=wDT)",
    ">a\n>b\nc",
    "**>a\n>b||\nc",
    ">a\n>b||",
    "a_b",
    "2*3*4",
    "1. one",
    "a\\*b",
    "*a",
    "`a",
    "[a]",
    "[a](",
    "[**a**](u)",
    "<b>a</b>",
    "a < b & c",
]

# Why a library may read a source differently: ours is what the Bot API documents, unless it is said otherwise.
NOT_KNOWN = "a tag of the Bot API that the library does not know"
OF_THE_SEED = "not of the Bot API: MadelineProto's, which we take too"
LANGUAGE = "the Bot API and MadelineProto write the language differently; we take both, the library one"
ONE_BLOCK = "pre and code around the same text are one block: the Bot API refuses code within pre"
MENTION = "the Bot API makes a mention of a link to tg://user"
MAIL = "no markup makes an e-mail entity in the Bot API: Telegram finds addresses by itself"
ONE_STYLE = "a style within itself adds nothing; the library counts it twice or ends it early"
NAMED = "the Bot API knows four named characters; any other ampersand stands for itself"
NO_TEXT_LOST = "what is no tag of the dialect is text, and text is not dropped; the Bot API refuses it"
UNCLOSED = "what is left open ends with the text; the library drops it"
NO_ADDRESS = "a link to nowhere is no link"
TRIMMED = "Telegram trims messages and their entities by itself; we leave them as they were written"
NO_COMMENTS = "the Bot API has no comments"
DIALECT = "the library's Markdown has other markers than MarkdownV2"
ESCAPES = "the library's Markdown has no escapes"
WITHIN = "the library reads nothing within a link"
LINES = "the library tells an expandable quotation by its beginning, MarkdownV2 by its end"
BOTH = "the library reads HTML within Markdown"

DIFFERENCES = {
    ("html", "telethon"): {
        "<ins>a</ins>": (("a", []), NOT_KNOWN),
        "<strike>a</strike>": (("a", []), NOT_KNOWN),
        "<tg-spoiler>a</tg-spoiler>": (("a", []), NOT_KNOWN),
        '<span class="tg-spoiler">a</span>': (("a", []), NOT_KNOWN),
        "<spoiler>a</spoiler>": (("a", []), OF_THE_SEED),
        '<pre language="rust">fn</pre>': (("fn", [("pre", 0, 2, "")]), LANGUAGE),
        '<a href="tg://user?id=7">Ann</a>': (("Ann", [("text_url", 0, 3, "tg://user?id=7")]), MENTION),
        '<a href="mailto:a@b.example">m</a>': (("a@b.example", [("email", 0, 11)]), MAIL),
        '<emoji id="5">👍</emoji>': (("👍", []), OF_THE_SEED),
        '<tg-time unix="9" format="wDT">x</tg-time>': (("x", []), NOT_KNOWN),
        "<b><b>a</b>b</b>": (("ab", [("bold", 0, 1)]), ONE_STYLE),
        "&copy; x": (("© x", []), NAMED),
        "Vec<String>": (("Vec", []), NO_TEXT_LOST),
        "<blink>a</blink>": (("a", []), NO_TEXT_LOST),
        "a<br>b": (("ab", []), OF_THE_SEED),
        "<b>a": (("a", []), UNCLOSED),
        "<b>a </b>": (("a", [("bold", 0, 1)]), TRIMMED),
        "<!-- x -->y": (("y", []), NO_COMMENTS),
    },
    ("html", "kurigram"): {
        '<span class="tg-spoiler">a</span>': (("a", []), NOT_KNOWN),
        '<pre><code class="language-rust">fn</code></pre>': (("fn", [("code", 0, 2), ("pre", 0, 2, "")]), LANGUAGE),
        "<pre><code>a</code></pre>": (("a", [("code", 0, 1), ("pre", 0, 1, "")]), ONE_BLOCK),
        '<a href="mailto:a@b.example">m</a>': (("m", [("email", 0, 1)]), MAIL),
        "<b><b>a</b>b</b>": (("ab", [("bold", 0, 2), ("bold", 0, 1)]), ONE_STYLE),
        "&copy; x": (("© x", []), NAMED),
        "Vec<String>": (("Vec", []), NO_TEXT_LOST),
        "<blink>a</blink>": (("a", []), NO_TEXT_LOST),
        "a<br>b": (("ab", []), OF_THE_SEED),
        "<b>a": (("a", []), UNCLOSED),
        "<a>x</a>": (("x", [("text_url", 0, 1, "")]), NO_ADDRESS),
        "<b>a </b>": (("a", [("bold", 0, 1)]), TRIMMED),
        "<!-- x -->y": (("y", []), NO_COMMENTS),
    },
    ("markdown_v2", "telethon"): {
        "```\nfn\n```": (("fn", [("pre", 0, 2, "")]), TRIMMED),
        "```rust\nfn```": (("rust\nfn", [("pre", 0, 7, "")]), DIALECT),
        "[a](tg://user?id=7)": (("a", [("text_url", 0, 1, "tg://user?id=7")]), MENTION),
        "**a**": (("a", [("bold", 0, 1)]), DIALECT),
        "__a__": (("a", [("italic", 0, 1)]), DIALECT),
        "~~a~~": (("a", [("strike", 0, 1)]), DIALECT),
        "||a||": (("||a||", []), DIALECT),
        "😀||é||": (("😀||é||", []), DIALECT),
        "*a*": (("*a*", []), DIALECT),
        "_a_": (("_a_", []), DIALECT),
        "~a~": (("~a~", []), DIALECT),
        "![👍](tg://emoji?id=5)": (("!👍", [("text_url", 1, 2, "tg://emoji?id=5")]), DIALECT),
        "![x](tg://time?unix=9&format=wDT)": (
            ("!x", [("text_url", 1, 1, "tg://time?unix=9&format=wDT")]),
            DIALECT,
        ),
        ">a\n>b\nc": ((">a\n>b\nc", []), DIALECT),
        "**>a\n>b||\nc": (("**>a\n>b||\nc", []), DIALECT),
        ">a\n>b||": ((">a\n>b||", []), DIALECT),
        "2*3*4": (("2*3*4", []), DIALECT),
        "a\\*b": (("a\\*b", []), ESCAPES),
        "[**a**](u)": (("**a**", [("text_url", 0, 5, "u")]), WITHIN),
    },
    ("markdown_v2", "kurigram"): {
        "```\nfn\n```": (("fn", [("pre", 0, 2, "")]), TRIMMED),
        "**a**": (("a", [("bold", 0, 1)]), DIALECT),
        "__a__": (("a", [("italic", 0, 1)]), DIALECT),
        "--a--": (("a", [("underline", 0, 1)]), DIALECT),
        "~~a~~": (("a", [("strike", 0, 1)]), DIALECT),
        "*a*": (("*a*", []), DIALECT),
        "_a_": (("_a_", []), DIALECT),
        "~a~": (("~a~", []), DIALECT),
        ">a\n>b||": (("a\nb", [("blockquote", 0, 3, False)]), LINES),
        "2*3*4": (("2*3*4", []), DIALECT),
        "a\\*b": (("a\\*b", []), ESCAPES),
        "`a": (("a", []), NO_TEXT_LOST),
        "[**a**](u)": (("**a**", [("text_url", 0, 5, "u")]), WITHIN),
        "<b>a</b>": (("a", [("bold", 0, 1)]), BOTH),
    },
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("mode", ["html", "markdown_v2"])
def test_sources_are_read_alike_but_for_the_differences_listed(ours, mode, library):
    sources = {"html": HTML, "markdown_v2": MARKDOWN}[mode]
    listed = DIFFERENCES[mode, library]
    assert set(listed) <= set(sources), "a difference of no source"
    for source in sources:
        mine = read_by_us(ours, mode, source)
        theirs = LIBRARIES[library](mode, source)
        if source in listed:
            expected, why = listed[source]
            expected = (expected[0], in_order(expected[1]))
            assert theirs == expected, f"{source!r}: {why}"
            assert mine != theirs, f"{source!r} is read alike: it is no difference any more"
        else:
            assert mine == theirs, source


STYLES = {"b": "bold", "i": "italic", "u": "underline", "s": "strike", "blockquote": "blockquote"}
WORDS = ["a", "bc", "é", "€", "😀", "🇺🇦", "👨‍👩‍👧", "x &amp; y", "1 &lt; 2", "two words", "line\nline"]


def any_html(chance, depth, without=()):
    """Valid HTML of tags that all three know, none within itself, none empty."""
    pieces = [chance.choice(WORDS)]
    for _ in range(chance.randrange(4)):
        tags = [tag for tag in STYLES if tag not in without]
        kind = chance.randrange(4)
        if kind == 0 or depth == 0 or not tags:
            pieces.append(chance.choice(WORDS))
        elif kind == 1 and "a" not in without:
            inner = any_html(chance, 0, (*without, "a"))
            pieces.append(f'<a href="https://x.example/?n={chance.randrange(9)}&amp;m=1">{inner}</a>')
        elif kind == 2 and not without:
            tag = chance.choice(["code", "pre"])
            pieces.append(f"<{tag}>{chance.choice(WORDS)}</{tag}>")
        else:
            tag = chance.choice(tags)
            # Quotations are outermost, as in messages.
            inner = any_html(chance, depth - 1, (*without, tag, "blockquote"))
            pieces.append(f"<{tag}>{inner}</{tag}>")
    return " ".join(pieces) if chance.random() < 0.5 else "".join(pieces)


def joined(read):
    """Styles that touch, as one, which is what they look like."""
    text, entities = read
    kept = []
    for entity in sorted(entities, key=lambda entity: entity[1]):
        before = [other for other in kept if other[0] == entity[0] and other[1] + other[2] == entity[1]]
        if len(entity) == 3 and entity[0] != "code" and before:
            kept.remove(before[0])
            entity = (entity[0], before[0][1], before[0][2] + entity[2])
        kept.append(entity)
    return text, in_order(kept)


@pytest.mark.parametrize("library", LIBRARIES)
def test_valid_html_is_read_alike_and_what_we_write_is_read_as_it_was_meant(ours, library):
    chance = random.Random(23)
    kinds = set()
    for _ in range(400):
        source = any_html(chance, 3)
        mine = read_by_us(ours, "html", source, strict=True)
        assert LIBRARIES[library]("html", source) == mine, source
        written = ours("html", source)["html"]
        normal = read_by_us(ours, "html", source, normalized=True)
        assert joined(LIBRARIES[library]("html", written)) == normal, f"{source!r} written as {written!r}"
        kinds.update(entity[0] for entity in mine[1])
    assert kinds == {*STYLES.values(), "text_url", "code", "pre"}, "all that was meant to be shown was"


def test_what_we_write_as_markdown_is_read_by_us_as_it_was_meant(ours):
    chance = random.Random(24)
    for _ in range(400):
        source = any_html(chance, 3, without=("blockquote",))
        written = ours("html", source)["markdown_v2"]
        normal = read_by_us(ours, "html", source, normalized=True)
        assert read_by_us(ours, "markdown_v2", written, strict=True, normalized=True) == normal, written
