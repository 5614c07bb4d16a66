//! What a login without a superuser's rights cannot make, told apart from what is broken.
//!
//! Where no row, key or constraint hangs on such an object it is *not tried*, which costs nothing.
//! A table, key or constraint that is missing because of one *cannot be proven*: neither sound nor
//! failed. Whoever writes a schema can so keep a point from being proven, never have it proven.

use std::collections::BTreeSet;

use super::report::{Report, Trouble};
use super::schema::is_failure;
use crate::model::attestation::NotTried;
use crate::model::catalog::{Catalog, Name};
use crate::pg::target::archive::Complaint;
use crate::pg::target::toc::Entry;

/// PostgreSQL's words for a right that is missing. Text of the backup may hold them too: it can
/// only make less count as proven.
const POWERLESS: [&str; 10] = [
    "permission denied",
    "must be superuser",
    "must be owner",
    "must be a superuser",
    "must have ",
    "nly superuser",
    "superuser-only",
    "nly roles with ",
    "must be able to SET ROLE",
    // Where a superuser may.
    "transition data type cannot be internal",
];

/// What is left out so far, to know what failed because of it.
#[derive(Debug, Default)]
pub struct LeftOut {
    roles: Vec<String>,
    /// Schema and name of each, or the name alone, as [`plain`] writes them.
    names: BTreeSet<String>,
    /// Those that have their rows elsewhere.
    foreign_tables: BTreeSet<String>,
}

/// What the failure of one entry means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    NotTried,
    Unproven,
    /// Something else is wrong with it.
    Broken,
}

/// Whether a right is what was missing.
pub fn is_powerless(message: &str) -> bool {
    POWERLESS.iter().any(|words| message.contains(words))
}

impl LeftOut {
    pub fn new(catalog: &Catalog) -> Self {
        let roles = catalog.roles.iter().map(|role| role.name.clone());
        Self {
            roles: roles.collect(),
            ..Self::default()
        }
    }

    /// As pg_restore's list has it: `schema name(arguments) owner`. Names may hold spaces.
    pub fn not_tried(&self, entry: &Entry) -> NotTried {
        let owners = self.roles.iter().filter(|role| entry.may_belong_to(role));
        let owner_bytes = owners.map(String::len).max();
        let (names, _) = match owner_bytes {
            Some(bytes) => entry.names.split_at(entry.names.len() - bytes - 1),
            None => entry.names.rsplit_once(' ').unwrap_or((&entry.names, "")),
        };
        let name = match names.split_once(' ') {
            Some(("-", name)) => name.to_owned(),
            Some((schema, name)) => format!("{schema}.{name}"),
            None => names.to_owned(),
        };
        NotTried {
            kind: entry.kind.to_lowercase(),
            name,
        }
    }

    /// Where the kind has no schema, with what PostgreSQL calls it: `language x`. An event trigger is
    /// needed by nothing; of a constraint it is the index that has a name.
    fn name(&self, entry: &Entry) -> Option<String> {
        let NotTried { name, kind } = self.not_tried(entry);
        let own = plain(name.split('(').next().unwrap_or_default());
        if own.trim().is_empty() {
            // A schema may be called `(`; nothing would stand in every text.
            return None;
        }
        if !entry.names.starts_with("- ") {
            let of_table = kind.ends_with("constraint").then(|| own.rsplit_once(' '));
            let index = of_table.flatten().and_then(|(table, constraint)| {
                let (schema, _) = table.split_once(' ')?;
                Some(format!("{schema} {constraint}"))
            });
            return Some(index.unwrap_or(own));
        }
        let called = match kind.as_str() {
            "event trigger" => return None,
            "procedural language" => "language",
            "foreign data wrapper" => "foreign-data wrapper",
            other => other,
        };
        Some(format!("{called} {own}"))
    }

    /// Decides on an entry that failed, and remembers it for those that need it.
    pub fn judge(&mut self, entry: &Entry, complaints: &[&Complaint]) -> Meaning {
        let excused = |one: &&Complaint, own: Option<&str>| {
            let all = format!("{} {}", one.message, one.sql);
            is_powerless(&one.message) || self.is_missed_in(&all, own)
        };
        let name = self.name(entry);
        // Once it could not be made, its owner, say, could not be set either.
        let has_reason = complaints.iter().any(|one| excused(one, None));
        if !has_reason || !complaints.iter().all(|one| excused(one, name.as_deref())) {
            return Meaning::Broken;
        }
        if entry.kind == "FOREIGN TABLE" {
            self.foreign_tables.extend(name.clone());
        }
        let has_rows_here = name
            .as_ref()
            .is_none_or(|name| !self.foreign_tables.contains(name));
        self.names.extend(name);
        if is_failure(entry, complaints) && has_rows_here {
            Meaning::Unproven
        } else {
            Meaning::NotTried
        }
    }

    /// Leaves an entry out without a try.
    pub fn add(&mut self, entry: &Entry) -> NotTried {
        let name = self.name(entry);
        self.names.extend(name);
        self.not_tried(entry)
    }

    /// Whether a server's complaint is that something left out is not there.
    pub fn is_missed_by(&self, complaint: &str) -> bool {
        self.is_missed_in(complaint, None)
    }

    fn is_missed_in(&self, complaint: &str, own: Option<&str>) -> bool {
        const MISSED: &str = "does not exist";
        // A schema `does` with an object `not` would else be missed everywhere.
        let text = plain(complaint).replace(MISSED, "");
        let mut names = self.names.iter().map(String::as_str).chain(own);
        complaint.contains(MISSED) && names.any(|name| has_whole(&text, name))
    }
}

