//! Files that others read while they are written.

use std::io::Write as _;
use std::path::Path;

use crate::durable::{folder_of, sync_folder};
use crate::error::{Result, ResultExt};

/// Writes a file in one step: a reader sees the old one or the new one, never half, whenever the power goes.
pub(super) fn write_whole(file: &Path, text: &str) -> Result<()> {
    let what = || format!("cannot write {}", file.display());
    let folder = folder_of(file);
    let mut new = tempfile::Builder::new()
        .prefix(".lifeboat-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .context(what)?;
    new.write_all(text.as_bytes()).context(what)?;
    new.as_file().sync_all().context(what)?;
    new.persist(file).map_err(|why| why.error).context(what)?;
    sync_folder(folder).context(what)
}
