//! The lines of a state: JSON in one zstd frame, the last one a code of the reuse key over all others.

use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::envelope::to_json_line;
use super::layout::{MAX_PART_LINE_BYTES, MAX_STATE_BYTES, MAX_STATE_PARTS, MAX_TABLES, PointPath};
use super::read::RestorePoint;
use crate::codec::{self, ChunkSize, Frame, Mac, ReuseKey, Sealed};
use crate::error::{Error, Result};
use crate::model::digest::Mark;
use crate::model::id::Id;
use crate::model::lock::LockMode;
use crate::model::manifest::{FORMAT, Manifest, ObjectRef, Part};

/// Which point a state is of, and under which keys and lock its parts lie: those are named again only by a point of
/// the same database, for the same recipients, in the same mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub format: u32,
    pub repository: String,
    pub source: String,
    pub database: String,
    pub id: Id,
    /// Sorted.
    pub recipients: Vec<String>,
    /// `None`: not locked.
    pub mode: Option<LockMode>,
}

/// A line of a state.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    About(About),
    Table(TableLine),
    Part(ListedPart),
    Stored(StoredUnderLock),
    /// The code of all lines before it.
    Mac(Mark),
}

/// Followed by its parts.
#[derive(Serialize, Deserialize)]
pub(super) struct TableLine {
    pub oid: u32,
    /// [`ChunkSize::bits`]
    pub chunk_bits: u32,
    pub parts: u64,
    pub list: Option<Kept>,
}

/// An object, and until when it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    pub object: ObjectRef,
    pub until: Timestamp,
}

/// A part with the mark of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListedPart {
    pub mark: Mark,
    #[serde(flatten)]
    pub part: Part,
    pub until: Timestamp,
}

/// What one export stored, and until when nobody can delete it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredUnderLock {
    pub at: Timestamp,
    pub bytes: u64,
    pub until: Timestamp,
}

impl StoredUnderLock {
    /// What a point has of its own beside parts and their lists; `None`: it is not locked.
    pub(crate) fn beside_parts(manifest: &Manifest) -> Option<Self> {
        Some(Self {
            at: manifest.started_at,
            bytes: manifest.stored_bytes() - manifest.parts_bytes(),
            until: manifest.lock?.retain_until,
        })
    }

    /// All that a point stored itself; its parts may be locked for longer.
    pub(crate) fn all_of(point: &RestorePoint) -> Option<Self> {
        let manifest = &point.manifest;
        let beside = Self::beside_parts(manifest)?;
        Some(Self {
            bytes: beside.bytes + manifest.parts_stored_anew(),
            ..beside
        })
    }
}

/// Writes a state, one table after the other.
pub(crate) struct StateWriter {
    frame: Frame,
    mac: Mac,
    parts: usize,
}

impl StateWriter {
    pub(crate) fn new(key: &ReuseKey, about: &About) -> Result<Self> {
        let mut writer = Self {
            frame: Frame::new()?,
            mac: key.mac(),
            parts: 0,
        };
        writer.line(&Line::About(about.clone()))?;
        Ok(writer)
    }

    pub(crate) fn table(
        &mut self,
        oid: u32,
        size: ChunkSize,
        list: Option<Kept>,
        parts: Vec<ListedPart>,
    ) -> Result<()> {
        self.parts += parts.len();
        if self.parts > MAX_STATE_PARTS {
            return Ok(());
        }
        self.line(&Line::Table(TableLine {
            oid,
            chunk_bits: size.bits(),
            parts: parts.len() as u64,
            list,
        }))?;
        for part in parts {
            self.line(&Line::Part(part))?;
        }
        Ok(())
    }

    /// What this export and earlier ones stored, the newest of it.
    pub(crate) fn stored(&mut self, stored: &[StoredUnderLock]) -> Result<()> {
        let begin = stored.len().saturating_sub(MAX_STORED_LINES);
        for one in &stored[begin..] {
            self.line(&Line::Stored(*one))?;
        }
        Ok(())
    }

