//! Two lists of definitions, entry by entry: a pure function. Of what hangs on something that came or went
//! nothing is said.

use super::report::DefinitionChange;
use crate::model::definitions::Definitions;
use crate::model::definitions::change::Change as Texts;
use crate::model::definitions::entries::entries;
use crate::model::definitions::lost::Lost;
use crate::model::definitions::objects::objects;
use crate::model::definitions::privileges::{self, Comparison, Leave};
use crate::model::definitions::rules::{self, Rule, Text};
use crate::model::definitions::words;
use crate::model::table_change::Change;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    pub changes: Vec<DefinitionChange>,
    pub same: u64,
    pub not_compared: Vec<String>,
}

/// `majors`: of the servers that printed them. `left_out`: what one side lacks on request, by kind and name.
pub(super) fn compare(
    before: &[&Definitions],
    after: &[&Definitions],
    majors: [u32; 2],
    left_out: &dyn Fn(&str, &[String]) -> bool,
) -> Differences {
    let (then, now) = (objects(before), objects(after));
    let mut comparer = Comparer {
        went: Lost::new(&then, &now, before, after),
        came: Lost::new(&now, &then, after, before),
        same_major: majors[0] == majors[1],
        // From 17 on every owner has it.
        leave: Leave {
            maintain: majors.iter().any(|major| *major < 17) && majors.iter().any(|it| *it >= 17),
            grantees: Vec::new(),
        },
        left_out,
        found: Differences::default(),
    };
    let mut kinds: Vec<&str> = before.iter().map(|one| one.kind.as_str()).collect();
    let more = after.iter().map(|one| one.kind.as_str());
    kinds.extend(more.filter(|kind| before.iter().all(|one| one.kind != *kind)));
    for kind in kinds {
        let of = |all: &[&'_ Definitions]| all.iter().position(|one| one.kind == kind);
        match (rules::find(kind), of(before), of(after)) {
            (Some(rule), Some(then), Some(now)) => comparer.add(rule, before[then], after[now]),
            (_, then, now) => {
                let count =
                    |at: Option<usize>, all: &[&Definitions]| at.map_or(0, |at| all[at].list.len());
                let count = count(then, before).max(count(now, after));
                if count > 0 {
                    comparer.found.not_compared.push(format!(
                        "{count} of kind {kind}: not both sides know such a kind"
                    ));
                }
            }
        }
    }
    comparer.found
}

struct Comparer<'a> {
    went: Lost<'a>,
    came: Lost<'a>,
    same_major: bool,
    leave: Leave,
    left_out: &'a dyn Fn(&str, &[String]) -> bool,
    found: Differences,
}

impl Comparer<'_> {
    fn add(&mut self, rule: &'static Rule, before: &Definitions, after: &Definitions) {
        let (then, now) = (entries(&before.list), entries(&after.list));
        let (mut incomparable, mut left_out) = (0, 0);
        for (name, text) in &then {
            match now.get(name) {
                Some(other) if self.is_same(rule, text, other) => self.found.same += 1,
                Some(_) if rule.text == Text::OfVersion && !self.same_major => incomparable += 1,
                Some(other) => self.tell(rule, name, Texts::Changed(text, other)),
                None if hangs_on(&self.went, rule, name) => {}
                None if (self.left_out)(rule.kind, name) => left_out += 1,
                None => self.tell(rule, name, Texts::Lost(text)),
            }
        }
        for (name, text) in now.iter().filter(|(name, _)| !then.contains_key(*name)) {
            if hangs_on(&self.came, rule, name) {
                continue;
            }
            match (self.left_out)(rule.kind, name) {
                true => left_out += 1,
                false => self.tell(rule, name, Texts::Added(text)),
            }
        }
        if left_out > 0 {
            let kind = rule.kind;
            let what = format!("{left_out} of kind {kind}: one side leaves them out on request");
            self.found.not_compared.push(what);
        }
        if incomparable > 0 {
            let kind = rule.kind;
            self.found.not_compared.push(format!(
                "{incomparable} of kind {kind}: PostgreSQL of another major version prints them otherwise"
            ));
        }
    }

    fn is_same(&self, rule: &Rule, then: &str, now: &str) -> bool {
        match rule.text {
            Text::Privileges => privileges::compare(then, now, &self.leave) == Comparison::Same,
            _ => then == now,
        }
    }

    fn tell(&mut self, rule: &Rule, name: &[String], texts: Texts<'_>) {
        let (change, before, after) = match texts {
            Texts::Lost(text) => (Change::Went, Some(text), None),
            Texts::Added(text) => (Change::Came, None, Some(text)),
            Texts::Changed(then, now) => (Change::Changed, Some(then), Some(now)),
        };
        self.found.changes.push(DefinitionChange {
            change,
            kind: rule.kind.to_owned(),
            name: name.to_vec(),
            what: words::what(rule, name, texts),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        });
    }
}

