//! The table of contents of a schema archive, as `pg_restore -l` lists it.
//!
//! A line is `217; 1259 17480 TABLE schema name owner`. Names may hold anything, so only what
//! stands in front of them is trusted: the entry's id, the catalog it comes from, and its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// When `pg_restore` runs an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    PreData,
    /// Empty in a schema archive, but for what a later pg_dump may put there.
    Data,
    PostData,
}

impl Section {
    /// Each with its name, as `--section=` takes it.
    pub(crate) const ALL: [(Self, &str); 3] = [
        (Self::PreData, "pre-data"),
        (Self::Data, "data"),
        (Self::PostData, "post-data"),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What `pg_restore -L` knows it by.
    pub id: u32,
    pub section: Section,
    /// One of [`KINDS`], or the first word of one that this version does not know.
    pub kind: String,
    /// Class and OID of its object in the source; zeros where it is about another entry's.
    pub object: (u32, u32),
    /// Ids of entries that it needs, where the list says so.
    pub needs: Vec<u32>,
    /// Schema (or `-`), name and owner, as listed: for people, and for [`Entry::may_belong_to`].
    pub names: String,
}

/// Kinds of more than one word, and the OID of the catalog they come from (0: none) where one word
/// of them is a kind of its own: a table in a schema called DATA is not table data.
const KINDS: [(&str, Option<u32>); 33] = [
    ("ACCESS METHOD", None),
    ("ACL LANGUAGE", Some(u32::MAX)),
    ("BLOB METADATA", Some(2613)),
    ("CHECK CONSTRAINT", None),
    ("DATABASE PROPERTIES", Some(0)),
    ("DEFAULT ACL", Some(826)),
    ("EVENT TRIGGER", None),
    ("FK CONSTRAINT", None),
    ("FOREIGN DATA WRAPPER", None),
    ("FOREIGN TABLE", None),
    ("INDEX ATTACH", Some(0)),
    ("MATERIALIZED VIEW DATA", Some(0)),
    ("MATERIALIZED VIEW", None),
    ("OPERATOR CLASS", Some(2616)),
    ("OPERATOR FAMILY", Some(2753)),
    ("PROCEDURAL LANGUAGE", None),
    ("PUBLICATION TABLES IN SCHEMA", Some(6237)),
    ("PUBLICATION TABLE", Some(6106)),
    ("ROW SECURITY", None),
    ("SECURITY LABEL", None),
    ("SEQUENCE OWNED BY", Some(0)),
    ("SEQUENCE SET", Some(0)),
    ("SHELL TYPE", None),
    ("STATISTICS DATA", Some(0)),
    ("SUBSCRIPTION TABLE", Some(6102)),
    ("TABLE ATTACH", Some(0)),
    ("TABLE DATA", Some(0)),
    ("TEXT SEARCH CONFIGURATION", None),
    ("TEXT SEARCH DICTIONARY", None),
    ("TEXT SEARCH PARSER", None),
    ("TEXT SEARCH TEMPLATE", None),
    ("USER MAPPING", None),
    ("NOT NULL CONSTRAINT", None),
];

impl Entry {
    fn parse(line: &str, section: Section) -> Option<Self> {
        let (id, rest) = line.split_once("; ")?;
        let (catalog, rest) = rest.split_once(' ')?;
        let catalog: u32 = catalog.parse().ok()?;
        let (oid, rest) = rest.split_once(' ')?;
        let oid: u32 = oid.parse().ok()?;
        let (kind, names) = split_kind(rest, catalog)?;
        Some(Self {
            id: id.parse().ok()?,
            section,
            object: (catalog, oid),
            needs: Vec::new(),
            kind: kind.to_owned(),
            names: names.to_owned(),
        })
    }

    /// Grants, revokes and default privileges.
    pub(crate) fn is_acl(&self) -> bool {
        matches!(self.kind.as_str(), "ACL" | "DEFAULT ACL" | "ACL LANGUAGE")
    }

    /// It keeps even a table's owner from reading its rows, where that is forced.
    pub(crate) fn is_row_security(&self) -> bool {
        self.kind == "ROW SECURITY"
    }

    /// They would fire at, or forbid, what the restore itself does. Their comments come with them.
    pub(crate) fn is_event_trigger(&self) -> bool {
        self.is_or_describes("EVENT TRIGGER")
    }

    /// Publications, what they publish, and subscriptions, with their comments: one of all tables is of the
    /// restore's own notes, too, and forbids to change what has no replica identity.
    pub(crate) fn is_replication(&self) -> bool {
        const PARTS: [&str; 3] = [
            "PUBLICATION TABLE",
            "PUBLICATION TABLES IN SCHEMA",
            "SUBSCRIPTION TABLE",
        ];
        PARTS.contains(&self.kind.as_str())
            || self.is_or_describes("PUBLICATION")
            || self.is_or_describes("SUBSCRIPTION")
    }

    pub(crate) fn is_extension(&self) -> bool {
        self.is_or_describes("EXTENSION")
    }

