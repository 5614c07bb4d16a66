//! Types of the target that are the same as in the point; what has another type, or none, is text.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::escape;
use crate::model::catalog::Catalog;
use crate::model::definitions::{Column, Columns, Definition};
use crate::pg::session::Session;
use crate::pg::target::beside::{self, Beside, FoundType};
use crate::type_name::is_type_name;

pub(super) struct Types<'a> {
    pub catalog: &'a Catalog,
    pub there: &'a Beside,
    pub session: &'a Session,
}

impl Types<'_> {
    /// The columns that are named, as the target can have them.
    pub(super) async fn fit(
        &self,
        full: &Columns,
        names: &[String],
        left_out: &mut Vec<String>,
    ) -> Result<Columns> {
        let mut columns = Vec::new();
        for column in &full.columns {
            let mut column = column.clone();
            if names.contains(&column.name) {
                let what = format!("column {} of {}", escape::name(&column.name), full.of);
                if let Some(why) = self.differs(&column.data_type).await? {
                    let data_type = escape::name(&column.data_type);
                    left_out.push(format!(
                        "type {data_type} of {what}: {why}; the column is text"
                    ));
                    make_text(&mut column);
                }
                if let Some(collation) = column.collation.clone()
                    && !beside::has_collation(self.session, &collation).await?
                {
                    let collation = escape::name(&collation);
                    left_out.push(format!(
                        "collation {collation} of {what}: it is not PostgreSQL's own"
                    ));
                    column.collation = None;
                }
            }
            columns.push(column);
        }
        Ok(Columns {
            of: full.of.clone(),
            columns,
        })
    }

    /// Why a type cannot be taken; `None`: it is the same.
    async fn differs(&self, data_type: &str) -> Result<Option<String>> {
        if !is_type_name(data_type) {
            return Ok(Some("it is no name of a type".to_owned()));
        }
        let Some(found) = beside::find_type(self.session, data_type).await? else {
            return Ok(Some("the target has no such type".to_owned()));
        };
        Ok(self.why_other(&found))
    }

    fn why_other(&self, found: &FoundType) -> Option<String> {
        if found.schema == "pg_catalog" {
            let names_objects = found.name.starts_with("reg");
            return names_objects.then(|| "its values name objects".to_owned());
        }
        let name = [found.schema.clone(), found.name.clone()];
        if let (Some(extension), Some(version)) = (&found.extension, &found.version) {
            let mut there = self.catalog.extensions.iter();
            let same = there.any(|one| one.name == *extension && one.version == *version);
            let same = same && self.exported(&name).is_none();
            let extension = escape::name(extension);
            return (!same).then(|| format!("extension {extension} has another version"));
        }
        let same = self.is_same(&name, &mut BTreeSet::new());
        (!same).then(|| {
            "the target defines it otherwise, or the restore point does not say how".to_owned()
        })
    }

    /// Whether it and all types that its definition may name are defined alike.
    fn is_same<'c>(&'c self, name: &[String], known: &mut BTreeSet<&'c [String]>) -> bool {
        let Some(exported) = self.exported(name) else {
            return false;
        };
        if !known.insert(&exported.name) {
            return true;
        }
        let alike = self.there.type_text(name) == Some(exported.text.as_str())
            && self.constraints(name).eq(self.there.constraints_of(name));
        // By their names anywhere in it: one more that is compared does no harm.
        let named = self.list("type").filter(|one| {
            let name = one.name.last();
            name.is_some_and(|name| exported.text.contains(name.as_str()))
        });
        let named: Vec<&Definition> = named.collect();
        alike && named.into_iter().all(|one| self.is_same(&one.name, known))
    }

    fn exported(&self, name: &[String]) -> Option<&Definition> {
        self.list("type").find(|one| one.name == name)
    }

    /// Of a domain, sorted.
    fn constraints<'c>(&'c self, name: &'c [String]) -> impl Iterator<Item = &'c Definition> {
        self.list("domain constraint")
            .filter(move |one| one.name.starts_with(name))
    }

    fn list(&self, kind: &'static str) -> impl Iterator<Item = &Definition> {
        let kinds = self.catalog.definitions.iter().flatten();
        kinds
            .filter(move |one| one.kind == kind)
            .flat_map(|one| &one.list)
    }
}

/// A default of the old type may be none of text.
fn make_text(column: &mut Column) {
    column.data_type = "text".to_owned();
    column.collation = None;
    column.default = None;
    column.default_needs.clear();
}
