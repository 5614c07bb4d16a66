//! What a difference of each kind means.

use super::change::Change;

/// How a kind's names are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Schema and name, or the name alone.
    Object,
    /// Schema, table, and the name on it.
    OnTable,
    /// Schema and table.
    OfTable,
    /// What kind of object, then its name.
    Any,
    /// Words of its own.
    Own,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Failure,
    Finding,
    /// What only the target has is none of ours, as its server has others, too.
    Nothing,
}
use Severity::{Failure, Finding, Nothing};

/// How texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// Word by word, whatever the versions.
    Same,
    /// As each version of PostgreSQL prints it.
    OfVersion,
    /// Who may do what.
    Privileges,
}

/// What is restored only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Always,
    Owners,
    Privileges,
}

pub(crate) struct Rule {
    pub kind: &'static str,
    pub shape: Shape,
    pub text: Text,
    lost: Severity,
    changed: Severity,
    added: Severity,
    pub asked: Asked,
    /// Of the instance or the database: a drill prepares its own.
    pub of_instance: bool,
    /// How pg_restore's list calls it.
    pub entries: &'static [&'static str],
}

const fn rule(
    kind: &'static str,
    shape: Shape,
    text: Text,
    severities: [Severity; 3],
    entries: &'static [&'static str],
) -> Rule {
    let [lost, changed, added] = severities;
    Rule {
        kind,
        shape,
        text,
        lost,
        changed,
        added,
        asked: Asked::Always,
        of_instance: false,
        entries,
    }
}

impl Rule {
    const fn if_asked(mut self, asked: Asked) -> Self {
        self.asked = asked;
        self
    }

    const fn of_instance(mut self) -> Self {
        self.of_instance = true;
        self
    }

    pub(crate) fn severity(&self, name: &[String], change: Change<'_>) -> Severity {
        let severity = match change {
            Change::Lost(_) => self.lost,
            Change::Added(_) => self.added,
            Change::Changed(..) => self.changed,
        };
        let [then, now] = change.texts();
        let gains = |word: &str| now.contains(word) && !then.contains(word);
        match (self.kind, change) {
            ("index", _) if then.starts_with("UNIQUE ") => Failure,
            // They keep rows from a view's readers, and out of its tables.
            ("options", _) if PROTECTING.iter().any(|option| then.contains(option)) => Failure,
            ("not null", _) if WEAKENING.iter().any(|word| gains(word)) => Failure,
            // It shows rows to somebody.
            ("policy", Change::Added(_)) if now.starts_with("PERMISSIVE ") => Failure,
            // It goes with the object, which is told; those of a column may go alone.
            ("privileges", Change::Lost(_)) if name.first().is_some_and(|of| of != "column") => {
                Nothing
            }
            _ => severity,
        }
    }
}

/// Of a NOT NULL.
const WEAKENING: [&str; 2] = [" NO INHERIT", " NOT VALID"];

/// Options of views.
const PROTECTING: [&str; 3] = ["security_barrier", "security_invoker", "check_option"];

/// Lost data or protection.
const HOLDS: [Severity; 3] = [Failure, Failure, Finding];
const TELLS: [Severity; 3] = [Finding, Finding, Finding];
/// Of what the target has more, nothing is said.
const OURS: [Severity; 3] = [Finding, Finding, Nothing];

pub(crate) fn find(kind: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.kind == kind)
}

