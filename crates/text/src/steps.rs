//! Counts what parsers look at, so that a test can say that time grows with the input and no faster.

#[cfg(test)]
std::thread_local! {
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts `looked_at` bytes or items, in tests only.
#[inline]
pub(crate) fn count(looked_at: usize) {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + looked_at as u64));
    #[cfg(not(test))]
    let _ = looked_at;
}

/// The steps of this thread during `work`.
#[cfg(test)]
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> (u64, T) {
    STEPS.with(|steps| steps.set(0));
    let done = work();
    (STEPS.with(std::cell::Cell::get), done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParseMode, html, html_strict, markdown, markdown_legacy, markdown_strict};

    /// What makes parsers that look ahead or back look far: marks that nothing closes, in every order.
    const HOSTILE: &[&str] = &[
        "<",
        "<a",
        "<a ",
        "<a b=\"",
        "<a b='\" c=\"",
        "<b>",
        "</b>",
        "<b></i>",
        "<b><i></b></i>",
        "<b><strong>",
        "<b><i>x</b>",
        "</",
        "&",
        "&#",
        "&#x1",
        "&lt",
        "<pre><code>",
        "<a href=\"tg://user?id=1\">",
        "<blockquote expandable>",
        "<x>",
        "*",
        "_",
        "__",
        "___",
        "**_",
        "*_~||",
        "~||__*",
        "`",
        "``",
        "```",
        "```a",
        "`a``",
        "[",
        "[]",
        "[](",
        "[a](",
        "[a](b",
        "[](b) ",
        "![",
        "![](",
        "![a](tg://emoji?id=",
        "![a](x)",
        "[*",
        "[*](",
        "]",
        "](",
        ">",
        ">*\n",
        ">a||\n",
        "**>a\n",
        "\\",
        "|",
        "||",
        "||\n>",
        "*\n>_\n",
        "\r>",
        "🏟*",
        "a\u{301}",
        "🇺🇦",
        "👨‍👩‍👧",
        "\n",
        " ",
        "[[a](b)",
        "[a]",
        "(a)",
    ];

    fn everything(source: &str) -> usize {
        let texts = [html(source), markdown(source), markdown_legacy(source)];
        let strictly = [html_strict(source), markdown_strict(source)];
        let mut made = strictly.into_iter().flatten().count();
        for text in texts {
            made += text.to_html().len() + text.to_markdown_v2().len();
            made += text.to_markdown_legacy().len() + text.split(64).len();
        }
        made
    }

    fn steps_for(source: &str) -> u64 {
        of(|| everything(source)).0
    }

    #[test]
    fn steps_grow_with_the_source_and_no_faster() {
        for piece in HOSTILE {
            // The same with an end that closes everything, found only at the end.
            for end in [
                "", ")", "]", "]()", "`", "```", "\"", "*", ">", "</b>", "||",
            ] {
                let once = steps_for(&(piece.repeat(100) + end));
                let tenfold = steps_for(&(piece.repeat(1_000) + end));
                assert!(
                    tenfold < 12 * once + 500,
                    "{piece:?} with {end:?}: {once} steps, then {tenfold} for ten times as much"
                );
            }
        }
    }

    #[test]
    fn a_mebibyte_of_marks_is_read_in_a_few_steps_a_byte() {
        for piece in [
            "<", "<b>", "**_", "*_~||", "[", "```", ">*\n", "[](", "<a b=\"",
        ] {
            let source = piece.repeat((1 << 20) / piece.len());
            for mode in [
                ParseMode::Html,
                ParseMode::MarkdownV2,
                ParseMode::MarkdownLegacy,
            ] {
                let (steps, text) = of(|| mode.parse(&source));
                let most = 16 * source.len() as u64;
                assert!(steps < most, "{mode:?}, {piece:?}: {steps} steps of {most}");
                assert!(text.utf16_len() <= source.len());
            }
        }
    }
}
