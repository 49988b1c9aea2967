//! Orders about bots: inline mode, pressed buttons.

use actogram_tl as tl;
use tl::enums;

use super::{Operator, OperatorError, known};
use crate::model::{Event, PeerKey, UserId};
use crate::rpc::Call;

impl Operator {
    /// Lets a bot answer inline queries, with this text in place of an empty query, or ends it.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`] if there is no such bot.
    pub fn set_inline(&self, bot: UserId, placeholder: Option<&str>) -> Result<(), OperatorError> {
        let placeholder = placeholder.map(str::to_owned);
        self.act(|world, _| {
            let mut user = known(world, bot)?;
            let record = user
                .bot
                .as_mut()
                .ok_or(OperatorError::Unknown { id: bot })?;
            record.inline_placeholder = placeholder;
            world.commit(Event::UserPut(user));
            Ok(())
        })
    }

    /// Presses the button with this data in the name of an account. Returns the query's id, under which
    /// [`Operator::callback_answer`] finds what the bot answers.
    ///
    /// # Errors
    /// [`OperatorError::Refused`] with the error a client would get; [`OperatorError::Unknown`].
    pub fn press_button(
        &self,
        user: UserId,
        peer: PeerKey,
        message: i32,
        data: &[u8],
    ) -> Result<i64, OperatorError> {
        let data = bytes::Bytes::copy_from_slice(data);
        self.act(|world, now| {
            known(world, user)?;
            let mut call = Call::as_account(world, now, user);
            Ok(crate::rpc::press(&mut call, peer, message, data)?)
        })
    }

    /// What a bot answered to a button the operator pressed; taken once.
    pub fn callback_answer(&self, query_id: i64) -> Option<enums::messages::BotCallbackAnswer> {
        self.lock().queries.answers.remove(&query_id)
    }
}
