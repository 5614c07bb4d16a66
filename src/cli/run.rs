//! What every command is given, and what it answers with.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Mutex;

use super::globals::Globals;
use crate::aws::{Account, AccountOptions};
use crate::clock::Clock;
use crate::context::Context;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

pub(super) use super::choice::ChoiceArgs;
pub(super) use super::globals::Access;
pub(super) use super::output::Answer;
pub(super) use super::point::{DatabaseFilter, Point, PointArgs};
pub(super) use super::render::Page;

/// One run of the binary.
pub(super) struct Run {
    pub globals: Globals,
    pub clock: Arc<dyn Clock>,
    pub progress: Arc<dyn Progress>,
    /// Set by SIGINT and SIGTERM.
    pub interrupt: Interrupt,
    /// Accounts that STS has confirmed in this run: it is asked once for each, and a role is assumed
    /// once an hour however many use it.
    pub confirmed: Mutex<Vec<(AccountOptions, Account)>>,
    /// Whether it was said already that source and backup account are one.
    pub warned_of_one_account: AtomicBool,
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
