//! What a target had before: the template of its server, or who made it, brought extensions along.

use crate::model::definitions::Definitions;
use crate::model::definitions::entries::{Names, names_of};
use crate::model::definitions::objects::Objects;

pub(super) struct Brought<'a> {
    extensions: Names<'a>,
    /// Those in which nothing but members of extensions lies.
    schemas: Names<'a>,
}

impl<'a> Brought<'a> {
    /// `now` are the objects of what was restored.
    pub(super) fn new(
        exported: &[&Definitions],
        restored: &[&'a Definitions],
        now: &Objects<'_>,
    ) -> Self {
        let added = |kind: &str| -> Names<'a> {
            let then = names_of(exported, kind);
            let now = names_of(restored, kind).into_iter();
            now.filter(|name| !then.contains(name)).collect()
        };
        let extensions = added("extension");
        let mut schemas = Names::new();
        if !extensions.is_empty() {
            schemas = added("schema");
            for (_, name) in now.iter().filter(|(_, name)| name.len() > 1) {
                schemas.remove(&name[..1]);
            }
        }
        Self {
            extensions,
            schemas,
        }
    }

    pub(super) fn any_extension(&self) -> bool {
        !self.extensions.is_empty()
    }

    pub(super) fn has(&self, kind: &str, name: &[String]) -> bool {
        match kind {
            "extension" => self.extensions.contains(name),
            "schema" => self.schemas.contains(name),
            _ => false,
        }
    }
}
