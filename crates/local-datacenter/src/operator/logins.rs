//! Orders about logins: ending them, and taking back what they may do.

use super::{Operator, OperatorError, known};
use crate::model::{AuthKeyId, Revocation, UserId};

impl Operator {
    /// The keys that are logged in to an account, without those at other datacenters that its logins were brought to.
    pub fn logins(&self, user: UserId) -> Vec<AuthKeyId> {
        self.lock().main_logins(user)
    }

    /// The keys at other datacenters that an account's logins were brought to.
    pub fn brought_logins(&self, user: UserId) -> Vec<AuthKeyId> {
        let world = self.lock();
        let own = world.main_logins(user);
        let keys = world.state.keys_of.get(&user).into_iter().flatten();
        keys.filter(|key| !own.contains(key)).copied().collect()
    }

    /// Ends every login of an account; its keys are destroyed and its connections closed.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn end_logins(&self, user: UserId) -> Result<(), OperatorError> {
        self.act(|world, _| {
            known(world, user)?;
            for key in world.main_logins(user) {
                world.end_login(key);
            }
            Ok(())
        })
    }

    /// Ends a login so that its calls get this error. The key stays, and its connections do.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`] if the key is not logged in.
    pub fn revoke(&self, auth_key_id: AuthKeyId, why: Revocation) -> Result<(), OperatorError> {
        self.act(|world, _| {
            let permanent = world.state.identity(auth_key_id);
            let login = world.state.account_of(permanent);
            login.ok_or(OperatorError::Unknown { id: auth_key_id })?;
            world.revoke_login(permanent, why);
            Ok(())
        })
    }

    /// [`Operator::revoke`] for every login of an account.
    ///
    /// # Errors
    /// [`OperatorError::Unknown`].
    pub fn revoke_logins(&self, user: UserId, why: Revocation) -> Result<(), OperatorError> {
        self.act(|world, _| {
            known(world, user)?;
            for key in world.main_logins(user) {
                world.revoke_login(key, why);
            }
            Ok(())
        })
    }
}
