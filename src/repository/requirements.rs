//! What a reader must know beyond format 1: a manifest names it.

use super::read::RestorePoint;
use crate::error::{Error, Result};
use crate::escape;
use crate::humanize::first_names;

const NAMES_SHOWN: usize = 10;

impl RestorePoint {
    /// Refuses a point that needs what this version does not know. Its manifest may be shown; its rows and
    /// its catalog would be misread, and not all of its objects may be known.
    pub fn check_requirements(&self) -> Result<()> {
        // No such thing exists so far.
        let unknown = &self.manifest.requires;
        if unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = unknown.iter().map(|name| escape::name(name)).collect();
        Err(Error::refused(format!(
            "{} needs {}, which this lifeboat cannot read",
            self.manifest.id,
            first_names(&names, NAMES_SHOWN)
        ))
        .hint(super::envelope::USE_A_NEWER_ONE))
    }
}
