//! A throwaway server in a second container, for places where this one may make no namespaces: a
//! container of its own keeps the server from our files and processes, and has no secrets to lose.
//!
//! Both containers share one folder. In the second `lifeboat drill-server` ([`serve`]) listens on a
//! socket there; the drill ([`Remote`]) connects to it. One connection is one server:
//!
//! 1. The drill sends one line of JSON, [`protocol::Request`].
//! 2. The other side starts a server below the folder and answers with one line, [`protocol::Answer`].
//! 3. The connection stays open for as long as the server is wanted. Each byte that the drill sends
//!    asks whether the server still runs, and is given back if it does.
//! 4. The drill closes its half, or dies; the other side removes server and folder, and closes.
//!
//! The server runs strangers' code under the helper's user id. Until it did, what the helper says of
//! itself is what its image says. Afterwards it may be an impostor: the drill therefore follows nothing
//! of an answer but a plain name below the shared folder. Neither do walls that later drills of the same
//! container state hold against code that broke out of PostgreSQL in an earlier one.

mod protocol;
mod remote;
mod serve;

pub use remote::{Remote, ask_walls};
pub(crate) use remote::{START_WAIT, WallReport};
pub(crate) use serve::serve;
