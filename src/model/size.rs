//! How large a restore point is, as its manifest says in clear, and when one is smaller than it should be.

use super::id::Id;
use super::manifest::Manifest;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub tables: u64,
    pub rows: u64,
    /// Rows as COPY text.
    pub copy_bytes: u64,
}

impl Size {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self {
            tables: manifest.user_tables().count() as u64,
            rows: manifest.rows(),
            copy_bytes: manifest.copy_bytes(),
        }
    }

    /// What is less than at the point before, a line each: any table, or more than this share of the rows or
    /// bytes.
    pub(crate) fn shrunk(self, before: Self, id: &Id, shrink_percent: u32) -> Vec<String> {
        let mut shrunk = Vec::new();
        if self.tables < before.tables {
            shrunk.push(format!(
                "{} tables less than the {} of {id}",
                before.tables - self.tables,
                before.tables,
            ));
        }
        let counts = [
            ("rows", self.rows, before.rows),
            ("bytes of rows", self.copy_bytes, before.copy_bytes),
        ];
        for (what, now, before) in counts {
            let least = u128::from(before) * u128::from(100_u32.saturating_sub(shrink_percent));
            if u128::from(now) * 100 < least {
                shrunk.push(format!("{now} {what}, {id} had {before}"));
                // The other would say the same again.
                break;
            }
        }
        shrunk
    }
}