    /// `None`: there are more parts than a state may list.
    pub(crate) fn finish(mut self) -> Result<Option<Sealed>> {
        if self.parts > MAX_STATE_PARTS {
            return Ok(None);
        }
        let code = self.mac.finish();
        self.frame.write(&to_json_line(&Line::Mac(code))?)?;
        let stored = self.frame.finish()?;
        let fits = stored.len() as u64 <= MAX_STATE_BYTES;
        Ok(fits.then(|| Sealed::unencrypted(stored)))
    }

    fn line(&mut self, line: &Line) -> Result<()> {
        let line = to_json_line(line)?;
        self.mac.update(&line);
        self.frame.write(&line)
    }
}

/// The lines of a state up to its code.
pub(super) struct Lines {
    lines: BufReader<Box<dyn Read + Send>>,
    left: usize,
    ended: bool,
}

impl Lines {
    pub(super) fn new(stored: Bytes) -> Result<Self> {
        Ok(Self {
            lines: BufReader::new(Box::new(codec::decompress(stored)?)),
            left: MAX_STATE_LINES,
            ended: false,
        })
    }

    /// Before anything of it is kept: whether the code is that of the key.
    pub(super) fn check(stored: Bytes, key: &ReuseKey) -> Result<()> {
        let (mut lines, mut mac, mut text) = (Self::new(stored)?, key.mac(), Vec::new());
        loop {
            lines.read(&mut text)?;
            if !text.starts_with(MAC_BEGINS) {
                mac.update(&text);
                continue;
            }
            return match parse(&text)? {
                Line::Mac(code) if mac.is(&code) => Ok(()),
                _ => Err(Error::untrusted("its code is not that of the reuse key")),
            };
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>> {
        if self.ended {
            return Ok(None);
        }
        let mut text = Vec::new();
        self.read(&mut text)?;
        let line = parse(&text)?;
        if !matches!(line, Line::Mac(_)) {
            return Ok(Some(line));
        }
        self.ended = true;
        let more = self.lines.read(&mut [0]);
        match more.map_err(does_not_read)? {
            0 => Ok(None),
            _ => Err(damaged("goes on behind its code")),
        }
    }

    /// A line, in place of what was in `text`.
    fn read(&mut self, text: &mut Vec<u8>) -> Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(damaged("has more lines than a reader accepts"));
        };
        self.left = left;
        text.clear();
        // The first line tells the recipients.
        let mut limited = (&mut self.lines).take(MAX_LINE_BYTES);
        match limited.read_until(b'\n', text).map_err(does_not_read)? {
            0 => Err(damaged("ends before its code")),
            _ => Ok(()),
        }
    }
}

fn parse(text: &[u8]) -> Result<Line> {
    serde_json::from_slice(text).map_err(does_not_read)
}

fn does_not_read(why: impl std::error::Error + Send + Sync + 'static) -> Error {
    damaged("does not read").because(why)
}

/// As `Line::Mac` is written.
const MAC_BEGINS: &[u8] = b"{\"mac\":";
/// An export every quarter of an hour leaves less in 35 days.
pub(super) const MAX_STORED_LINES: usize = 8192;
/// Each table has one, and each part; one says what it is about, and one is the code.
const MAX_STATE_LINES: usize = MAX_STATE_PARTS + MAX_TABLES + MAX_STORED_LINES + 2;
const MAX_LINE_BYTES: u64 = 16 * MAX_PART_LINE_BYTES;

pub(super) fn damaged(how: &str) -> Error {
    Error::damaged(format!("the state {how}"))
}

impl About {
    /// What the signed manifest says.
    pub(super) fn of(point: &RestorePoint) -> Self {
        let manifest = &point.manifest;
        let mode = manifest.lock.map(|lock| lock.mode);
        Self::new(
            &manifest.repository,
            &point.path(),
            &manifest.recipients,
            mode,
        )
    }

    pub(crate) fn new(
        repository: &str,
        path: &PointPath,
        recipients: &[String],
        mode: Option<LockMode>,
    ) -> Self {
        let mut recipients = recipients.to_vec();
        recipients.sort();
        Self {
            format: FORMAT,
            repository: repository.to_owned(),
            source: path.source.clone(),
            database: path.database.clone(),
            id: path.id.clone(),
            recipients,
            mode,
        }
    }
}