/// Whether a name stands in a text, not as a part of a longer word.
fn has_whole(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Names may be quoted, and a dot or a space may stand between schema and name.
fn plain(text: &str) -> String {
    text.replace('"', "").replace(['.', '\n', '\r'], " ")
}

impl Report {
    /// Whether a table could not be made for want of rights.
    pub(super) fn is_unproven(&self, table: &Name) -> bool {
        // pg_restore writes line breaks in names as spaces.
        let begin = format!("TABLE {} {} ", table.schema, table.name);
        let begin = begin.replace(['\n', '\r'], " ");
        let mut unproven = self.unproven.iter();
        unproven.any(|one| one.what.starts_with(&begin))
    }

    /// Files what was refused of our own statements, of this kind.
    pub(super) fn file_refused(&mut self, kind: &str, nobody: Option<&LeftOut>, refused: Trouble) {
        let left_out = nobody
            .filter(|left_out| is_powerless(&refused.why) || left_out.is_missed_by(&refused.why));
        if left_out.is_some() {
            let name = refused.what.strip_prefix(kind).unwrap_or(&refused.what);
            self.not_tried.push(NotTried {
                kind: kind.to_owned(),
                name: name.trim_start().to_owned(),
            });
        } else {
            self.findings.push(refused);
        }
    }
}

/// A function that differs from its own definition in one word, which nobody but a superuser may say:
/// that no row it is asked about leaks through it. Tables may need the function.
pub fn without_leakproof(complaint: &Complaint) -> Option<String> {
    if !complaint.message.contains("leakproof function") {
        return None;
    }
    // pg_dump writes the body after its own line `AS`.
    let head = complaint
        .sql
        .find("\n    AS ")
        .unwrap_or(complaint.sql.len());
    let at = complaint.sql[..head].rfind(" LEAKPROOF")?;
    let mut sql = complaint.sql.clone();
    sql.replace_range(at..at + " LEAKPROOF".len(), "");
    Some(sql)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::target::toc::Section;

    fn entry(kind: &str, names: &str) -> Entry {
        Entry {
            id: 1,
            section: Section::PreData,
            kind: kind.to_owned(),
            names: names.to_owned(),
        }
    }

    fn complaint(message: &str, sql: &str) -> Complaint {
        Complaint {
            message: message.to_owned(),
            sql: sql.to_owned(),
        }
    }

    #[test]
    fn what_hangs_on_something_left_out_follows_it() {
        let mut left_out = LeftOut::default();
        let denied = complaint(
            "ERROR:  permission denied for language c",
            "CREATE FUNCTION",
        );
        let function = entry("FUNCTION", "dev f(integer) own");
        assert_eq!(left_out.judge(&function, &[&denied]), Meaning::NotTried);
        let missing = complaint(
            "ERROR:  function dev.f(integer) does not exist",
            "CREATE TABLE dev.t",
        );
        let trigger = entry("TRIGGER", "dev t tg own");
        assert_eq!(left_out.judge(&trigger, &[&missing]), Meaning::NotTried);
        let table = entry("TABLE", "dev t own");
        assert_eq!(left_out.judge(&table, &[&missing]), Meaning::Unproven);
        let other = complaint(
            "ERROR:  function dev.g() does not exist",
            "CREATE TABLE x.y",
        );
        assert_eq!(left_out.judge(&table, &[&other]), Meaning::Broken);
        assert_eq!(
            left_out.judge(&table, &[&missing, &other]),
            Meaning::Broken,
            "one reason is not excused"
        );
    }

    #[test]
    fn names_that_stand_everywhere_excuse_nothing() {
        let denied = complaint(
            "ERROR:  permission denied for language c",
            "CREATE FUNCTION",
        );
        let broken = complaint(
            "ERROR:  function dev.g() does not exist",
            "CREATE VIEW dev.v",
        );
        for hostile in ["( f() own", "does not() own", "(  own"] {
            let mut left_out = LeftOut::default();
            left_out.judge(&entry("FUNCTION", hostile), &[&denied]);
            let view = entry("VIEW", "dev v own");
            assert_eq!(
                left_out.judge(&view, &[&broken]),
                Meaning::Broken,
                "{hostile}"
            );
        }
    }

    #[test]
    fn names_are_as_people_write_them() {
        let left_out = LeftOut {
            roles: vec!["own".to_owned(), "x; own".to_owned()],
            ..LeftOut::default()
        };
        let shown = |names: &str| left_out.not_tried(&entry("EVENT TRIGGER", names)).name;
        assert_eq!(shown("- et postgres"), "et");
        assert_eq!(shown("- heap "), "heap");
        assert_eq!(shown("dev f(integer, text) own"), "dev.f(integer, text)");
        assert_eq!(shown("dev t x; own"), "dev.t");
    }

    #[test]
    fn leakproof_goes_from_the_head_alone() {
        let says = "ERROR:  only superuser can define a leakproof function";
        let sql = "CREATE FUNCTION d.f() RETURNS boolean\n    LANGUAGE sql LEAKPROOF\n    \
                   AS $$ SELECT ' LEAKPROOF' = '' $$;";
        let without = without_leakproof(&complaint(says, sql)).unwrap();
        assert_eq!(without.matches("LEAKPROOF").count(), 1, "{without}");
        assert!(without.contains("LANGUAGE sql\n    AS"));
        assert_eq!(without_leakproof(&complaint("ERROR:  other", sql)), None);
    }
}