const RULES: &[Rule] = {
    use Shape::{Any, Object, OfTable, OnTable, Own};
    use Text::{OfVersion, Privileges, Same};
    &[
        rule("schema", Object, Same, TELLS, &["SCHEMA"]),
        rule("extension", Object, Same, TELLS, &["EXTENSION"]),
        rule("type", Object, OfVersion, TELLS, &["TYPE", "DOMAIN"]),
        rule(
            "domain constraint",
            OnTable,
            OfVersion,
            HOLDS,
            &["CHECK CONSTRAINT", "CONSTRAINT"],
        ),
        rule(
            "function",
            Object,
            OfVersion,
            TELLS,
            &["FUNCTION", "PROCEDURE", "AGGREGATE"],
        ),
        rule("table", Object, Same, HOLDS, &["TABLE", "TABLE ATTACH"]),
        rule(
            "foreign table",
            Object,
            OfVersion,
            TELLS,
            &["FOREIGN TABLE", "TABLE ATTACH"],
        ),
        rule(
            "sequence",
            Object,
            Same,
            HOLDS,
            &["SEQUENCE", "SEQUENCE OWNED BY"],
        ),
        rule("view", Object, OfVersion, TELLS, &["VIEW"]),
        rule(
            "materialized view",
            Object,
            OfVersion,
            TELLS,
            &["MATERIALIZED VIEW"],
        ),
        rule("column", OnTable, Same, HOLDS, &[]),
        rule(
            "default",
            OnTable,
            OfVersion,
            [Failure, Finding, Finding],
            &["DEFAULT"],
        ),
        rule(
            "key",
            OnTable,
            Same,
            HOLDS,
            &["CONSTRAINT", "FK CONSTRAINT"],
        ),
        rule(
            "check",
            OnTable,
            OfVersion,
            HOLDS,
            &["CHECK CONSTRAINT", "CONSTRAINT"],
        ),
        // Whether there is one, its column says.
        rule("not null", OnTable, Same, [Nothing, Finding, Nothing], &[]),
        rule(
            "index",
            OnTable,
            OfVersion,
            TELLS,
            &["INDEX", "INDEX ATTACH"],
        ),
        rule("rule", OnTable, OfVersion, TELLS, &["RULE"]),
        rule("trigger", OnTable, OfVersion, TELLS, &["TRIGGER"]),
        rule("policy", OnTable, OfVersion, HOLDS, &["POLICY"]),
        rule("row security", OfTable, Same, HOLDS, &["ROW SECURITY"]),
        rule("replica identity", OfTable, Same, TELLS, &[]),
        rule("options", OfTable, Same, TELLS, &[]),
        rule("column options", OnTable, OfVersion, TELLS, &[]),
        rule("statistics", Object, OfVersion, TELLS, &["STATISTICS"]),
        rule("publication", Object, OfVersion, TELLS, &["PUBLICATION"]),
        rule(
            "published table",
            Own,
            OfVersion,
            TELLS,
            &["PUBLICATION TABLE"],
        ),
        rule(
            "published schema",
            Own,
            OfVersion,
            TELLS,
            &["PUBLICATION TABLES IN SCHEMA"],
        ),
        rule("subscription", Object, OfVersion, TELLS, &["SUBSCRIPTION"]),
        rule(
            "event trigger",
            Object,
            OfVersion,
            TELLS,
            &["EVENT TRIGGER"],
        ),
        rule("user mapping", Own, OfVersion, TELLS, &["USER MAPPING"]),
        rule("object", Any, OfVersion, TELLS, &[]),
        // Every object has one: where it is not there the object is not, which is told.
        rule("owner", Any, Same, [Nothing, Finding, Nothing], &[]).if_asked(Asked::Owners),
        rule(
            "privileges",
            Any,
            Privileges,
            OURS,
            &["ACL", "privileges of"],
        )
        .if_asked(Asked::Privileges),
        rule(
            "privileges of the system",
            Any,
            Privileges,
            TELLS,
            &["ACL", "privileges of"],
        )
        .if_asked(Asked::Privileges),
        rule(
            "default privileges",
            Own,
            Privileges,
            TELLS,
            &["DEFAULT ACL"],
        )
        .if_asked(Asked::Privileges),
        rule("comment", Any, Same, TELLS, &["COMMENT"]),
        rule("security label", Any, Same, TELLS, &["SECURITY LABEL"]),
        rule("database", Own, Same, TELLS, &[]).of_instance(),
        rule("database privileges", Own, Privileges, TELLS, &[])
            .if_asked(Asked::Privileges)
            .of_instance(),
        rule("database setting", Own, Same, TELLS, &[]).of_instance(),
        rule("role", Own, Same, OURS, &[]).of_instance(),
        rule("role setting", Own, Same, OURS, &[]).of_instance(),
        rule("role comment", Own, Same, OURS, &[]).of_instance(),
        rule("role label", Own, Same, OURS, &[]).of_instance(),
        rule("membership", Own, Same, OURS, &[]).of_instance(),
        rule("privileges on a parameter", Own, Privileges, OURS, &[])
            .if_asked(Asked::Privileges)
            .of_instance(),
    ]
};
