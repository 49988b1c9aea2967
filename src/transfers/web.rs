//! Files of Telegram as answers of a web server on actix-web.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::SizedStream,
    http::{
        Method, StatusCode,
        header::{self, Header as _, Range},
    },
};
use futures_util::StreamExt as _;

use super::RemoteFile;
use crate::{Api, Error, Result};

/// What is asked for of a file of this length.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// These bytes, both ends included.
    Part(u64, u64),
    Nothing,
}

/// One range can be answered in part; several are answered by the whole, as a server may
/// (<https://www.rfc-editor.org/rfc/rfc9110#section-14.2>).
fn wanted(request: &HttpRequest, tag: &str, length: u64) -> Wanted {
    let unchanged = request
        .headers()
        .get(header::IF_RANGE)
        .is_none_or(|before| before.as_bytes() == tag.as_bytes());
    let range = match Range::parse(request) {
        Ok(Range::Bytes(specs)) if unchanged => specs,
        _ => return Wanted::Whole,
    };
    match &range[..] {
        [spec] => match spec.to_satisfiable_range(length) {
            Some((from, to)) => Wanted::Part(from, to),
            None => Wanted::Nothing,
        },
        _ => Wanted::Whole,
    }
}

impl Api {
    /// Answers a request of a web server with the photo or file of a message: as a whole, or the range that is asked for, so
    /// that players can seek and downloads go on. The bytes pass through without being kept.
    ///
    /// Whoever can send such a request gets the file: decide before who may.
    ///
    /// ```no_run
    /// # async fn act(api: actogram::Api, message: actogram::Msg, request: actix_web::HttpRequest) -> actogram::Result<actix_web::HttpResponse> {
    /// api.file_response(&message, &request).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no file, or its length is not known. What goes wrong later cuts the answer short.
    pub async fn file_response(
        &self,
        file: impl Into<RemoteFile>,
        request: &HttpRequest,
    ) -> Result<HttpResponse> {
        let file = file.into();
        let source = file.source_for(self)?;
        let Some(length) = source.size else {
            return Err(Error::argument(
                "file_response",
                "the length of the file is not known",
            ));
        };
        let tag = format!("\"{}\"", file.identity());
        let (mut response, range) = match wanted(request, &tag, length) {
            Wanted::Nothing => {
                return Ok(HttpResponse::build(StatusCode::RANGE_NOT_SATISFIABLE)
                    .insert_header((header::CONTENT_RANGE, format!("bytes */{length}")))
                    .finish());
            }
            Wanted::Whole => (HttpResponse::Ok(), 0..length),
            Wanted::Part(from, to) => {
                let mut response = HttpResponse::PartialContent();
                response
                    .insert_header((header::CONTENT_RANGE, format!("bytes {from}-{to}/{length}")));
                (response, from..to + 1)
            }
        };
        describe(&mut response, &file, tag);
        let size = range.end - range.start;
        if request.method() == Method::HEAD {
            let nothing = futures_util::stream::empty::<Result<bytes::Bytes, Error>>();
            return Ok(response.body(SizedStream::new(size, nothing)));
        }
        let stream = self.download(file).range(range).stream().await?;
        let stream = stream.map(|piece| piece.map_err(Box::<dyn std::error::Error>::from));
        Ok(response.body(SizedStream::new(size, stream)))
    }
}

fn describe(response: &mut HttpResponseBuilder, file: &RemoteFile, tag: String) {
    let name: String = file
        .name()
        .chars()
        .map(|it| {
            if it == '"' || it == '\\' || !it.is_ascii() {
                '_'
            } else {
                it
            }
        })
        .collect();
    response
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::ETAG, tag))
        // Whatever it says it is, it is not shown as a page of this server.
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ));
    let kind = file.mime_type();
    let valid = header::HeaderValue::from_str(kind);
    let unknown = || header::HeaderValue::from_static("application/octet-stream");
    response.insert_header((header::CONTENT_TYPE, valid.unwrap_or_else(|_| unknown())));
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn ranges_are_taken_as_the_standard_says() {
        for (given, expected) in [
            ("bytes=0-0", Wanted::Part(0, 0)),
            ("bytes=5-", Wanted::Part(5, 9)),
            ("bytes=-3", Wanted::Part(7, 9)),
            ("bytes=-30", Wanted::Part(0, 9)),
            ("bytes=2-100", Wanted::Part(2, 9)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes=x", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            let request = TestRequest::default().insert_header((header::RANGE, given));
            assert_eq!(
                wanted(&request.to_http_request(), "\"t\"", 10),
                expected,
                "{given}"
            );
        }
        let of = |tag: &str| {
            let request = TestRequest::default()
                .insert_header((header::RANGE, "bytes=1-2"))
                .insert_header((header::IF_RANGE, tag));
            wanted(&request.to_http_request(), "\"t\"", 10)
        };
        assert_eq!(of("\"t\""), Wanted::Part(1, 2));
        assert_eq!(of("\"other\""), Wanted::Whole);
    }
}
