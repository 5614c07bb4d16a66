//! Where rows go: a stream, or a new file, which has a temporary name until all of it is there.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::durable::{folder_of, sync_folder};
use crate::error::{Error, Kind, Result, ResultExt};

/// Characters of a file's name that its temporary one begins with: a name has 255 bytes at most.
const MAX_PREFIX: usize = 50;

/// Why a stream takes no more: what reads it has seen enough, as `head` has.
#[derive(Debug)]
pub(super) struct ReaderLeft;

impl std::error::Error for ReaderLeft {}

impl fmt::Display for ReaderLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its reader left")
    }
}

pub(super) struct Output {
    /// For messages.
    what: String,
    /// `None` while a thread writes.
    to: Option<Box<dyn Write + Send>>,
    /// Removed with this value, unless it is kept.
    file: Option<(TempPath, File, PathBuf)>,
    bytes: u64,
}

impl Output {
    pub(super) fn stream(to: Box<dyn Write + Send>) -> Self {
        Self {
            what: "standard output".to_owned(),
            to: Some(to),
            file: None,
            bytes: 0,
        }
    }

    /// Only its owner may read it: rows are no longer sealed.
    pub(super) fn new_file(path: &Path) -> Result<Self> {
        let what = path.display().to_string();
        match path.symlink_metadata() {
            Ok(_) => return Err(exists(&what)),
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            // Such a name could not be given in the end either: it is too long, say.
            Err(why) => return Err(Error::failed(cannot_write(&what)).because(why)),
        }
        let name = path.file_name().map(|name| name.to_string_lossy());
        let name = name.ok_or_else(|| Error::usage(format!("-o {what}: it names no file")))?;
        let prefix: String = name.chars().take(MAX_PREFIX).collect();
        let file = tempfile::Builder::new()
            .prefix(&format!("{prefix}."))
            .suffix(".incomplete")
            .tempfile_in(folder_of(path))
            .context(|| cannot_write(&what))?;
        let (file, temporary) = file.into_parts();
        let to = file.try_clone().context(|| cannot_write(&what))?;
        Ok(Self {
            what,
            to: Some(Box::new(to)),
            file: Some((temporary, file, path.to_owned())),
            bytes: 0,
        })
    }

    /// On a thread that may block: a pipe's reader may take its time.
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.bytes += bytes.len() as u64;
        self.on_thread(move |to| to.write_all(&bytes)).await
    }

    async fn on_thread(
        &mut self,
        work: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Result<()> {
        let what = || cannot_write(&self.what);
        let mut to = self.to.take().ok_or_else(|| Error::failed(what()))?;
        let written = tokio::task::spawn_blocking(move || {
            let done = work(to.as_mut());
            (to, done)
        });
        let (to, done) = written.await.context(what)?;
        self.to = Some(to);
        match done {
            Err(why) if self.file.is_none() && why.kind() == ErrorKind::BrokenPipe => {
                Err(Error::failed(what()).because(ReaderLeft))
            }
            done => done.context(what),
        }
    }

    /// Returns the file's name, and how many bytes were written. A file that is not whole keeps its
    /// temporary name.
    pub(super) async fn finish(mut self, whole: bool) -> Result<(Option<PathBuf>, u64)> {
        self.on_thread(|to| to.flush()).await?;
        let Self {
            what, file, bytes, ..
        } = self;
        let Some((temporary, file, path)) = file else {
            return Ok((None, bytes));
        };
        let settled = tokio::task::spawn_blocking(move || settle(temporary, &file, path, whole));
        let path = settled.await.context(|| cannot_write(&what))??;
        Ok((Some(path), bytes))
    }
}

/// Synced, then named; nothing that is there is overwritten.
fn settle(temporary: TempPath, file: &File, path: PathBuf, whole: bool) -> Result<PathBuf> {
    let what = path.display().to_string();
    file.sync_all().context(|| cannot_write(&what))?;
    let path = match whole {
        false => temporary.keep().map_err(|why| why.error),
        true => match temporary.persist_noclobber(&path) {
            Err(why) if why.error.kind() == ErrorKind::AlreadyExists => return Err(exists(&what)),
            named => named.map(|()| path).map_err(|why| why.error),
        },
    };
    let path = path.context(|| cannot_write(&what))?;
    sync_folder(folder_of(&path)).context(|| cannot_write(&what))?;
    Ok(path)
}

/// For several files; one that is there is used. A new one is on disk before there is a file in it.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(why) if why.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(why) if why.kind() == ErrorKind::AlreadyExists => {
            let what = path.display();
            Err(Error::new(Kind::Exists, format!("{what} is a file"))
                .hint("several tables need a folder: a file of each is made there"))
        }
        made => made
            .and_then(|()| sync_folder(folder_of(path)))
            .context(|| format!("cannot make folder {}", path.display())),
    }
}

fn exists(what: &str) -> Error {
    Error::new(Kind::Exists, format!("{what} exists already"))
        .hint("it is not overwritten: choose another name, or move it away")
}

fn cannot_write(what: &str) -> String {
    format!("cannot write {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[tokio::test]
    async fn a_file_has_its_name_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let mut output = Output::new_file(&path).unwrap();
        output.write(b"1\n".to_vec()).await.unwrap();
        assert!(!path.exists());
        let (file, bytes) = output.finish(true).await.unwrap();
        assert_eq!((file, bytes), (Some(path.clone()), 2));
        assert_eq!(fs::read(&path).unwrap(), b"1\n");
        assert_eq!(names(folder.path()), ["rows.csv"]);
        assert_eq!(Output::new_file(&path).err().unwrap().kind(), Kind::Exists);
    }

    #[test]
    fn a_name_that_no_file_can_have_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Output::new_file(&folder.path().join("x".repeat(256)));
        assert!(refused.is_err());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(Output::new_file(&folder.path().join("file/rows.csv")).is_err());
        assert_eq!(names(folder.path()), ["file"]);
        drop(Output::new_file(&folder.path().join("x".repeat(255))).unwrap());
    }

    #[tokio::test]
    async fn what_comes_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let output = Output::new_file(&path).unwrap();
        fs::write(&path, "theirs").unwrap();
        let refused = output.finish(true).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Exists);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["rows.csv"]);
    }

    #[tokio::test]
    async fn a_file_that_is_not_whole_keeps_a_temporary_name_and_one_given_up_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        drop(Output::new_file(&path).unwrap());
        assert_eq!(names(folder.path()), [""; 0]);
        let mut output = Output::new_file(&path).unwrap();
        output.write(b"1\n".to_vec()).await.unwrap();
        let (file, _) = output.finish(false).await.unwrap();
        let file = file.unwrap();
        assert!(file != path && file.exists() && !path.exists());
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(
            name.starts_with("rows.csv.") && name.ends_with(".incomplete"),
            "{name}"
        );
    }
}
