//! Accounts that STS has confirmed in this run: it is asked once for each, and a role is assumed once
//! an hour however many use it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use crate::aws::{Account, AccountOptions};
use crate::error::Result;

#[derive(Default)]
pub(super) struct ConfirmedAccounts {
    known: Mutex<Vec<(AccountOptions, Account)>>,
    warned: AtomicBool,
}

impl ConfirmedAccounts {
    pub(super) async fn confirm(&self, options: AccountOptions) -> Result<Account> {
        let mut known = self.known.lock().await;
        if let Some((_, account)) = known.iter().find(|(of, _)| *of == options) {
            return Ok(account.clone());
        }
        let account = Account::confirm(&options).await?;
        known.push((options, account.clone()));
        Ok(account)
    }

    /// Whether this is the first call: a warning is given once.
    pub(super) fn warns_first(&self) -> bool {
        !self.warned.swap(true, Ordering::Relaxed)
    }
}
