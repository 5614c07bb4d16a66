//! Rows to stored bytes and back: zstd inside age, hashed on the way.

mod open;
mod seal;

pub(crate) use open::Plain;
pub use open::{Identities, new_identity};
pub(crate) use seal::{Compressor, Sealed, SealedWriter, decompress};
pub use seal::{Sealer, compress};
