//! Resolves where a server is and how to log in as libpq does: what a URL, `PG*` variables, `.pgpass`, a
//! service file and the configuration say together.

mod files;
mod params;
mod resolve;

pub(crate) use params::{Params, parse_url};
pub use resolve::Input;

#[cfg(test)]
mod tests;
