//! Files uploaded and sent.

use std::{future::IntoFuture, ops::ControlFlow};

use actix::Recipient;
use actogram_actors::transfers::UploadedFile;
use actogram_tl::{enums, functions, types};

use super::{
    Listener, Progress, ProgressReport, UploadFrom,
    upload::{Again, Upload},
};
use crate::{
    Api, Error, Markup, Msg, PeerRef, Result, Text,
    calls::{CallOptions, Pending, call_options, media_to_send, sent_by_id, start},
};

/// What files are when nothing else is said.
const UNKNOWN: &str = "application/octet-stream";

/// Messages of one album.
const MOST_ITEMS: usize = 10;

/// How a file appears in a chat.
#[derive(Debug, Clone, Default)]
struct Appearance {
    photo: bool,
    mime_type: Option<String>,
    attributes: Vec<enums::DocumentAttribute>,
    spoiler: bool,
    as_file: bool,
}

impl Appearance {
    fn media(&self, file: &UploadedFile, thumbnail: Option<&UploadedFile>) -> enums::InputMedia {
        if self.photo {
            let mut media = types::InputMediaUploadedPhoto::new(file.input());
            media.spoiler = self.spoiler;
            return media.into();
        }
        let mime_type = self.mime_type.clone().unwrap_or_else(|| {
            let guessed = mime_guess::from_path(&file.name).first_raw();
            guessed.unwrap_or(UNKNOWN).to_owned()
        });
        let mut attributes = self.attributes.clone();
        attributes.push(
            types::DocumentAttributeFilename {
                file_name: file.name.clone(),
            }
            .into(),
        );
        let mut media = types::InputMediaUploadedDocument::new(file.input(), mime_type, attributes);
        media.thumb = thumbnail.map(UploadedFile::input);
        media.spoiler = self.spoiler;
        media.force_file = self.as_file;
        media.into()
    }
}

/// Uploads a file and sends it; see [`Api::send_file`].
#[must_use = "nothing is sent until the call is awaited or detached"]
pub struct SendFile {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    peer: PeerRef,
    from: UploadFrom,
    appearance: Appearance,
    thumbnail: Option<UploadFrom>,
    caption: Text,
    reply_to: Option<i32>,
    silent: bool,
    buttons: Option<Markup>,
    budget: Option<u64>,
    listeners: Vec<Listener>,
}

const METHOD: &str = "messages.sendMedia";

