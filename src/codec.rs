//! Rows to stored bytes and back: zstd inside age, hashed on the way.

mod open;
mod seal;

pub use open::{Identities, Plain};
pub use seal::{Sealed, SealedWriter, Sealer, compress, decompress};
