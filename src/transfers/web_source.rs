//! Files of the web, uploaded as they come.

use std::{io, time::Duration};

use actogram_actors::transfers::{Io, Source};
use bytes::{Bytes, BytesMut};

use crate::{
    Api, Result,
    http::{HttpError, reqwest},
};

/// How long a file may take: at the slowest pace that anybody would wait for, the largest one.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The body of an answer.
pub(super) struct WebSource {
    answer: reqwest::Response,
    size: Option<u64>,
    /// Came with a former read.
    left: Bytes,
}

impl WebSource {
    /// Asks for what is at this address.
    pub(super) async fn open(api: &Api, url: &str) -> Result<Self> {
        let answer = api.http()?.get(url).limit(LIMIT).await?;
        if !answer.status().is_success() {
            return Err(HttpError::Status(answer.status()).into());
        }
        Ok(Self {
            size: answer.content_length(),
            answer,
            left: Bytes::new(),
        })
    }

    async fn more(&mut self) -> io::Result<bool> {
        let next = self.answer.chunk().await.map_err(io::Error::other)?;
        self.left = next.unwrap_or_default();
        Ok(!self.left.is_empty())
    }
}

impl Source for WebSource {
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn read(&mut self, length: usize) -> Io<'_, Bytes> {
        Box::pin(async move {
            if self.left.len() >= length {
                return Ok(self.left.split_to(length));
            }
            let mut bytes = BytesMut::with_capacity(length);
            loop {
                let next = self.left.len().min(length - bytes.len());
                bytes.extend_from_slice(&self.left.split_to(next));
                if bytes.len() == length || !self.more().await? {
                    return Ok(bytes.freeze());
                }
            }
        })
    }
}

/// What the file at an address is called: the last part of its path.
pub(super) fn name_of(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    let last = url.path_segments()?.rfind(|part| !part.is_empty())?;
    let name = percent_encoding::percent_decode_str(last).decode_utf8_lossy();
    Some(super::sanitized(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_last_parts_of_paths() {
        for (url, name) in [
            (
                "https://host.example/a/b/photo.jpg?size=3#top",
                Some("photo.jpg"),
            ),
            ("https://host.example/a%20b.png", Some("a b.png")),
            ("https://host.example/dir/", Some("dir")),
            ("https://host.example/", None),
            ("no address", None),
        ] {
            assert_eq!(name_of(url).as_deref(), name, "{url}");
        }
        let led_astray = name_of("https://host.example/x%2F..%2F..%2Fetc");
        assert!(led_astray.is_some_and(|name| !name.contains('/')));
    }
}
