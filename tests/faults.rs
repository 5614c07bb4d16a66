//! Faults by the hundred thousand: whatever goes wrong, there is no restore point and a message that names the cause,
//! or what is restored equals the source.
//!
//! A case is wholly determined by its place and its seed. `bash tests/faults/run.sh` goes through seeds for as long as it
//! is told to, and prints what came of them; a normal run of the tests has the first few of each place.
//! `LIFEBOAT_FAULTS_SEED` and `LIFEBOAT_FAULTS_CASES` repeat some.

mod bytes;
mod calls;
mod disk;
mod files;
mod moments;
mod processes;
mod protocol;
mod reference;
mod requests;
pub mod tally;
