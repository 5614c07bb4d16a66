//! Files and folders that survive a power cut, and their bytes compared and hashed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::Digest as _;

use crate::durable;
use crate::error::{Error, Kind, Result};
use crate::model::digest::Sha256;

/// The version id of every file. A key has one version here, and naming it by content would mean
/// to read the whole repository for a listing.
pub(crate) const VERSION: &str = "file";

/// Temporary names hold a `~`, which no key may: they are never listed, whatever is left over.
const TEMPORARY: &str = ".lifeboat~";

/// Read buffer for comparing and hashing.
const CHUNK_BYTES: usize = 64 << 10;

/// A synced file under a temporary name, removed when dropped.
pub(super) struct Temporary(PathBuf);

impl Temporary {
    pub(super) fn write(folder: &Path, body: &[u8]) -> Result<Self> {
        let random = getrandom::u64()
            .map_err(|error| Error::failed("the system has no random numbers").because(error))?;
        let path = folder.join(format!("{TEMPORARY}{random:016x}"));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| failed("write", &path, error))?;
        // From here on the file goes away with this value, also when the disk is full.
        let temporary = Self(path);
        file.write_all(body)
            .and_then(|()| file.sync_all())
            .map_err(|error| failed("write", &temporary.0, error))?;
        Ok(temporary)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed is never listed, so nothing is wrong with it but its size.
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes one folder, or finds it there, and syncs its parent, which holds its entry.
pub(super) fn make_durable(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("create", folder, error));
        }
        _ => {}
    }
    folder.parent().map_or(Ok(()), sync_folder)
}

pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    durable::sync_folder(folder).map_err(|error| failed("sync", folder, error))
}

/// Whether a file holds exactly these bytes.
pub(super) fn same(mut file: &File, mut body: &[u8]) -> io::Result<bool> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(body.is_empty());
        }
        match body.split_at_checked(read) {
            Some((begin, rest)) if begin == &chunk[..read] => body = rest,
            _ => return Ok(false),
        }
    }
}

pub(super) fn hash(mut file: &File) -> io::Result<Sha256> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut hasher = sha2::Sha256::new();
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(Sha256(hasher.finalize().into()));
        }
        hasher.update(&chunk[..read]);
    }
}

pub(super) fn stored_at(path: &Path, metadata: &fs::Metadata) -> Result<Timestamp> {
    let modified = metadata
        .modified()
        .map_err(|error| failed("read the time of", path, error))?;
    Timestamp::try_from(modified).map_err(|error| {
        Error::failed(format!("{} has an impossible time", path.display())).because(error)
    })
}

pub(super) fn failed(verb: &str, path: &Path, error: io::Error) -> Error {
    use io::ErrorKind as Io;
    let (kind, hint) = match error.kind() {
        Io::NotFound | Io::NotADirectory => (Kind::NotFound, None),
        Io::PermissionDenied => (
            Kind::Denied,
            Some("look at the owner and mode of the folder"),
        ),
        Io::StorageFull | Io::QuotaExceeded => (
            Kind::Failed,
            Some("no space is left there: free some or use another disk"),
        ),
        _ => (Kind::Failed, None),
    };
    Error::new(kind, format!("cannot {verb} {}", path.display()))
        .because(error)
        .hint_if_any(hint)
}