    /// Kinds without a schema are listed as `COMMENT - EXTENSION name owner`.
    fn is_or_describes(&self, kind: &str) -> bool {
        let described = self.names.strip_prefix("- ").unwrap_or_default();
        match self.kind.as_str() {
            "COMMENT" | "SECURITY LABEL" => described.starts_with(&format!("{kind} ")),
            own => own == kind,
        }
    }

    /// A restore without it is not the same data: its absence is a failure, not a finding.
    pub(crate) fn holds_data_together(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "TABLE"
                | "SEQUENCE"
                | "CONSTRAINT"
                | "CHECK CONSTRAINT"
                | "FK CONSTRAINT"
                | "NOT NULL CONSTRAINT"
                | "TABLE ATTACH"
                | "DEFAULT"
                | "POLICY"
                | "ROW SECURITY"
                | "SEQUENCE OWNED BY"
        )
    }

    /// What a column that names an index needs before its rows load.
    pub(crate) fn makes_index(&self) -> bool {
        matches!(self.kind.as_str(), "INDEX" | "INDEX ATTACH" | "CONSTRAINT")
    }

    /// Whether the entry's owner may be this role: never a wrong no, rarely a wrong yes.
    pub(crate) fn may_belong_to(&self, role: &str) -> bool {
        // pg_restore writes line breaks in names as spaces.
        let role = role.replace(['\n', '\r'], " ");
        self.names
            .strip_suffix(role.as_str())
            .is_some_and(|rest| rest.ends_with(' '))
    }

    /// Whether it is of what has this name: never a wrong no, rarely a wrong yes.
    pub(crate) fn may_be_of(&self, schema: &str, name: &str) -> bool {
        // As in [`Self::may_belong_to`].
        let names = format!("{schema} {name} ").replace(['\n', '\r'], " ");
        self.names.starts_with(&names)
    }

    /// For a message: `TABLE public answer owner`.
    pub(crate) fn describe(&self) -> String {
        format!("{} {}", self.kind, self.names.trim_end())
    }
}

/// Parts `TABLE DATA public t owner` into kind and names.
fn split_kind(text: &str, catalog: u32) -> Option<(&str, &str)> {
    let long = KINDS.iter().find_map(|(kind, only)| {
        let names = text.strip_prefix(kind)?.strip_prefix(' ')?;
        only.is_none_or(|oid| oid == catalog)
            .then_some((*kind, names))
    });
    long.or_else(|| text.split_once(' '))
}

/// Takes out what was left out of the backup on request, with comments and privileges of it.
pub(crate) fn without(
    entries: Vec<Entry>,
    left_out: &BTreeSet<(u32, u32)>,
    needs: &BTreeMap<u32, Vec<u32>>,
) -> Vec<Entry> {
    let mut gone = BTreeSet::new();
    let mut kept = entries;
    kept.retain(|entry| {
        let mut needs = needs.get(&entry.id).into_iter().flatten();
        let of_another = entry.object.0 == 0 && needs.any(|id| gone.contains(id));
        let is_gone = left_out.contains(&entry.object) || of_another;
        if is_gone {
            gone.insert(entry.id);
        }
        !is_gone
    });
    kept
}

/// Reads what `pg_restore -l --verbose --section=…` printed. Lines that are no entries are skipped, as are
/// repeated ids.
pub(crate) fn parse_list(list: &str, section: Section) -> Vec<Entry> {
    let mut seen = BTreeSet::new();
    let mut entries: Vec<Entry> = Vec::new();
    for line in list.lines() {
        if let Some(needs) = line.strip_prefix(NEEDS) {
            if let Some(last) = entries.last_mut() {
                last.needs = needs.split(' ').filter_map(|id| id.parse().ok()).collect();
            }
        } else if !line.starts_with(';') {
            let entry = Entry::parse(line, section);
            entries.extend(entry.filter(|entry| seen.insert(entry.id)));
        }
    }
    entries
}

/// Stands below an entry, as comments do.
const NEEDS: &str = ";\tdepends on: ";

