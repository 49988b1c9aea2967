//! Buttons below messages and in place of the keyboard: made by bots, read and pressed by people.

use actogram_tl::{enums, types};
use bytes::Bytes;

/// So many bytes a button may carry (<https://core.telegram.org/constructor/inlineButtonTypeCallback>).
pub const CALLBACK_DATA: usize = 64;
/// So many characters may stand in an empty input field (<https://core.telegram.org/constructor/replyKeyboardMarkup>).
pub const PLACEHOLDER: usize = 64;

/// Why a keyboard cannot be sent. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyboardError {
    /// A button's data is empty or too long.
    #[error(
        "the data of the button {button:?} has {length} bytes: it may have 1 to {CALLBACK_DATA}"
    )]
    Data {
        /// What is written on the button.
        button: String,
        /// How many bytes it was to carry.
        length: usize,
    },
    /// Nothing is written on a button.
    #[error("nothing is written on button {number}, counted from 1")]
    Text {
        /// Which button, counted from 1.
        number: usize,
    },
    /// There is no button.
    #[error("the keyboard has no button")]
    Empty,
    /// The text of the empty input field is too long.
    #[error("the placeholder has {length} characters: it may have 1 to {PLACEHOLDER}")]
    Placeholder {
        /// How many characters it has.
        length: usize,
    },
}

/// What goes with a message: an [`InlineKeyboard`], a [`ReplyKeyboard`], [`RemoveKeyboard`], [`ForceReply`], or a
/// `ReplyMarkup` of the schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Markup(Result<enums::ReplyMarkup, KeyboardError>);

impl Markup {
    /// As the schema has it.
    ///
    /// # Errors
    /// [`KeyboardError`] if Telegram would refuse it.
    pub fn into_schema(self) -> Result<enums::ReplyMarkup, KeyboardError> {
        self.0
    }
}

impl From<enums::ReplyMarkup> for Markup {
    fn from(markup: enums::ReplyMarkup) -> Self {
        Self(Ok(markup))
    }
}

/// Rows of buttons in the making.
#[derive(Debug, Clone, PartialEq)]
struct Rows<B> {
    rows: Vec<Vec<B>>,
    count: usize,
    error: Option<KeyboardError>,
}

impl<B> Default for Rows<B> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            count: 0,
            error: None,
        }
    }
}

impl<B> Rows<B> {
    fn push(&mut self, text: String, button: impl FnOnce(String) -> B) {
        self.count += 1;
        if text.is_empty() {
            let number = self.count;
            self.refuse(KeyboardError::Text { number });
        }
        let button = button(text);
        match self.rows.last_mut() {
            Some(row) => row.push(button),
            None => self.rows.push(vec![button]),
        }
    }

    fn next(&mut self) {
        if self.rows.last().is_some_and(|row| !row.is_empty()) {
            self.rows.push(Vec::new());
        }
    }

    /// Keeps what went wrong first.
    fn refuse(&mut self, error: KeyboardError) {
        self.error.get_or_insert(error);
    }

    fn finish(self) -> Result<Vec<Vec<B>>, KeyboardError> {
        match self.error {
            Some(error) => Err(error),
            None if self.count == 0 => Err(KeyboardError::Empty),
            None => Ok(self
                .rows
                .into_iter()
                .filter(|row| !row.is_empty())
                .collect()),
        }
    }
}

/// Buttons below a message. Only bots send them (<https://core.telegram.org/api/bots/buttons>).
///
/// ```
/// # async fn act(message: actogram::Msg) -> actogram::Result<()> {
/// use actogram::InlineKeyboard;
///
/// let keyboard = InlineKeyboard::new()
///     .callback("Yes", "vote:yes")
///     .callback("No", "vote:no")
///     .row()
///     .url("What is this about?", "https://example.org/");
/// message.reply("Shall we?").buttons(keyboard).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InlineKeyboard {
    rows: Rows<enums::KeyboardInlineButton>,
}

impl InlineKeyboard {
    /// Without buttons yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Further buttons go into a new row.
    pub fn row(mut self) -> Self {
        self.rows.next();
        self
    }

