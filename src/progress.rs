//! How use cases report: they never print.

/// A sink for what happens during a long operation. All methods are cheap and may be called from
/// any thread.
pub trait Progress: Send + Sync {
    /// A phase begins (`"tables"`, `"indexes"`); `total_bytes` is an estimate where there is one.
    fn phase(&self, name: &str, total_bytes: Option<u64>);
    /// This many more bytes of the current phase are done.
    fn advance(&self, bytes: u64);
    /// Something the user may want to know, in one line.
    fn note(&self, line: &str);
    /// Something the user should act on, in one line.
    fn warn(&self, line: &str);
}

/// Of one of several that run at the same time: its lines say whose they are, its bytes count with those of the
/// others, and its phases are its own.
pub(crate) struct OneOfSeveral<'a> {
    all: &'a dyn Progress,
    name: String,
}

impl<'a> OneOfSeveral<'a> {
    pub(crate) fn new(all: &'a dyn Progress, source: &str, database: &str) -> Self {
        let name = format!("{source}/{database}");
        Self { all, name }
    }
}

impl Progress for OneOfSeveral<'_> {
    fn phase(&self, _: &str, _: Option<u64>) {}

    fn advance(&self, bytes: u64) {
        self.all.advance(bytes);
    }

    fn note(&self, line: &str) {
        self.all.note(&format!("{}: {line}", self.name));
    }

    fn warn(&self, line: &str) {
        self.all.warn(&format!("{}: {line}", self.name));
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}
