//! Questions to people, whose answers come back to the handler that asked.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use actix::{Addr, Handler, Message};
use actogram_actors::Done;
use tokio::{sync::oneshot, time::timeout};

use super::{
    Cx, DispatcherActor,
    waits::{Since, Take, Verdict, Wait, WaitId},
};
use crate::{
    Error, Msg, PeerId, PeerRef, Result, Text, Update,
    calls::{Pending, SendMessage},
    filters::{Filter, Matcher, command, extract, mentioned_bot, messages},
};

/// How long an answer is waited for if nothing is said.
const LIMIT: Duration = Duration::from_secs(300);

/// Why a question was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Nobody answered in time. An answer that comes later goes to handlers.
    #[error("no answer came within {limit:?}")]
    Timeout {
        /// How long it was waited for.
        limit: Duration,
    },
    /// The person gave a command that ends the conversation; see [`Ask::cancelled_by`]. It goes to handlers.
    #[error("the conversation was cancelled by a command")]
    Cancelled,
    /// Too many conversations are waiting already.
    #[error(
        "{most} conversations are waiting, and there may be no more; end some by a shorter timeout"
    )]
    TooMany {
        /// How many may.
        most: usize,
    },
    /// The client is shutting down, or has.
    #[error("the client has ended, so no answer will come")]
    Ended,
    /// The peer is the account itself, or one whose id is not known, so that nothing it says can be told.
    #[error("nobody can be asked there: the peer is empty")]
    Nobody,
}

/// A question, or the wait for what somebody says next; see [`Cx::ask`].
#[must_use = "nothing is asked until this is awaited"]
pub struct Ask<M = Filter<Msg>> {
    cx: Cx,
    chat: PeerRef,
    question: Option<SendMessage>,
    from: From,
    matcher: M,
    cancel: Option<Filter<Msg>>,
    limit: Duration,
}

enum From {
    /// Who is being talked to: in a private chat the other side; elsewhere whoever sent what the handler is at, if that
    /// was in the same chat; else anybody.
    Partner,
    Anybody,
    This(PeerRef),
}

impl Cx {
    /// Asks somebody, and waits for the next message of theirs in that chat. It comes to the conversation instead of to
    /// handlers, although the handler that asks has its chat's turn; whatever else comes in the chat waits until
    /// the handler is through, and keeps its order.
    ///
    /// In a private chat the other side is asked. In a group it is the person whose update the handler is at; else say
    /// [`from`](Ask::from), or anybody's next message is the answer. Only what was sent after the question answers it.
    ///
    /// `/cancel` ends the conversation, as [`AskError::Cancelled`], and goes to handlers: see
    /// [`cancelled_by`](Ask::cancelled_by). Five minutes without an answer are [`AskError::Timeout`], unless
    /// [`timeout`](Ask::timeout) says otherwise.
    ///
    /// The update that began the conversation counts as handled when the handler is through. So a conversation ends with
    /// its process, and the next one begins it anew, with the first question. A [shutdown](crate::Client::shutdown)
    /// waits for conversations up to its deadline.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use actogram::{filters::*, prelude::*};
    ///
    /// # fn register(client: Client) {
    /// client.on(command("start"), async |cx: Cx, start: Command| {
    ///     let name = cx.ask(start.message(), "What is your name?").text().await?;
    ///     let age = extract(|message: &Msg| message.text().parse::<u8>().ok());
    ///     let age = cx
    ///         .ask(start.message(), "And your age, in digits?")
    ///         .matching(age)
    ///         .timeout(Duration::from_secs(60))
    ///         .await?;
    ///     start.answer(format!("{name}, {age}")).await
    /// });
    /// # }
    /// ```
    pub fn ask(&self, chat: impl Into<PeerRef>, question: impl Into<Text>) -> Ask {
        let chat = chat.into();
        let question = self.api().send_message(chat.clone(), question);
        Ask::new(self.clone(), chat, Some(question))
    }

    /// As [`ask`](Self::ask), without a question: waits for what is said next, after a message of another kind. What has
    /// come by now and waits for the handler to end may be the answer.
    pub fn listen(&self, chat: impl Into<PeerRef>) -> Ask {
        Ask::new(self.clone(), chat.into(), None)
    }
}

