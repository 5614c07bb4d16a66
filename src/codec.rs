//! Rows to stored bytes and back: zstd inside age, hashed on the way.

mod open;
mod seal;

pub use open::{Identities, Plain, new_identity};
pub use seal::{Compressor, Sealed, SealedWriter, Sealer, compress, decompress};
