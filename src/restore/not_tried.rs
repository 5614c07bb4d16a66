//! Separates what a drill cannot make, for want of a superuser's rights or of an extension, from what is
//! broken. A restore knows no such difference.
//!
//! Where no row, key or constraint depends on such an object it is *not tried*, which costs nothing.
//! A table, key or constraint that is missing because of one is *unproven*: neither sound nor failed.
//! The author of a schema can so keep a point from being proven, never have it proven.

use std::collections::BTreeSet;

use crate::model::attestation::NotTried;
use crate::model::catalog::Catalog;
use crate::pg::target::archive::Complaint;
use crate::pg::target::toc::Entry;

/// PostgreSQL's words for a missing right. Text of the backup may hold them too: it can only make
/// less count as proven.
const MISSING_RIGHT: [&str; 10] = [
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

/// What a server says of something that an extension would have brought along.
const MISSING_MEMBER: [&str; 2] = [
    "does not exist",
    "has no default operator class for access method",
];

/// What could not be made so far, to know what failed because of it.
#[derive(Debug, Default)]
pub(super) struct NotTriedObjects {
    /// Without power, as in a drill: what it has no right to make says nothing of the backup.
    powerless: bool,
    roles: Vec<String>,
    /// Schema and name of each, or the name alone, as [`plain`] writes them.
    names: BTreeSet<String>,
    /// Those whose rows are on other servers.
    foreign_tables: BTreeSet<String>,
    /// Extensions that the server could not make. Nobody knows what is in them: whatever does not exist
    /// may be theirs.
    extensions: BTreeSet<String>,
}

/// Why an entry of the archive failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// For want of rights or of an extension, and no data depends on it.
    NotTried,
    /// For the same reasons, and data, a key or a constraint is missing.
    Unproven,
    Broken,
}

impl NotTriedObjects {
    /// `powerless`: the login is; `extensions`: those that a drill's server lacks.
    pub(super) fn new(catalog: &Catalog, powerless: bool, extensions: BTreeSet<String>) -> Self {
        let roles = catalog.roles.iter().map(|role| role.name.clone());
        Self {
            powerless,
            roles: roles.collect(),
            extensions,
            ..Self::default()
        }
    }

    /// The extension that an object belongs to, where the server could not make it.
    pub(super) fn lacks(&self, extension: Option<&String>) -> Option<&String> {
        extension.and_then(|name| self.extensions.get(name))
    }

    pub(super) fn extensions(&self) -> impl Iterator<Item = NotTried> {
        self.extensions.iter().map(|name| NotTried {
            kind: "extension".to_owned(),
            name: name.clone(),
        })
    }