impl SendFile {
    pub(super) fn new(api: Api, peer: PeerRef, from: UploadFrom) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            peer,
            from,
            appearance: Appearance::default(),
            thumbnail: None,
            caption: Text::default(),
            reply_to: None,
            silent: false,
            buttons: None,
            budget: None,
            listeners: Vec::new(),
        }
    }

    /// Sends it as a photo, which Telegram makes smaller: JPEG or PNG, up to 10 MiB.
    pub fn photo(mut self) -> Self {
        self.appearance.photo = true;
        self
    }

    /// Says what kind of file it is, as `video/mp4`. By default that is guessed by its name.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.appearance.mime_type = Some(mime_type.into());
        self
    }

    /// Adds what is known of it: that it is a video of this size, a voice message, …
    /// (<https://core.telegram.org/type/DocumentAttribute>).
    pub fn attribute(mut self, attribute: impl Into<enums::DocumentAttribute>) -> Self {
        self.appearance.attributes.push(attribute.into());
        self
    }

    /// Sends it as a file, whatever kind it is of.
    pub fn as_file(mut self) -> Self {
        self.appearance.as_file = true;
        self
    }

    /// A small picture of it: a JPEG that fits into 320 × 320.
    pub fn thumbnail(mut self, from: impl Into<UploadFrom>) -> Self {
        self.thumbnail = Some(from.into());
        self
    }

    /// Hides it until it is pressed.
    pub fn spoiler(mut self) -> Self {
        self.appearance.spoiler = true;
        self
    }

    /// The text below it. What is too long is `MEDIA_CAPTION_TOO_LONG`.
    pub fn caption(mut self, text: impl Into<Text>) -> Self {
        self.caption = text.into();
        self
    }

    /// Quotes the message with this number.
    pub fn reply_to(mut self, message_id: i32) -> Self {
        self.reply_to = Some(message_id);
        self
    }

    /// Sends without a sound at the receiver.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Puts a keyboard below it; only bots can.
    pub fn buttons(mut self, keyboard: impl Into<Markup>) -> Self {
        self.buttons = Some(keyboard.into());
        self
    }

    /// Bytes that may be read ahead or be on their way at once. Default 8 MiB.
    pub fn budget(mut self, bytes: u64) -> Self {
        self.budget = Some(bytes);
        self
    }

    /// Calls this with how far the upload is, each time that changes; a slow one is told the latest.
    pub fn on_progress(mut self, callback: impl FnMut(Progress) + Send + 'static) -> Self {
        self.listeners.push(Listener::Callback(Box::new(callback)));
        self
    }

    /// Tells an actor how far the upload is.
    pub fn report_to(mut self, recipient: Recipient<ProgressReport>) -> Self {
        self.listeners.push(Listener::Actor(recipient));
        self
    }

    async fn send(self) -> Result<Msg> {
        let api = self.api;
        // Before gigabytes are uploaded for nobody.
        let peer = api.resolve(self.peer).await?;
        let thumbnail = match self.thumbnail {
            Some(from) => Some(api.upload(from).await?),
            None => None,
        };
        let mut tries = Tries::new(METHOD, self.from.again());
        let mut upload = api.upload(self.from).listeners(self.listeners);
        loop {
            if let Some(budget) = self.budget {
                upload = upload.budget(budget);
            }
            let file = upload.await?;
            let media = self.appearance.media(&file, thumbnail.as_ref());
            let mut call = api.send_media(peer.clone(), media);
            call = call.caption(self.caption.clone());
            if let Some(id) = self.reply_to {
                call = call.reply_to(id);
            }
            if self.silent {
                call = call.silent();
            }
            if let Some(buttons) = self.buttons.clone() {
                call = call.buttons(buttons);
            }
            call.options = self.options.clone();
            let sent = call.await;
            match tries.after(&api, &file, sent)? {
                ControlFlow::Break(message) => return Ok(message),
                ControlFlow::Continue(again) => upload = again,
            }
        }
    }
}

/// So many parts that the datacenter lacks are uploaded one by one.
const MOST_REPAIRS: u32 = 3;

/// What is done where the datacenter did not keep the parts of a file: it may have been started anew, or the file was uploaded
/// long ago.
struct Tries {
    method: &'static str,
    /// The file once more, where it can be read again.
    from: Option<UploadFrom>,
    repairs: u32,
}

impl Tries {
    fn new(method: &'static str, from: Option<UploadFrom>) -> Self {
        Self {
            method,
            from,
            repairs: 0,
        }
    }

    /// What was made of the upload, or the upload to make next.
    fn after<T>(
        &mut self,
        api: &Api,
        file: &UploadedFile,
        used: Result<T>,
    ) -> Result<ControlFlow<T, Upload>> {
        let error = match used {
            Ok(used) => {
                api.account().upload_was_sent(file);
                return Ok(ControlFlow::Break(used));
            }
            Err(error) => error,
        };
        let Some(part) = missing_part(&error) else {
            return Err(error);
        };
        self.repairs += 1;
        let from = self.from.as_ref().and_then(UploadFrom::again);
        let Some(from) = from.filter(|_| self.repairs <= MOST_REPAIRS + 1) else {
            return Err(Error::Incomplete {
                method: self.method.to_owned(),
                expected: "having kept the parts of the file that were uploaded",
            });
        };
        tracing::info!(part, "the datacenter lacks a part of a file");
        let again = match self.repairs <= MOST_REPAIRS {
            true => Again::Part(file.clone(), part),
            false => Again::Anew,
        };
        Ok(ControlFlow::Continue(api.upload(from).again(again)))
    }
}

/// The number of the part that the datacenter lacks, if that is what it says.
fn missing_part(error: &Error) -> Option<i32> {
    let name = error.rpc()?.name.as_str();
    let number = name.strip_prefix("FILE_PART_")?.strip_suffix("_MISSING")?;
    number.parse().ok()
}

impl IntoFuture for SendFile {
    type Output = Result<Msg>;
    type IntoFuture = Pending<Msg>;

    fn into_future(self) -> Self::IntoFuture {
        let (api, options) = (self.api.clone(), self.options.clone());
        start(&api, METHOD, &options, self.send())
    }
}

call_options!(SendFile);

