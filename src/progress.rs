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

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn phase(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}