fn hangs_on(lost: &Lost<'_>, rule: &Rule, name: &[String]) -> bool {
    let of_object = matches!(rule.kind, "owner" | "privileges");
    lost.carries(rule, name) || of_object && lost.takes(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::definitions::Definition;

    fn kind(kind: &str, list: &[(&[&str], &str)]) -> Definitions {
        let definition = |(name, text): &(&[&str], &str)| Definition {
            name: name.iter().map(|part| (*part).to_owned()).collect(),
            text: (*text).to_owned(),
        };
        Definitions {
            kind: kind.to_owned(),
            list: list.iter().map(definition).collect(),
        }
    }

    fn told(before: &[Definitions], after: &[Definitions], majors: [u32; 2]) -> Differences {
        let (before, after): (Vec<_>, Vec<_>) = (before.iter().collect(), after.iter().collect());
        compare(&before, &after, majors, &|_, _| false)
    }

    fn words(found: &Differences) -> Vec<(Change, &str)> {
        let changes = found.changes.iter();
        changes.map(|one| (one.change, one.what.as_str())).collect()
    }

    #[test]
    fn what_hangs_on_a_table_that_went_or_came_is_not_told_again() {
        let side = |table: &str| {
            [
                kind("table", &[(&["s", table], "TABLE"), (&["s", "t"], "TABLE")]),
                kind("column", &[(&["s", table, "a"], "integer")]),
                kind("key", &[(&["s", table, "k"], "PRIMARY KEY (a)")]),
                kind("owner", &[(&["table", "s", table], "me")]),
                kind("privileges", &[(&["table", "s", table], "OWNER SELECT")]),
                kind("comment", &[(&["table", &format!("s.{table}")], "x")]),
            ]
        };
        let found = told(&side("gone"), &side("new"), [15, 15]);
        let expected = [
            (Change::Went, "table s.gone"),
            (Change::Came, "table s.new"),
        ];
        assert_eq!((words(&found), found.same), (expected.to_vec(), 1));
    }

    #[test]
    fn what_one_side_leaves_out_on_request_neither_went_nor_came() {
        let full = [
            kind("table", &[(&["s", "log"], "TABLE"), (&["s", "t"], "TABLE")]),
            kind("column", &[(&["s", "log", "a"], "integer")]),
            kind("view", &[(&["s", "v"], "SELECT"), (&["s", "w"], "SELECT")]),
        ];
        let less = [
            kind("table", &[(&["s", "t"], "TABLE")]),
            kind("column", &[]),
            kind("view", &[(&["s", "w"], "SELECT")]),
        ];
        let left_out = |kind: &str, name: &[String]| {
            kind == "table" && name == ["s", "log"] || kind == "view" && name == ["s", "v"]
        };
        let (full, less): (Vec<_>, Vec<_>) = (full.iter().collect(), less.iter().collect());
        for (before, after) in [(&full, &less), (&less, &full)] {
            let found = compare(before, after, [15, 15], &left_out);
            assert_eq!((words(&found), found.same), (Vec::new(), 2));
            assert_eq!(found.not_compared.len(), 2, "{found:?}");
        }
    }

    #[test]
    fn both_texts_are_told() {
        let side = |text| [kind("function", &[(&["s", "f()"], text)])];
        let found = told(&side("one"), &side("two"), [15, 15]);
        let texts = &found.changes[0];
        assert_eq!(
            (texts.before.as_deref(), texts.after.as_deref()),
            (Some("one"), Some("two"))
        );
        let found = told(&side("one"), &side("two"), [15, 16]);
        assert!(found.changes.is_empty() && found.not_compared.len() == 1);
    }

    #[test]
    fn a_later_version_grants_owners_nothing_new() {
        let side = |text| [kind("privileges", &[(&["table", "s", "t"], text)])];
        let (then, now) = (side("OWNER SELECT"), side("OWNER MAINTAIN, SELECT"));
        assert_eq!(told(&then, &now, [15, 17]).same, 1);
        assert_eq!(told(&then, &now, [17, 17]).changes.len(), 1);
    }

    #[test]
    fn kinds_that_only_one_side_knows_are_not_compared() {
        let after = [kind("not null", &[(&["s", "t", "n"], "NOT NULL a")])];
        let found = told(&[], &after, [17, 18]);
        assert!(found.changes.is_empty());
        assert!(found.not_compared[0].starts_with("1 of kind not null"));
    }
}
