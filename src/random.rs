//! Random bytes of the operating system.

use crate::error::{Error, Result};

pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|why| Error::failed(format!("the system gave no random bytes: {why}")))?;
    Ok(bytes)
}
