//! Names in folders that survive a power cut: a synced file is found again only where its folder was synced, too.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The folder that holds the entry of `path`.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Entries that were made in `folder` before are on disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and those above it that are missing; the entry of each new one is on disk.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let missing = folder.ancestors().take_while(|path| !path.exists());
    let missing: Vec<&Path> = missing
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(why),
            _ => sync_folder(folder_of(folder))?,
        }
    }
    Ok(())
}