    /// A button whose data comes to the bot as a [`CallbackQuery`](crate::CallbackQuery): 1 to [`CALLBACK_DATA`] bytes. With
    /// fewer or more the message is not sent: [`KeyboardError::Data`].
    pub fn callback(mut self, text: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        let (text, data) = (text.into(), data.into());
        if !(1..=CALLBACK_DATA).contains(&data.len()) {
            self.rows.refuse(KeyboardError::Data {
                button: text.clone(),
                length: data.len(),
            });
        }
        self.button(text, types::InlineButtonTypeCallback::new(data.into()))
    }

    /// A button that opens an address.
    pub fn url(self, text: impl Into<String>, url: impl Into<String>) -> Self {
        self.button(text, types::InlineButtonTypeUrl { url: url.into() })
    }

    /// A button that puts a text into the clipboard.
    pub fn copy(self, text: impl Into<String>, copied: impl Into<String>) -> Self {
        let copy_text = copied.into();
        self.button(text, types::InlineButtonTypeCopy { copy_text })
    }

    /// A button that lets the presser choose a chat and asks the bot inline there.
    pub fn switch_inline(self, text: impl Into<String>, query: impl Into<String>) -> Self {
        self.button(text, types::InlineButtonTypeSwitchInline::new(query.into()))
    }

    /// A button that asks the bot inline in the chat it stands in.
    pub fn switch_inline_here(self, text: impl Into<String>, query: impl Into<String>) -> Self {
        let mut here = types::InlineButtonTypeSwitchInline::new(query.into());
        here.same_peer = true;
        self.button(text, here)
    }

    /// A button that opens a web app. In private chats only.
    pub fn web_app(self, text: impl Into<String>, url: impl Into<String>) -> Self {
        self.button(text, types::InlineButtonTypeWebView { url: url.into() })
    }

    /// A button of any kind (<https://core.telegram.org/type/InlineButtonType>).
    pub fn button(
        mut self,
        text: impl Into<String>,
        kind: impl Into<enums::InlineButtonType>,
    ) -> Self {
        self.rows.push(text.into(), |text| {
            types::KeyboardInlineButton::new(text, kind.into()).into()
        });
        self
    }
}

impl From<InlineKeyboard> for Markup {
    fn from(keyboard: InlineKeyboard) -> Self {
        Self(keyboard.rows.finish().map(|rows| {
            let rows = rows
                .into_iter()
                .map(|buttons| types::KeyboardInlineButtonRow { buttons }.into());
            types::ReplyInlineMarkup::new(rows.collect()).into()
        }))
    }
}

/// Buttons in place of the keyboard: what is pressed is sent. Only bots send them.
///
/// ```
/// # async fn act(message: actogram::Msg) -> actogram::Result<()> {
/// use actogram::ReplyKeyboard;
///
/// let keyboard = ReplyKeyboard::new()
///     .text("Later")
///     .row()
///     .request_contact("My number")
///     .request_location("Where I am")
///     .resize()
///     .one_time();
/// message.answer("How do we find you?").buttons(keyboard).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReplyKeyboard {
    rows: Rows<enums::KeyboardButton>,
    resize: bool,
    one_time: bool,
    selective: bool,
    persistent: bool,
    placeholder: Option<String>,
}

impl ReplyKeyboard {
    /// Without buttons yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Further buttons go into a new row.
    pub fn row(mut self) -> Self {
        self.rows.next();
        self
    }

    /// A button whose text is sent when it is pressed.
    pub fn text(self, text: impl Into<String>) -> Self {
        self.button(text, enums::ButtonType::ButtonTypeDefault)
    }

    /// A button that sends the presser's phone number, if they agree. In private chats only.
    pub fn request_contact(self, text: impl Into<String>) -> Self {
        self.button(text, enums::ButtonType::ButtonTypeRequestPhone)
    }

