//! One error type for the whole tool: what kind, what exactly, one hint, and the cause below it.

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller may want to decide by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The command line or the configuration asks for something impossible (exit code 2).
    Usage,
    /// The thing named does not exist.
    NotFound,
    /// The thing to be made exists already.
    Exists,
    /// Rights do not suffice, which a caller may well do without, or no identity opens what is sealed.
    Denied,
    /// AWS does not know the credentials, or not any more: whether rights would suffice is not known. To callers of a
    /// command it is a denial.
    #[serde(rename = "denied")]
    Unauthenticated,
    /// Stored bytes are missing, are not what the signed manifest says, or cannot be opened.
    Damaged,
    /// A signature or a pinned key does not match.
    Untrusted,
    /// A server could not be reached or did not answer in time.
    Unavailable,
    /// The world is not in the state that the operation needs; nothing was changed.
    Refused,
    /// What was read changed meanwhile: nothing is kept, and starting over may do. To callers of a command
    /// it is a refusal.
    #[serde(rename = "refused")]
    Changed,
    /// The user or the system asked us to stop.
    Interrupted,
    /// Anything else.
    Failed,
}

/// An error names its operand in `what`; `source` is not repeated there, the CLI prints the chain.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            hint: None,
            source: None,
        }
    }

    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what)
    }

    pub fn refused(what: impl Into<String>) -> Self {
        Self::new(Kind::Refused, what)
    }

    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, what)
    }

    pub fn untrusted(what: impl Into<String>) -> Self {
        Self::new(Kind::Untrusted, what)
    }

    pub fn damaged(what: impl Into<String>) -> Self {
        Self::new(Kind::Damaged, what)
    }

    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Kind::Failed, what)
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn hint_if_any(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same message and hint, for something else that fails by it.
    #[must_use]
    pub fn repeat(&self) -> Self {
        Self::new(self.kind, self.chain()).hint(self.advice())
    }

    /// Whether it is the store's or the caller's trouble, and would be no different with another point.
    pub fn affects_every_point(&self) -> bool {
        matches!(
            self.kind,
            Kind::Unavailable | Kind::Denied | Kind::Unauthenticated | Kind::Interrupted
        )
    }

    /// Whether what was asked was not answered: nothing follows from that about what is stored.
    pub fn is_no_answer(&self) -> bool {
        matches!(self.kind, Kind::Unavailable | Kind::Unauthenticated)
    }

    /// Whether the server is lost or the caller wants to stop: nothing beside it can be tried then.
    pub fn ends_all(&self) -> bool {
        matches!(self.kind, Kind::Unavailable | Kind::Interrupted)
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The first hint found from here down the chain of causes.
    pub fn find_hint(&self) -> Option<&str> {
        if let Some(hint) = &self.hint {
            return Some(hint);
        }
        self.source
            .as_deref()
            .and_then(|source| source.downcast_ref::<Error>())
            .and_then(Error::find_hint)
    }

    /// What to do: the hint, else what helps with an error of this kind.
    pub fn advice(&self) -> &str {
        if let Some(hint) = self.find_hint() {
            return hint;
        }
        let mut io_errors = causes(self).filter_map(|cause| cause.downcast_ref());
        if let Some(hint) = io_errors.find_map(advice_on_io) {
            return hint;
        }
        match self.kind {
            Kind::Usage => {
                "`lifeboat help COMMAND` explains options, config/lifeboat.toml every key"
            }
            Kind::NotFound => "is the name right, and the place where it was looked for?",
            Kind::Exists => "choose another name, or move what is there away",
            Kind::Denied => "give the right that is missing, or use a user who has it",
            Kind::Unauthenticated => "renew the credentials, then run the command again",
            Kind::Damaged => {
                "`lifeboat verify ID --data` finds all damage; `lifeboat list` shows other points"
            }
            Kind::Untrusted => "the break-glass sheet shows the fingerprint that --trust takes",
            Kind::Unavailable => "run the command again when it can be reached",
            Kind::Refused => "put that right, then run the command again",
            Kind::Interrupted => "run the command again",
            Kind::Changed => "export while no schema migration runs",
            Kind::Failed => "put that right where it is of your making, and run the command again",
        }
    }

    /// The message and every cause below it, joined by ": ".
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        for cause in causes(self).skip(1) {
            let line = cause.to_string();
            // Some libraries' Display already ends with its source: say it once.
            if !text.ends_with(&line) {
                text.push_str(": ");
                text.push_str(&line);
            }
        }
        text
    }
}

/// An error, then every cause below it.
pub(crate) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The first of this type among an error and its causes.
pub(crate) fn find<'a, T: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn advice_on_io(error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound | Io::NotADirectory => Some("is the path right?"),
        Io::PermissionDenied => Some("look at the owner and mode of the file and its folders"),
        Io::IsADirectory => Some("a file is needed there, not a folder"),
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => {
            Some("no space is left there: free some or use another disk")
        }
        _ => None,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// Adds the operand to an error from below.
pub(crate) trait ResultExt<T> {
    /// Wraps the error, keeping its kind where it is one of ours.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E> ResultExt<T> for std::result::Result<T, E>
where
    E: StdError + Send + Sync + 'static,
{
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| {
            let source: Box<dyn StdError + Send + Sync> = Box::new(source);
            let kind = source
                .downcast_ref::<Error>()
                .map_or(Kind::Failed, Error::kind);
            Error::new(kind, what()).because(source)
        })
    }
}