/// One photo or file of an album.
#[must_use = "it is sent with its album"]
#[derive(Debug)]
pub struct AlbumItem {
    from: UploadFrom,
    appearance: Appearance,
    caption: Text,
}

impl AlbumItem {
    /// A photo: JPEG or PNG, up to 10 MiB.
    pub fn photo(from: impl Into<UploadFrom>) -> Self {
        let mut item = Self::file(from);
        item.appearance.photo = true;
        item
    }

    /// A file.
    pub fn file(from: impl Into<UploadFrom>) -> Self {
        Self {
            from: from.into(),
            appearance: Appearance::default(),
            caption: Text::default(),
        }
    }

    /// Says what kind of file it is; see [`SendFile::mime_type`].
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.appearance.mime_type = Some(mime_type.into());
        self
    }

    /// Adds what is known of it; see [`SendFile::attribute`].
    pub fn attribute(mut self, attribute: impl Into<enums::DocumentAttribute>) -> Self {
        self.appearance.attributes.push(attribute.into());
        self
    }

    /// The text below it. An album shows the first one's.
    pub fn caption(mut self, text: impl Into<Text>) -> Self {
        self.caption = text.into();
        self
    }
}

/// Uploads files and sends them as one album; see [`Api::send_album`].
#[must_use = "nothing is sent until the call is awaited or detached"]
pub struct SendAlbum {
    pub(crate) api: Api,
    pub(crate) options: CallOptions,
    peer: PeerRef,
    items: Vec<AlbumItem>,
    reply_to: Option<i32>,
    silent: bool,
}

const ALBUM: &str = "messages.sendMultiMedia";
const UPLOAD_MEDIA: &str = "messages.uploadMedia";

impl SendAlbum {
    pub(super) fn new(api: Api, peer: PeerRef, items: Vec<AlbumItem>) -> Self {
        Self {
            api,
            options: CallOptions::default(),
            peer,
            items,
            reply_to: None,
            silent: false,
        }
    }

    /// Quotes the message with this number.
    pub fn reply_to(mut self, message_id: i32) -> Self {
        self.reply_to = Some(message_id);
        self
    }

    /// Sends without a sound at the receiver.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    async fn send(self) -> Result<Vec<Msg>> {
        let api = self.api;
        if !(1..=MOST_ITEMS).contains(&self.items.len()) {
            let why = format!(
                "an album has 1 to {MOST_ITEMS} items, this one {}: send several",
                self.items.len()
            );
            return Err(Error::argument(ALBUM, why));
        }
        let peer = api.resolve(self.peer).await?;
        let mut singles = Vec::with_capacity(self.items.len());
        let mut random_ids = Vec::with_capacity(self.items.len());
        for item in self.items {
            let mut tries = Tries::new(UPLOAD_MEDIA, item.from.again());
            let mut upload = api.upload(item.from);
            let kept = loop {
                let file = upload.await?;
                let media = item.appearance.media(&file, None);
                let kept = functions::messages::UploadMedia::new(peer.clone(), media);
                match tries.after(&api, &file, api.invoke(kept).await)? {
                    ControlFlow::Break(kept) => break kept,
                    ControlFlow::Continue(again) => upload = again,
                }
            };
            let media = media_to_send(&kept).map_err(|why| Error::argument(ALBUM, why))?;
            let random_id = api.random_id();
            let mut single =
                types::InputSingleMedia::new(media, random_id, item.caption.as_str().to_owned());
            let entities = api.entities_to_send(&item.caption).await?;
            single.entities = (!entities.is_empty()).then_some(entities);
            random_ids.push(random_id);
            singles.push(single.into());
        }
        let mut function = functions::messages::SendMultiMedia::new(peer, singles);
        function.silent = self.silent;
        function.reply_to = self
            .reply_to
            .map(|id| types::InputReplyToMessage::new(id).into());
        let terms = self.options.terms(&api);
        let updates = api.invoke_with(&function, terms).await?;
        Ok(sent_by_id(&api, &updates, &random_ids))
    }
}

impl IntoFuture for SendAlbum {
    type Output = Result<Vec<Msg>>;
    type IntoFuture = Pending<Vec<Msg>>;

    fn into_future(self) -> Self::IntoFuture {
        let (api, options) = (self.api.clone(), self.options.clone());
        start(&api, ALBUM, &options, self.send())
    }
}

call_options!(SendAlbum);