    /// A button that sends where the presser is, if they agree. In private chats only.
    pub fn request_location(self, text: impl Into<String>) -> Self {
        self.button(text, enums::ButtonType::ButtonTypeRequestGeoLocation)
    }

    /// A button of any kind (<https://core.telegram.org/type/ButtonType>).
    pub fn button(mut self, text: impl Into<String>, kind: impl Into<enums::ButtonType>) -> Self {
        self.rows.push(text.into(), |text| {
            types::KeyboardButton::new(text, kind.into()).into()
        });
        self
    }

    /// The keyboard is only as high as its buttons need.
    pub fn resize(mut self) -> Self {
        self.resize = true;
        self
    }

    /// The keyboard goes away when a button was pressed.
    pub fn one_time(mut self) -> Self {
        self.one_time = true;
        self
    }

    /// Only who is mentioned or answered gets the keyboard.
    pub fn selective(mut self) -> Self {
        self.selective = true;
        self
    }

    /// The keyboard stays where the usual one would be shown.
    pub fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// Stands in the empty input field: 1 to [`PLACEHOLDER`] characters.
    pub fn placeholder(mut self, text: impl Into<String>) -> Self {
        self.placeholder = Some(text.into());
        self
    }
}

fn placeholder(text: Option<String>) -> Result<Option<String>, KeyboardError> {
    let length = text.as_ref().map(|text| text.chars().count());
    match length {
        Some(length) if !(1..=PLACEHOLDER).contains(&length) => {
            Err(KeyboardError::Placeholder { length })
        }
        _ => Ok(text),
    }
}

impl From<ReplyKeyboard> for Markup {
    fn from(keyboard: ReplyKeyboard) -> Self {
        let made = || {
            let rows = keyboard.rows.finish()?;
            let rows = rows
                .into_iter()
                .map(|buttons| types::KeyboardButtonRow { buttons }.into());
            let mut markup = types::ReplyKeyboardMarkup::new(rows.collect());
            markup.resize = keyboard.resize;
            markup.single_use = keyboard.one_time;
            markup.selective = keyboard.selective;
            markup.persistent = keyboard.persistent;
            markup.placeholder = placeholder(keyboard.placeholder)?;
            Ok(markup.into())
        };
        Self(made())
    }
}

/// Takes a [`ReplyKeyboard`] away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoveKeyboard {
    selective: bool,
}

impl RemoveKeyboard {
    /// For everybody in the chat.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only for who is mentioned or answered.
    pub fn selective(mut self) -> Self {
        self.selective = true;
        self
    }
}

impl From<RemoveKeyboard> for Markup {
    fn from(remove: RemoveKeyboard) -> Self {
        let selective = remove.selective;
        Self(Ok(types::ReplyKeyboardHide { selective }.into()))
    }
}

/// Has the reader's program begin an answer to the message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForceReply {
    selective: bool,
    placeholder: Option<String>,
}

impl ForceReply {
    /// For everybody in the chat.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only for who is mentioned or answered.
    pub fn selective(mut self) -> Self {
        self.selective = true;
        self
    }

    /// Stands in the empty input field: 1 to [`PLACEHOLDER`] characters.
    pub fn placeholder(mut self, text: impl Into<String>) -> Self {
        self.placeholder = Some(text.into());
        self
    }
}

impl From<ForceReply> for Markup {
    fn from(force: ForceReply) -> Self {
        let selective = force.selective;
        Self(placeholder(force.placeholder).map(|placeholder| {
            let mut markup = types::ReplyKeyboardForceReply::new();
            markup.selective = selective;
            markup.placeholder = placeholder;
            markup.into()
        }))
    }
}

/// A button of a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Button {
    /// Its row, counted from 0.
    pub row: usize,
    /// Its place in the row, counted from 0.
    pub column: usize,
    /// What is written on it.
    pub text: String,
    /// What happens when it is pressed.
    pub kind: ButtonKind,
}