    /// Kind and name of an entry: pg_restore lists `schema name(arguments) owner`, and names may hold
    /// spaces.
    pub(super) fn named(&self, entry: &Entry) -> NotTried {
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

    /// How messages name an entry. Where its kind has no schema, PostgreSQL's word for the kind comes
    /// first: `language x`. Nothing needs an event trigger; of a constraint, its index is named.
    fn name_in_messages(&self, entry: &Entry) -> Option<String> {
        let NotTried { name, kind } = self.named(entry);
        let own = plain(name.split('(').next().unwrap_or_default());
        if own.trim().is_empty() {
            // A schema may be called `(`; an empty name would be found in every text.
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

    /// Judges an entry that failed, and remembers it for those that need it.
    pub(super) fn judge(&mut self, entry: &Entry, complaints: &[&Complaint]) -> Judgement {
        let excused = |one: &&Complaint, own: Option<&str>| {
            let all = format!("{} {}", one.message, one.sql);
            self.lacks_right(&one.message)
                || self.lacks_extension(&one.message)
                || self.misses(&all, own)
        };
        let name = self.name_in_messages(entry);
        // Once it could not be made, its owner, say, could not be set either.
        let has_reason = complaints.iter().any(|one| excused(one, None));
        if !has_reason || !complaints.iter().all(|one| excused(one, name.as_deref())) {
            return Judgement::Broken;
        }
        if entry.kind == "FOREIGN TABLE" {
            self.foreign_tables.extend(name.clone());
        }
        let has_rows_here = name
            .as_ref()
            .is_none_or(|name| !self.foreign_tables.contains(name));
        self.names.extend(name);
        if is_failure(entry, complaints) && has_rows_here {
            Judgement::Unproven
        } else {
            Judgement::NotTried
        }
    }

    /// Remembers an entry that is left out without a try.
    pub(super) fn add(&mut self, entry: &Entry) -> NotTried {
        self.names.extend(self.name_in_messages(entry));
        self.named(entry)
    }

    /// Whether the server complains about a missing right, or about an object that was not tried.
    pub(super) fn excuses(&self, complaint: &str) -> bool {
        self.lacks_right(complaint)
            || self.lacks_extension(complaint)
            || self.misses(complaint, None)
    }

    fn lacks_right(&self, complaint: &str) -> bool {
        let mut words = MISSING_RIGHT.iter();
        self.powerless && words.any(|words| complaint.contains(words))
    }

    /// Whether what the server complains about may be of an extension that is not there.
    fn lacks_extension(&self, complaint: &str) -> bool {
        let mut words = MISSING_MEMBER.iter();
        !self.extensions.is_empty() && words.any(|words| complaint.contains(words))
    }

    /// Whether the complaint is that an object which was not tried, or `own`, does not exist.
    fn misses(&self, complaint: &str, own: Option<&str>) -> bool {
        const MISSED: &str = "does not exist";
        // A schema `does` with an object `not` would else be missed everywhere.
        let text = plain(complaint).replace(MISSED, "");
        let mut names = self.names.iter().map(String::as_str).chain(own);
        complaint.contains(MISSED) && names.any(|name| has_whole(&text, name))
    }
}

/// Whether a text holds a name, not as a part of a longer word.
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

/// The definition of a function without the word LEAKPROOF, which only a superuser may use. Tables may
/// need the function.
pub(super) fn without_leakproof(complaint: &Complaint) -> Option<String> {
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

/// Whether data, a key or a constraint is missing; a wrong owner alone is not that.
pub(super) fn is_failure(entry: &Entry, complaints: &[&Complaint]) -> bool {
    let only_owner = complaints
        .iter()
        .all(|one| one.sql.starts_with("ALTER ") && one.sql.contains(" OWNER TO "));
    let unique = entry.kind == "INDEX"
        && complaints
            .iter()
            .any(|one| one.sql.starts_with("CREATE UNIQUE "));
    !only_owner && (entry.holds_data_together() || unique)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::target::toc::Section;

    fn entry(kind: &str, names: &str) -> Entry {
        Entry {
            id: 1,
            section: Section::PreData,
            object: (0, 0),
            needs: Vec::new(),
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

    fn powerless() -> NotTriedObjects {
        NotTriedObjects {
            powerless: true,
            ..NotTriedObjects::default()
        }
    }

    #[test]
    fn what_hangs_on_something_left_out_follows_it() {
        let mut objects = powerless();
        let denied = complaint(
            "ERROR:  permission denied for language c",
            "CREATE FUNCTION",
        );
        let function = entry("FUNCTION", "dev f(integer) own");
        assert_eq!(objects.judge(&function, &[&denied]), Judgement::NotTried);
        let missing = complaint(
            "ERROR:  function dev.f(integer) does not exist",
            "CREATE TABLE dev.t",
        );
        let trigger = entry("TRIGGER", "dev t tg own");
        assert_eq!(objects.judge(&trigger, &[&missing]), Judgement::NotTried);
        let table = entry("TABLE", "dev t own");
        assert_eq!(objects.judge(&table, &[&missing]), Judgement::Unproven);
        let other = complaint(
            "ERROR:  function dev.g() does not exist",
            "CREATE TABLE x.y",
        );
        assert_eq!(objects.judge(&table, &[&other]), Judgement::Broken);
        assert_eq!(
            objects.judge(&table, &[&missing, &other]),
            Judgement::Broken,
            "one reason is not excused"
        );
    }

    #[test]
    fn what_is_missing_may_be_of_an_extension_that_is_not_there() {
        let missing = complaint(
            "ERROR:  type \"public.vector\" does not exist",
            "CREATE TABLE",
        );
        let no_class = complaint(
            "ERROR:  data type integer has no default operator class for access method \"gist\"",
            "ALTER TABLE",
        );
        let other = complaint("ERROR:  syntax error", "CREATE TABLE");
        let exclusion = entry("CONSTRAINT", "dev t t_excl own");
        let table = entry("TABLE", "dev t own");
        let catalog = crate::model::fixture::catalog();
        let mut whole = NotTriedObjects::new(&catalog, true, BTreeSet::new());
        assert_eq!(whole.judge(&table, &[&missing]), Judgement::Broken);
        assert_eq!(whole.judge(&exclusion, &[&no_class]), Judgement::Broken);
        let mut lacking = NotTriedObjects::new(&catalog, false, ["vector".to_owned()].into());
        assert_eq!(lacking.judge(&table, &[&missing]), Judgement::Unproven);
        let exclusion = lacking.judge(&exclusion, &[&no_class]);
        assert_eq!(exclusion, Judgement::Unproven);
        assert_eq!(lacking.judge(&table, &[&other]), Judgement::Broken);
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
            let mut objects = powerless();
            objects.judge(&entry("FUNCTION", hostile), &[&denied]);
            let view = entry("VIEW", "dev v own");
            assert_eq!(
                objects.judge(&view, &[&broken]),
                Judgement::Broken,
                "{hostile}"
            );
        }
    }

    #[test]
    fn names_are_as_people_write_them() {
        let objects = NotTriedObjects {
            roles: vec!["own".to_owned(), "x; own".to_owned()],
            ..powerless()
        };
        let shown = |names: &str| objects.named(&entry("EVENT TRIGGER", names)).name;
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

    #[test]
    fn a_missing_table_or_key_fails_and_a_wrong_owner_does_not() {
        let owner = complaint("ERROR:  role", "ALTER TABLE t OWNER TO own;");
        let table = complaint("ERROR:  type", "CREATE TABLE t (a x);");
        let unique = complaint("ERROR:  dup", "CREATE UNIQUE INDEX i ON t (a);");
        let index = complaint("ERROR:  f", "CREATE INDEX i ON t (f(a));");
        assert!(!is_failure(&entry("TABLE", "public t own"), &[&owner]));
        assert!(is_failure(
            &entry("TABLE", "public t own"),
            &[&owner, &table]
        ));
        assert!(is_failure(&entry("INDEX", "public t own"), &[&unique]));
        assert!(!is_failure(&entry("INDEX", "public t own"), &[&index]));
        assert!(!is_failure(&entry("COMMENT", "public t own"), &[&index]));
    }
}
