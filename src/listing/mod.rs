//! Long lists, read page by page as they are asked for: histories, dialogs, members, search results.

mod dialogs;
mod members;
mod messages;

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, future::BoxFuture};

pub use dialogs::{Dialog, Dialogs};
pub use members::{MemberFilter, Members};
pub use messages::{History, Search};

use crate::{Api, Result};

/// Reads one kind of list. Only this crate has any.
pub trait Source: private::Pages {}

pub(crate) mod private {
    use super::{Api, BoxFuture, Page, Result};

    pub trait Pages: Send + Sized + 'static {
        type Item: Send + Unpin + 'static;
        /// The most that one call gives.
        const PAGE: usize;

        /// The page after the last one, of at most so many items, and where the next one begins: `Err` leaves that where
        /// it was.
        fn page(&mut self, api: &Api, most: usize) -> BoxFuture<'_, Result<Page<Self::Item>>>;
    }
}

/// Part of a list.
pub struct Page<T> {
    pub(crate) items: Vec<T>,
    /// How long the whole list is, if that is told.
    pub(crate) total: Option<usize>,
    /// Nothing follows.
    pub(crate) last: bool,
}

/// How far a list has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// So many items have been given.
    pub given: usize,
    /// So many there are, as the datacenter last told, or as the [limit](Listing::limit) has it if that is less. Nothing
    /// before the first page, and where the datacenter does not tell. Items that are passed over are counted here.
    pub total: Option<usize>,
}

/// A list at Telegram, as a [`Stream`] that asks for a page when one is needed.
///
/// It asks for nothing before it is polled. Flood waits are slept through as those of any call
/// ([`flood_wait_limit`](crate::CallSettings)). An error is given as an item: whoever asks again has the page that failed
/// asked for again, so nothing is lost or doubled; whoever stops at errors uses `?`, as here:
///
/// ```no_run
/// # async fn act(api: actogram::Api) -> actogram::Result<()> {
/// use futures_util::TryStreamExt;
///
/// let mut history = api.history("@name").limit(500);
/// while let Some(message) = history.try_next().await? {
///     println!("{:?} {}", history.progress(), message.text());
/// }
/// # Ok(()) }
/// ```
#[must_use = "nothing is read until the stream is polled"]
pub struct Listing<S: Source> {
    api: Api,
    state: State<S>,
    buffer: VecDeque<<S as private::Pages>::Item>,
    limit: Option<usize>,
    progress: Progress,
}

type Loaded<S> = (S, Result<Page<<S as private::Pages>::Item>>);

enum State<S: Source> {
    Idle(S),
    Loading(BoxFuture<'static, Loaded<S>>),
    /// The last page is in the buffer.
    Over,
}

impl<S: Source> Listing<S> {
    pub(crate) fn new(api: Api, source: S) -> Self {
        Self {
            api,
            state: State::Idle(source),
            buffer: VecDeque::new(),
            limit: None,
            progress: Progress::default(),
        }
    }

    /// Gives at most so many items, counted from the beginning.
    pub fn limit(mut self, items: usize) -> Self {
        self.limit = Some(items);
        self
    }

    /// How far it has been read.
    pub fn progress(&self) -> Progress {
        let mut progress = self.progress;
        if let (Some(total), Some(limit)) = (&mut progress.total, self.limit) {
            *total = (*total).min(limit);
        }
        progress
    }

    /// All items that are left.
    ///
    /// # Errors
    /// The first error; what came before it is dropped.
    pub async fn collect(mut self) -> Result<Vec<<S as private::Pages>::Item>> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await? {
            items.push(item);
        }
        Ok(items)
    }

    /// The next item; nothing at the end. As `TryStreamExt::try_next`, without that trait.
    ///
    /// # Errors
    /// The datacenter's refusal. Whoever asks again has the same page asked for again.
    pub async fn next(&mut self) -> Result<Option<<S as private::Pages>::Item>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx))
            .await
            .transpose()
    }

    /// Changes where it begins, before it has begun.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut S)) -> Self {
        if let State::Idle(source) = &mut self.state {
            change(source);
        }
        self
    }

    fn left(&self) -> usize {
        let limit = self.limit.unwrap_or(usize::MAX);
        limit.saturating_sub(self.progress.given)
    }
}

impl<S: Source> Stream for Listing<S> {
    type Item = Result<<S as private::Pages>::Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.left() == 0 {
                return Poll::Ready(None);
            }
            if let Some(item) = this.buffer.pop_front() {
                this.progress.given += 1;
                return Poll::Ready(Some(Ok(item)));
            }
            match std::mem::replace(&mut this.state, State::Over) {
                State::Over => return Poll::Ready(None),
                State::Idle(mut source) => {
                    let api = this.api.clone();
                    let most = this.left().min(S::PAGE);
                    this.state = State::Loading(Box::pin(async move {
                        let page = source.page(&api, most).await;
                        (source, page)
                    }));
                }
                State::Loading(mut loading) => match loading.as_mut().poll(cx) {
                    Poll::Pending => {
                        this.state = State::Loading(loading);
                        return Poll::Pending;
                    }
                    Poll::Ready((source, Ok(page))) => {
                        this.buffer.extend(page.items);
                        this.progress.total = page.total.or(this.progress.total);
                        if !page.last {
                            this.state = State::Idle(source);
                        }
                    }
                    Poll::Ready((source, Err(error))) => {
                        this.state = State::Idle(source);
                        return Poll::Ready(Some(Err(error)));
                    }
                },
            }
        }
    }
}

// Nothing in it is pinned: the future is boxed.
impl<S: Source> Unpin for Listing<S> {}

impl<S: Source> fmt::Debug for Listing<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("progress", &self.progress())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// A number of the schema that counts something.
fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
