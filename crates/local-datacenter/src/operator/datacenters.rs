//! Orders about which datacenter has what: accounts, files, statistics.

use actogram_tl::types;

use super::{BotAccount, Operator, OperatorError, known};
use crate::model::{ChannelId, DatacenterAddress, Document, Event, UserId, World};

fn with_accounts(world: &World, dc_id: i32) -> Result<i32, OperatorError> {
    let serving = world.serving(dc_id);
    serving.ok_or(OperatorError::Datacenter { dc_id })
}

impl Operator {
    /// [`Operator::create_user`] with the datacenter where the person is at home. `PHONE_MIGRATE_X` tells clients of it.
    ///
    /// # Errors
    /// [`OperatorError::Datacenter`], and those of [`Operator::create_user`].
    pub fn create_user_at(
        &self,
        dc_id: i32,
        phone: &str,
        first_name: &str,
    ) -> Result<UserId, OperatorError> {
        let dc_id = with_accounts(&self.lock(), dc_id)?;
        let user = self.create_user(phone, first_name)?;
        self.move_home(user, dc_id)?;
        Ok(user)
    }

    /// [`Operator::create_bot`] with the datacenter where the bot is at home. `USER_MIGRATE_X` tells clients of it.
    ///
    /// # Errors
    /// [`OperatorError::Datacenter`], and those of [`Operator::create_bot`].
    pub fn create_bot_at(
        &self,
        dc_id: i32,
        username: &str,
        name: &str,
    ) -> Result<BotAccount, OperatorError> {
        let dc_id = with_accounts(&self.lock(), dc_id)?;
        let bot = self.create_bot(username, name)?;
        self.move_home(bot.id, dc_id)?;
        Ok(bot)
    }

    /// Moves an account to another datacenter. From now on its calls get `USER_MIGRATE_X` elsewhere, and updates come from
    /// there alone; its logins can be brought there by `auth.exportAuthorization`.
    ///
    /// # Errors
    /// [`OperatorError::Datacenter`], [`OperatorError::Unknown`].
    pub fn move_home(&self, user: UserId, dc_id: i32) -> Result<(), OperatorError> {
        self.act(|world, _| {
            known(world, user)?;
            let dc_id = with_accounts(world, dc_id)?;
            world.put_home(user, dc_id);
            Ok(())
        })
    }

    /// The datacenter where an account is at home.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn home(&self, user: UserId) -> Result<i32, OperatorError> {
        let world = self.lock();
        known(&world, user)?;
        Ok(world.home(user))
    }

    /// Lets numbers without an account register at this datacenter alone: elsewhere `auth.sendCode` answers
    /// `NETWORK_MIGRATE_X`. `None` lets them register anywhere, as at the start.
    ///
    /// # Errors
    /// [`OperatorError::Datacenter`].
    pub fn register_new_phones_at(&self, dc_id: Option<i32>) -> Result<(), OperatorError> {
        self.act(|world, _| {
            let dc_id = dc_id.map(|dc_id| with_accounts(world, dc_id)).transpose()?;
            world.new_phones_at = dc_id;
            Ok(())
        })
    }

    /// Tells clients these addresses from now on, whether anything listens there or not, and pushes them to those that are
    /// logged in (`updateDcOptions`). `None` tells the truth again.
    ///
    /// # Errors
    /// [`OperatorError::Storage`] if the journal cannot be written.
    pub fn advertise(
        &self,
        addresses: Option<Vec<DatacenterAddress>>,
    ) -> Result<(), OperatorError> {
        self.act(|world, now| {
            world.advertised = addresses;
            let dc_options = world.dc_options();
            let users: Vec<_> = world.state.users.keys().copied().collect();
            for user in users {
                let dc_options = dc_options.clone();
                world.push_short(now, user, types::UpdateDcOptions { dc_options }.into());
            }
            Ok(())
        })
    }

    /// Keeps a file's bytes at this datacenter; they were at the home of whoever sent it. Elsewhere `upload.getFile` answers
    /// `FILE_MIGRATE_X`.
    ///
    /// # Errors
    /// [`OperatorError::Datacenter`], [`OperatorError::Unknown`].
    pub fn keep_file_at(&self, document: i64, dc_id: i32) -> Result<(), OperatorError> {
        self.act(|world, _| {
            let dc_id = with_accounts(world, dc_id)?;
            let kept = world.state.documents.get(&document);
            let kept = kept.ok_or(OperatorError::Unknown { id: document })?;
            let moved = Document {
                dc: dc_id,
                ..kept.clone()
            };
            world.commit(Event::DocumentPut(moved));
            Ok(())
        })
    }

    /// Keeps a channel's statistics at this datacenter; they were at the first. Elsewhere `stats.*` answers
    /// `STATS_MIGRATE_X`.
    ///
    /// # Errors
    /// [`OperatorError::Datacenter`], [`OperatorError::Unknown`].
    pub fn keep_stats_at(&self, channel: ChannelId, dc_id: i32) -> Result<(), OperatorError> {
        self.act(|world, _| {
            let dc_id = with_accounts(world, dc_id)?;
            let room = world.state.channel(channel);
            room.ok_or(OperatorError::Unknown { id: channel })?;
            world.commit(Event::StatsMoved { channel, dc_id });
            Ok(())
        })
    }
}
