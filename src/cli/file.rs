//! Files that others read while they are written.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use crate::error::{Result, ResultExt};

/// Writes a file in one step: a reader sees the old one or the new one, never half, whenever the power goes.
pub(super) fn write_whole(file: &Path, text: &str) -> Result<()> {
    let what = || format!("cannot write {}", file.display());
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut new = tempfile::Builder::new()
        .prefix(".lifeboat-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .context(what)?;
    new.write_all(text.as_bytes()).context(what)?;
    new.as_file().sync_all().context(what)?;
    new.persist(file).map_err(|why| why.error).context(what)?;
    let folder = File::open(folder).and_then(|folder| folder.sync_all());
    folder.context(what)
}
