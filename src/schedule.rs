//! What `nightly` and `prove` have in common: several use cases as the steps of one run. Each step is
//! taken whatever became of the others, and all of them are in one report.

mod collection;
mod each;
pub(crate) mod fleet;
mod inputs;
mod notices;
mod notify;
mod step;
mod steps;

pub(crate) use collection::Collection;
pub(crate) use each::{Points, drill_each, verify_all, verify_each};
pub(crate) use inputs::{
    Copies, Export, Intermediates, SnapshotCopy, SnapshotDrill, SnapshotExpire, Status, drill,
    verify,
};
pub(crate) use notify::{Notify, Webhook};
pub(crate) use step::{Changes, Report, Schedule, Step, StepReport};
pub(crate) use steps::Steps;
