//! Rows to stored bytes and back: zstd inside age, hashed on the way.

mod chunk;
mod open;
mod reuse_key;
mod seal;

pub use chunk::{ChunkFinder, ChunkSize, Ends};
pub(crate) use open::Plain;
pub use open::{Identities, new_identity};
pub use reuse_key::{Mac, ReuseKey};
pub(crate) use seal::{Compressor, Frame, Sealed, SealedWriter, decompress};
pub use seal::{Sealer, compress};