impl Ask {
    fn new(cx: Cx, chat: PeerRef, question: Option<SendMessage>) -> Self {
        Self {
            cx,
            chat,
            question,
            from: From::Partner,
            matcher: messages(),
            cancel: Some(command("cancel").only_check()),
            limit: LIMIT,
        }
    }

    /// Waits for a message with a text in it, and gives the text.
    pub fn text(self) -> Ask<impl Matcher<Output = String>> {
        self.matching(extract(|message: &Msg| {
            Some(message.text().to_owned()).filter(|text| !text.is_empty())
        }))
    }
}

impl<M: Matcher> Ask<M> {
    /// Waits for what this passes, and gives what it gives: a kind of media, a number, the press of a button. What it
    /// does not pass waits for the handler to end, as everything else in the chat.
    pub fn matching<N: Matcher>(self, matcher: N) -> Ask<N> {
        Ask {
            cx: self.cx,
            chat: self.chat,
            question: self.question,
            from: self.from,
            matcher,
            cancel: self.cancel,
            limit: self.limit,
        }
    }

    /// Waits for an answer of this person, group or channel.
    pub fn from(mut self, sender: impl Into<PeerRef>) -> Self {
        self.from = From::This(sender.into());
        self
    }

    /// Takes the answer of whoever in the chat is first.
    pub fn from_anybody(mut self) -> Self {
        self.from = From::Anybody;
        self
    }

    /// How long to wait, from when the question was sent. [`Duration::MAX`] waits as long as it takes.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What ends the conversation, in place of `/cancel`: for instance `any_command().only_check()`.
    pub fn cancelled_by(mut self, filter: Filter<Msg>) -> Self {
        self.cancel = Some(filter);
        self
    }

    /// No command ends the conversation: `/cancel` is an answer like any other.
    pub fn not_cancelled(mut self) -> Self {
        self.cancel = None;
        self
    }
}

impl<M> Ask<M>
where
    M: Matcher,
    M::Output: Send,
{
    async fn run(self) -> Result<M::Output> {
        let api = self.cx.api().clone();
        let chat = id_of(&self.cx, self.chat).await?;
        let from = match self.from {
            From::This(sender) => Some(id_of(&self.cx, sender).await?),
            From::Anybody => None,
            From::Partner => match (chat, self.cx.place()) {
                (PeerId::User(_), _) => Some(chat),
                (_, Some((place, sender))) if place == chat => Some(sender),
                _ => None,
            },
        };
        let (reply, answer) = oneshot::channel();
        let since = match self.question {
            Some(_) => Since::Asking,
            None => Since::Now,
        };
        let cancel = self.cancel.clone();
        let id = WaitId::next();
        let dispatcher = self.cx.dispatcher().clone();
        dispatcher.do_send(Expect(Wait {
            id,
            chat,
            from,
            since,
            take: Box::new(Taker {
                matcher: self.matcher,
                cancel: self.cancel,
                reply: Some(reply),
            }),
        }));
        let mut waiting = Waiting {
            id,
            answer,
            dispatcher,
        };
        if let Some(question) = self.question {
            let sent = question.all().await?;
            let question = sent.last().map_or(0, Msg::id);
            waiting.dispatcher.do_send(Asked { id, question });
        }
        let answer = match timeout(self.limit, &mut waiting.answer).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) => return Err(AskError::Ended.into()),
            Err(_) => return Err(AskError::Timeout { limit: self.limit }.into()),
        };
        // A command may be addressed to the bot by a name that it had not heard before.
        if let (Some(cancel), Some(message)) = (cancel, answer.update.message())
            && let Some(bot) = mentioned_bot(message.text())
        {
            api.learn_own_name(bot).await;
            if cancel.passes(&message) {
                waiting.dispatcher.do_send(answer.returned());
                return Err(AskError::Cancelled.into());
            }
        }
        Ok(answer.value)
    }
}

