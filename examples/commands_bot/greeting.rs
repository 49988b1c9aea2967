//! What everybody may do.

use actogram::{filters::*, prelude::*};

/// Greetings, and a little arithmetic.
pub(crate) fn router() -> Router {
    // The expression is known to be well-formed; were it not, the router would be without it.
    let sum = regex(r"^(\d{1,9}) *\+ *(\d{1,9})$").ok();
    let router = Router::new()
        .on(command("start"), async |_cx: Cx, command: Command| {
            let from = match command.args() {
                "" => String::new(),
                from => format!(" You come from {}.", escape_html(from)),
            };
            command.reply(html(format!("<b>Welcome.</b>{from}"))).await
        })
        .on(
            edited() & !starts_with("/"),
            async |_cx: Cx, message: Msg| message.reply("I saw that.").await,
        );
    match sum {
        Some(sum) => router.on(sum, async |_cx: Cx, sum: Captures| {
            let number = |group| sum.get(group).and_then(|digits| digits.parse::<u64>().ok());
            let total = number(1).zip(number(2)).map(|(left, right)| left + right);
            sum.reply(total.map_or("I cannot.".to_owned(), |total| total.to_string()))
                .await
        }),
        None => router,
    }
}