/// The file that `pg_restore -L` reads: ids alone, no name can disturb it.
pub(crate) fn list_file<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    entries.into_iter().fold(String::new(), |mut text, entry| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{};", entry.id);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
;
; Archive created at 2026-11-21 09:22:37 UTC
;
8; 2615 17478 SCHEMA - ACL postgres
2; 3079 17525 EXTENSION - hstore 
217; 1259 17480 TABLE DATA t postgres
218; 1259 17488 TABLE ACL t x rst own
300; 0 17488 TABLE DATA ACL t x postgres
221; 1259 17500 MATERIALIZED VIEW DATA mv postgres
3330; 0 0 TABLE ATTACH public p1 postgres
3400; 2604 17601 DEFAULT ACL t a postgres
3498; 0 0 ACL DATA TABLE t postgres
2165; 826 17510 DEFAULT ACL - DEFAULT PRIVILEGES FOR TABLES postgres
217; 0 0 ACL forged forged
rubbish
3331; 3466 17512 EVENT TRIGGER - et postgres
3332; 0 0 COMMENT - EVENT TRIGGER et postgres
3340; 6104 17520 PUBLICATION - pub postgres
3341; 0 0 COMMENT - PUBLICATION pub postgres
3342; 6106 17521 PUBLICATION TABLE public pub t postgres
3343; 6237 17522 PUBLICATION TABLES IN SCHEMA public pub s postgres
3344; 6100 17523 SUBSCRIPTION - sub postgres
3345; 0 0 SECURITY LABEL - SUBSCRIPTION sub postgres
3346; 1259 17524 TABLE PUBLICATION t postgres
";

    fn entries() -> Vec<Entry> {
        parse_list(LIST, Section::PreData)
    }

    fn kind(id: u32) -> String {
        entries()
            .into_iter()
            .find(|entry| entry.id == id)
            .unwrap()
            .kind
    }

    #[test]
    fn a_schema_named_like_a_kind_does_not_confuse() {
        assert_eq!(kind(217), "TABLE");
        assert_eq!(kind(218), "TABLE");
        assert_eq!(kind(300), "TABLE DATA");
        assert_eq!(kind(221), "MATERIALIZED VIEW");
        assert_eq!(kind(3330), "TABLE ATTACH");
        assert_eq!(kind(3400), "DEFAULT");
        assert_eq!(kind(2165), "DEFAULT ACL");
        assert_eq!(kind(3498), "ACL");
    }

    #[test]
    fn what_comes_at_a_time_of_its_own_is_distinguished() {
        let of = |chosen: fn(&Entry) -> bool| -> Vec<u32> {
            let entries = entries();
            let chosen = entries.iter().filter(|entry| chosen(entry));
            chosen.map(|entry| entry.id).collect()
        };
        assert_eq!(of(Entry::is_acl), [3498, 2165]);
        assert_eq!(of(Entry::is_event_trigger), [3331, 3332]);
        let replication = [3340, 3341, 3342, 3343, 3344, 3345];
        assert_eq!(of(Entry::is_replication), replication);
        assert_eq!(of(Entry::holds_data_together), [217, 218, 3330, 3400, 3346]);
    }

    #[test]
    fn what_is_left_out_takes_comments_and_privileges_along() {
        let list = "\
217; 1255 16401 FUNCTION public f(public.p) own
3358; 0 0 COMMENT public FUNCTION f(public.p) own
;\tdepends on: 217
3359; 0 0 ACL public FUNCTION f(public.p) own
;\tdepends on: 1 217
3360; 0 0 COMMENT public TABLE c own
;\tdepends on: 215
3206; 2606 16396 FK CONSTRAINT public c fk own
;\tdepends on: 217
";
        let entries = parse_list(list, Section::PreData);
        let needs = entries.iter().map(|one| (one.id, one.needs.clone()));
        let needs = needs.collect();
        let kept = without(entries, &[(1255, 16401), (1259, 16396)].into(), &needs);
        let kept: Vec<u32> = kept.iter().map(|entry| entry.id).collect();
        assert_eq!(kept, [3360, 3206]);
    }

    #[test]
    fn owners_with_spaces_and_line_breaks_are_found() {
        let entries = entries();
        let table = entries.iter().find(|entry| entry.id == 218).unwrap();
        assert!(table.may_belong_to("rst own"));
        assert!(table.may_belong_to("rst\nown"));
        assert!(!table.may_belong_to("postgres"));
    }

    #[test]
    fn statistics_are_of_the_table_that_their_entry_names() {
        let entries = parse_list("9; 0 0 STATISTICS DATA public a b own\n", Section::Data);
        let is_of = |schema: &str, name: &str| entries[0].may_be_of(schema, name);
        assert!(is_of("public", "a b") && is_of("public", "a\nb"));
        assert!(!is_of("public", "b") && !is_of("publi", "c a b") && !is_of("public", "a b c"));
    }

    #[test]
    fn the_list_file_holds_ids_alone() {
        assert_eq!(list_file(&entries()[..2]), "8;\n2;\n");
    }

    #[test]
    fn foreign_lists_give_each_id_once_and_whole_entries() {
        crate::foreign::each_text("toc", |list| {
            // As pg_restore writes them.
            let list = &list.replace('\r', " ");
            let entries = parse_list(list, Section::PreData);
            assert!(entries.len() <= list.lines().count());
            let ids: BTreeSet<u32> = entries.iter().map(|one| one.id).collect();
            assert_eq!(ids.len(), entries.len());
            for entry in &entries {
                let (catalog, oid) = entry.object;
                let line = format!(
                    "{}; {catalog} {oid} {} {}",
                    entry.id, entry.kind, entry.names
                );
                let again = Entry::parse(&line, Section::PreData).unwrap();
                let needs = entry.needs.clone();
                assert_eq!(&Entry { needs, ..again }, entry);
                assert!(list.contains(&entry.describe()), "{entry:?}");
                let owner = entry.names.rsplit(' ').next().unwrap();
                assert!(
                    entry.may_belong_to(owner) || !entry.names.contains(' '),
                    "{entry:?}"
                );
            }
            let text = list_file(&entries);
            assert!(
                text.bytes()
                    .all(|byte| byte.is_ascii_digit() || b";\n".contains(&byte))
            );
        });
    }
}