impl<M> IntoFuture for Ask<M>
where
    M: Matcher,
    M::Output: Send,
{
    type Output = Result<M::Output>;
    type IntoFuture = Pending<M::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

async fn id_of(cx: &Cx, peer: PeerRef) -> Result<PeerId> {
    use actogram_tl::enums::InputPeer as P;
    if let PeerRef::Id(id) = peer {
        return Ok(id);
    }
    Ok(match cx.api().resolve(peer).await? {
        P::InputPeerUser(user) => PeerId::User(user.user_id),
        P::InputPeerUserFromMessage(user) => PeerId::User(user.user_id),
        P::InputPeerChat(chat) => PeerId::Chat(chat.chat_id),
        P::InputPeerChannel(channel) => PeerId::Channel(channel.channel_id),
        P::InputPeerChannelFromMessage(channel) => PeerId::Channel(channel.channel_id),
        P::InputPeerSelf | P::InputPeerEmpty => return Err(AskError::Nobody.into()),
    })
}

/// What a conversation was waiting for. Until it is used up the update does not count as handled.
struct Answer<T> {
    value: T,
    update: Update,
    done: Arc<Done>,
}

impl<T> Answer<T> {
    fn returned(self) -> GiveBack {
        GiveBack {
            update: self.update,
            done: self.done,
        }
    }
}

struct Taker<M: Matcher> {
    matcher: M,
    cancel: Option<Filter<Msg>>,
    reply: Option<oneshot::Sender<Result<Answer<M::Output>>>>,
}

impl<M: Matcher> Take for Taker<M> {
    fn offer(&mut self, update: &Update, done: &Arc<Done>) -> Verdict {
        let message = update
            .message()
            .filter(|it| !it.outgoing() && !it.is_edit());
        let cancels = self.cancel.as_ref().zip(message);
        if cancels.is_some_and(|(cancel, message)| cancel.passes(&message)) {
            self.fail(AskError::Cancelled.into());
            return Verdict::Ends;
        }
        let Some(value) = self.matcher.matched(update) else {
            return Verdict::Other;
        };
        let answer = Answer {
            value,
            update: update.clone(),
            done: done.clone(),
        };
        let sent = self.reply.take().map(|reply| reply.send(Ok(answer)));
        match sent {
            Some(Ok(())) => Verdict::Taken,
            _ => Verdict::Other,
        }
    }

    fn fail(&mut self, error: Error) {
        if let Some(reply) = self.reply.take() {
            // Who gave up waiting has no use for it.
            let _ = reply.send(Err(error));
        }
    }

    fn is_gone(&self) -> bool {
        self.reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

/// The handler's end. However it ends, no update is lost by it.
struct Waiting<T> {
    id: WaitId,
    answer: oneshot::Receiver<Result<Answer<T>>>,
    dispatcher: Addr<DispatcherActor>,
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(unread)) = self.answer.try_recv() {
            self.dispatcher.do_send(unread.returned());
        }
        self.dispatcher.do_send(Forget(self.id));
    }
}

/// A conversation begins to wait.
#[derive(Message)]
#[rtype(result = "()")]
struct Expect(Wait);

impl Handler<Expect> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Expect(wait): Expect, _: &mut Self::Context) {
        if let Some(answer) = self.queues.expect(wait) {
            self.handlers.tell(&answer);
        }
    }
}

/// Its question has been sent.
#[derive(Message)]
#[rtype(result = "()")]
struct Asked {
    id: WaitId,
    question: i32,
}

impl Handler<Asked> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Asked { id, question }: Asked, _: &mut Self::Context) {
        if let Some(answer) = self.queues.asked(id, question) {
            self.handlers.tell(&answer);
        }
    }
}

/// It waits no more.
#[derive(Message)]
#[rtype(result = "()")]
struct Forget(WaitId);

impl Handler<Forget> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, Forget(id): Forget, _: &mut Self::Context) {
        self.queues.forget(id);
    }
}

/// An update that was given to a conversation, which has no use for it.
#[derive(Message)]
#[rtype(result = "()")]
struct GiveBack {
    update: Update,
    done: Arc<Done>,
}

impl Handler<GiveBack> for DispatcherActor {
    type Result = ();

    fn handle(&mut self, GiveBack { update, done }: GiveBack, ctx: &mut Self::Context) {
        self.enqueue(update, done, true, ctx);
    }
}