/// What happens when a button is pressed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ButtonKind {
    /// The bot is told, with this data.
    Callback(Bytes),
    /// An address is opened.
    Url(String),
    /// A text goes into the clipboard.
    Copy(String),
    /// The bot is asked inline.
    SwitchInline {
        /// What is asked.
        query: String,
        /// In the chat it stands in.
        here: bool,
    },
    /// A web app is opened.
    WebApp(String),
    /// Its text is sent.
    Text,
    /// The phone number is sent.
    RequestContact,
    /// The place is sent.
    RequestLocation,
    /// Something else of an inline keyboard.
    OtherInline(enums::InlineButtonType),
    /// Something else of a keyboard that replaces the usual one.
    Other(enums::ButtonType),
}

impl From<&enums::InlineButtonType> for ButtonKind {
    fn from(kind: &enums::InlineButtonType) -> Self {
        use enums::InlineButtonType as T;
        match kind {
            T::InlineButtonTypeCallback(callback) => {
                Self::Callback(Bytes::copy_from_slice(&callback.data))
            }
            T::InlineButtonTypeUrl(url) => Self::Url(url.url.clone()),
            T::InlineButtonTypeCopy(copy) => Self::Copy(copy.copy_text.clone()),
            T::InlineButtonTypeSwitchInline(switch) => Self::SwitchInline {
                query: switch.query.clone(),
                here: switch.same_peer,
            },
            T::InlineButtonTypeWebView(web) => Self::WebApp(web.url.clone()),
            other => Self::OtherInline(other.clone()),
        }
    }
}

impl From<&enums::ButtonType> for ButtonKind {
    fn from(kind: &enums::ButtonType) -> Self {
        use enums::ButtonType as T;
        match kind {
            T::ButtonTypeDefault => Self::Text,
            T::ButtonTypeRequestPhone => Self::RequestContact,
            T::ButtonTypeRequestGeoLocation => Self::RequestLocation,
            T::ButtonTypeSimpleWebView(web) => Self::WebApp(web.url.clone()),
            other => Self::Other(other.clone()),
        }
    }
}

/// The buttons of a message, row by row.
pub(crate) fn buttons(markup: &enums::ReplyMarkup) -> Vec<Button> {
    let mut found = Vec::new();
    match markup {
        enums::ReplyMarkup::ReplyInlineMarkup(markup) => {
            for (row, buttons) in markup.rows.iter().enumerate() {
                let enums::KeyboardInlineButtonRow::KeyboardInlineButtonRow(buttons) = buttons;
                for (column, button) in buttons.buttons.iter().enumerate() {
                    let enums::KeyboardInlineButton::KeyboardInlineButton(button) = button;
                    found.push(Button {
                        row,
                        column,
                        text: button.text.clone(),
                        kind: ButtonKind::from(&button.type_),
                    });
                }
            }
        }
        enums::ReplyMarkup::ReplyKeyboardMarkup(markup) => {
            for (row, buttons) in markup.rows.iter().enumerate() {
                let enums::KeyboardButtonRow::KeyboardButtonRow(buttons) = buttons;
                for (column, button) in buttons.buttons.iter().enumerate() {
                    let enums::KeyboardButton::KeyboardButton(button) = button;
                    found.push(Button {
                        row,
                        column,
                        text: button.text.clone(),
                        kind: ButtonKind::from(&button.type_),
                    });
                }
            }
        }
        _ => {}
    }
    found
}

/// Which of a message's buttons is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ButtonChoice {
    /// By its number, counted from 0, row by row.
    Number(usize),
    /// By its row and its place in it, both counted from 0.
    At(usize, usize),
    /// By what is written on it: the first of them.
    Text(String),
    /// By the data it carries.
    Data(Vec<u8>),
}

impl ButtonChoice {
    pub(crate) fn find(&self, buttons: Vec<Button>) -> Option<Button> {
        let mut buttons = buttons.into_iter();
        match self {
            Self::Number(number) => buttons.nth(*number),
            Self::At(row, column) => {
                buttons.find(|button| (button.row, button.column) == (*row, *column))
            }
            Self::Text(text) => buttons.find(|button| button.text == *text),
            Self::Data(data) => buttons
                .find(|button| matches!(&button.kind, ButtonKind::Callback(it) if it == data)),
        }
    }
}

