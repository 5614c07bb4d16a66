//! What every use case is given besides its options.

use crate::clock::Clock;
use crate::interrupt::Interrupt;
use crate::progress::Progress;

/// The time, where progress is reported to, and the request to stop.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub clock: &'a dyn Clock,
    pub progress: &'a dyn Progress,
    pub interrupt: &'a Interrupt,
}
