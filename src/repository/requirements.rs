//! What a reader must know beyond format 1: a manifest names it.

use super::read::RestorePoint;
use crate::error::{Error, Result};
use crate::escape;
use crate::humanize::first_names;
use crate::model::left_out::LEFT_OUT;
use crate::model::manifest::Manifest;

const NAMES_SHOWN: usize = 10;

/// What this version knows beyond format 1.
const KNOWN: [&str; 1] = [LEFT_OUT];

/// What of a point's needs this version does not know.
pub(crate) fn unknown(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let needs = manifest.requires.iter().map(String::as_str);
    needs.filter(|name| !KNOWN.contains(name))
}

impl RestorePoint {
    /// Refuses a point that needs what this version does not know. Its manifest may be shown; its rows and
    /// its catalog would be misread, and not all of its objects may be known.
    pub fn check_requirements(&self) -> Result<()> {
        let names: Vec<String> = unknown(&self.manifest).map(escape::name).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(Error::refused(format!(
            "{} needs {}, which this lifeboat cannot read",
            self.manifest.id,
            first_names(&names, NAMES_SHOWN)
        ))
        .hint(super::envelope::USE_A_NEWER_ONE))
    }
}
