//! What every command is given.

use std::sync::Arc;

use super::confirmed::ConfirmedAccounts;
use super::globals::Globals;
use crate::clock::Clock;
use crate::context::Context;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// One run of the binary.
pub(super) struct Run {
    pub globals: Globals,
    pub clock: Arc<dyn Clock>,
    pub progress: Arc<dyn Progress>,
    /// Set by SIGINT and SIGTERM.
    pub interrupt: Interrupt,
    pub accounts: ConfirmedAccounts,
}

impl Run {
    /// What a use case is given.
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            clock: self.clock.as_ref(),
            progress: self.progress.as_ref(),
            interrupt: &self.interrupt,
        }
    }
}