impl From<usize> for ButtonChoice {
    fn from(number: usize) -> Self {
        Self::Number(number)
    }
}

impl From<(usize, usize)> for ButtonChoice {
    fn from((row, column): (usize, usize)) -> Self {
        Self::At(row, column)
    }
}

impl From<&str> for ButtonChoice {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn error(markup: impl Into<Markup>) -> KeyboardError {
        markup.into().into_schema().unwrap_err()
    }

    #[test]
    fn data_has_1_to_64_bytes() {
        for length in [1, 64] {
            let keyboard = InlineKeyboard::new().callback("a", vec![7; length]);
            let markup = Markup::from(keyboard).into_schema().unwrap();
            assert_eq!(
                buttons(&markup)[0].kind,
                ButtonKind::Callback(vec![7; length].into())
            );
        }
        for length in [0, 65] {
            let keyboard = InlineKeyboard::new()
                .callback("good", "x")
                .callback("bad", vec![7; length])
                .callback("", "x");
            let button = "bad".to_owned();
            assert_eq!(error(keyboard), KeyboardError::Data { button, length });
        }
        // Bytes are counted, not letters.
        assert!(matches!(
            error(InlineKeyboard::new().callback("a", "я".repeat(33))),
            KeyboardError::Data { length: 66, .. }
        ));
    }

    #[test]
    fn what_cannot_be_pressed_is_refused() {
        assert_eq!(error(InlineKeyboard::new()), KeyboardError::Empty);
        assert_eq!(
            error(ReplyKeyboard::new().row().row()),
            KeyboardError::Empty
        );
        assert_eq!(
            error(ReplyKeyboard::new().text("a").text("")),
            KeyboardError::Text { number: 2 }
        );
        for length in [0, 65] {
            let text = "я".repeat(length);
            let refused = KeyboardError::Placeholder { length };
            assert_eq!(error(ForceReply::new().placeholder(&text)), refused);
            let keyboard = ReplyKeyboard::new().text("a").placeholder(text);
            assert_eq!(error(keyboard), refused);
        }
        let longest = ForceReply::new().placeholder("я".repeat(64));
        assert!(Markup::from(longest).into_schema().is_ok());
    }

    #[test]
    fn what_was_built_is_read_back() {
        let inline = InlineKeyboard::new()
            .row()
            .callback("a", "1")
            .url("b", "https://b.example")
            .row()
            .row()
            .copy("c", "text")
            .switch_inline_here("d", "q")
            .web_app("e", "https://e.example");
        let read = buttons(&Markup::from(inline).into_schema().unwrap());
        let places: Vec<_> = read
            .iter()
            .map(|it| (it.row, it.column, it.text.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                (0, 0, "a"),
                (0, 1, "b"),
                (1, 0, "c"),
                (1, 1, "d"),
                (1, 2, "e")
            ]
        );
        assert_eq!(read[1].kind, ButtonKind::Url("https://b.example".into()));
        let query = "q".to_owned();
        assert_eq!(read[3].kind, ButtonKind::SwitchInline { query, here: true });

        let reply = ReplyKeyboard::new()
            .text("x")
            .request_contact("y")
            .request_location("z");
        let read = buttons(&Markup::from(reply).into_schema().unwrap());
        let kinds: Vec<_> = read.iter().map(|it| it.kind.clone()).collect();
        assert_eq!(
            kinds,
            [
                ButtonKind::Text,
                ButtonKind::RequestContact,
                ButtonKind::RequestLocation
            ]
        );
        for (choice, text) in [
            (ButtonChoice::from(1), "y"),
            (ButtonChoice::from((0, 2)), "z"),
            (ButtonChoice::from("x"), "x"),
        ] {
            assert_eq!(choice.find(read.clone()).unwrap().text, text);
        }
        for nothing in [ButtonChoice::Number(3), ButtonChoice::At(1, 0)] {
            assert_eq!(nothing.find(read.clone()), None);
        }
    }
}
