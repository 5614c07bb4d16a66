//! All that a database and its server hold, as lines of text that can be compared: the rows of every catalog
//! with names in the place of OIDs, a line for each property, definitions as PostgreSQL prints them, rows, sequences, large objects.

use std::collections::{BTreeMap, BTreeSet};

/// Columns of a catalog by name: type, and the catalog whose OIDs it holds.
pub type Columns = BTreeMap<String, (String, Option<String>)>;

/// What [`columns_of`] parses.
pub const COLUMNS: &str = "
SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, NULL),
       coalesce((SELECT pktable::regclass::text FROM pg_catalog.pg_get_catalog_foreign_keys() f
                  WHERE f.fktable = c.oid AND f.fkcols = ARRAY[a.attname::text] LIMIT 1), '')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND a.attnum > 0";

/// Catalogs, and which of their rows are compared.
const CATALOGS: &[(&str, &str)] = &[
    ("pg_class", "relnamespace <> 'pg_toast'::regnamespace AND (oid >= 16384 OR relacl IS NOT NULL)"),
    (
        "pg_attribute",
        "attnum > 0 AND NOT attisdropped AND (attrelid >= 16384 OR attacl IS NOT NULL) AND EXISTS
         (SELECT FROM pg_class c WHERE c.oid = attrelid AND relnamespace <> 'pg_toast'::regnamespace)",
    ),
    ("pg_constraint", "oid >= 16384 AND contype <> 'n'"),
    (
        "pg_index",
        "indexrelid >= 16384 AND EXISTS
         (SELECT FROM pg_class c WHERE c.oid = indexrelid AND relnamespace <> 'pg_toast'::regnamespace)",
    ),
    ("pg_inherits", "true"),
    ("pg_partitioned_table", "true"),
    ("pg_sequence", "true"),
    ("pg_trigger", "NOT tgisinternal"),
    ("pg_rewrite", "ev_class >= 16384"),
    ("pg_policy", "true"),
    ("pg_statistic_ext", "true"),
    // Constructors of ranges belong to whoever made the cluster.
    ("pg_proc", "(oid >= 16384 OR proacl IS NOT NULL) AND prosrc !~ '^(multi)?range_constructor'"),
    ("pg_aggregate", "aggfnoid >= 16384"),
    ("pg_type", "oid >= 16384 AND typnamespace <> 'pg_toast'::regnamespace"),
    ("pg_range", "rngtypid >= 16384"),
    ("pg_cast", "oid >= 16384"),
    ("pg_operator", "oid >= 16384"),
    ("pg_opclass", "oid >= 16384"),
    ("pg_opfamily", "oid >= 16384"),
    ("pg_amop", "oid >= 16384"),
    ("pg_amproc", "oid >= 16384"),
    ("pg_collation", "oid >= 16384"),
    ("pg_conversion", "oid >= 16384"),
    ("pg_ts_config", "oid >= 16384"),
    ("pg_ts_dict", "oid >= 16384"),
    ("pg_language", "true"),
    ("pg_am", "oid >= 16384"),
    ("pg_namespace", "(oid >= 16384 OR nspacl IS NOT NULL) AND nspname !~ '^pg_(toast_)?temp_'"),
    ("pg_extension", "true"),
    ("pg_foreign_data_wrapper", "true"),
    ("pg_foreign_server", "true"),
    ("pg_user_mapping", "true"),
    ("pg_foreign_table", "true"),
    ("pg_event_trigger", "true"),
    ("pg_publication", "true"),
    ("pg_publication_rel", "true"),
    ("pg_publication_namespace", "true"),
    ("pg_default_acl", "true"),
    ("pg_description", "objoid >= 16384 OR objoid = 2200"),
    ("pg_largeobject_metadata", "true"),
    ("pg_authid", "rolname !~ '^(pg_|postgres$|rdsroot$)'"),
    ("pg_auth_members", "pg_get_userbyid(member) !~ '^(pg_|postgres$|rdsroot$)'"),
    ("pg_db_role_setting", "setdatabase = 0 OR setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"),
    ("pg_database", "datname = current_database()"),
    ("pg_parameter_acl", "true"),
    ("pg_shdescription", "objoid >= 16384"),
];

/// Columns that say how, where or when something is stored, what a definition says already, who granted, and
/// numbers of columns, which a dropped one shifts.
const LEFT_OUT: &str = " relfilenode relpages reltuples relallvisible relallfrozen relfrozenxid relminmxid \
    reltoastrelid relrewrite relhasindex relhassubclass relhasrules relhastriggers relchecks attnum attcacheoff \
    attmissingval atthasmissing indkey indcheckxmin conkey confkey confdelsetcols tgattr \
    partattrs stxkeys prattrs grantor rolpassword datfrozenxid datminmxid datlastsysoid \
    datcollversion collversion relnatts attndims connoinherit oid enumsortorder typarray attinhcount attislocal coninhcount conislocal ";

/// ACLs whose NULL means a default: the kind of object as `acldefault` has it, and its owner.
const DEFAULT_ACLS: &[(&str, &str, &str)] = &[
    (
        "relacl",
        "CASE relkind WHEN 'S' THEN 's' ELSE 'r' END",
        "relowner",
    ),
    ("proacl", "'f'", "proowner"),
    ("nspacl", "'n'", "nspowner"),
    ("datacl", "'d'", "datdba"),
    ("typacl", "'T'", "typowner"),
    ("lanacl", "'l'", "lanowner"),
    ("fdwacl", "'F'", "fdwowner"),
    ("srvacl", "'S'", "srvowner"),
    ("lomacl", "'L'", "lomowner"),
];

/// Reads what [`COLUMNS`] printed.
pub fn columns_of(text: &str) -> BTreeMap<String, Columns> {
    let mut catalogs: BTreeMap<String, Columns> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [catalog, column, kind, of] = fields[..] else {
            panic!("{line}")
        };
        let of = (!of.is_empty()).then(|| of.to_owned());
        let columns = catalogs.entry(catalog.to_owned()).or_default();
        columns.insert(column.to_owned(), (kind.to_owned(), of));
    }
    catalogs
}

/// How rows of catalogs that are no objects of their own are named.
const NAMES: &[(&str, &str)] = &[
    ("pg_attribute", "attrelid::regclass || '.' || attname"),
    ("pg_index", "indexrelid::regclass::text"),
    ("pg_inherits", "inhrelid::regclass::text"),
    ("pg_partitioned_table", "partrelid::regclass::text"),
    ("pg_sequence", "seqrelid::regclass::text"),
    ("pg_aggregate", "aggfnoid::regprocedure::text"),
    ("pg_range", "rngtypid::regtype::text"),
    ("pg_foreign_table", "ftrelid::regclass::text"),
    (
        "pg_db_role_setting",
        "setrole::regrole || ' ' || (setdatabase <> 0)",
    ),
    (
        "pg_auth_members",
        "roleid::regrole || ' ' || member::regrole",
    ),
    ("pg_largeobject_metadata", "oid::text"),
    ("pg_parameter_acl", "parname"),
    (
        "pg_description",
        "(pg_identify_object(classoid, objoid, objsubid)).identity",
    ),
    (
        "pg_shdescription",
        "(pg_identify_object(classoid, objoid, 0)).identity",
    ),
];

fn name_of(catalog: &str) -> String {
    let own = NAMES.iter().find(|(of, _)| *of == catalog);
    own.map_or_else(
        || format!("(pg_identify_object('{catalog}'::regclass, oid, 0)).identity"),
        |(_, name)| format!("({name})"),
    )
}

/// Whether a column holds things that come one by one: grants, settings, options.
fn is_set(column: &str, kind: &str) -> bool {
    kind == "aclitem[]"
        || kind == "text[]" && (column == "setconfig" || column.ends_with("options"))
}

/// `rights` says which privileges both servers know.
fn expression(column: &str, kind: &str, of: Option<&str>, rights: &str) -> String {
    let name = |of: &str, oid: &str| {
        format!(
            "CASE WHEN {oid} = 0 THEN '-' ELSE (pg_identify_object('{of}'::regclass, {oid}, 0)).identity END"
        )
    };
    match (kind, of) {
        ("aclitem[]", _) => {
            let default = DEFAULT_ACLS.iter().find(|(of, ..)| *of == column);
            let acl = default.map_or(column.to_owned(), |(_, kind, owner)| {
                format!("coalesce({column}, acldefault(({kind})::\"char\", {owner}))")
            });
            format!(
                "(SELECT array_agg(DISTINCT g COLLATE \"C\") FROM (SELECT CASE grantee WHEN 0 THEN 'PUBLIC'
                   ELSE pg_get_userbyid(grantee)::text END || '=' || privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END AS g
                   FROM aclexplode({acl}) WHERE {rights}) x)"
            )
        }
        ("oid[]" | "oidvector", Some(of)) => format!(
            "(SELECT array_agg({} ORDER BY n) FROM unnest({column}::oid[]) WITH ORDINALITY u(one, n))",
            name(of, "one")
        ),
        (_, Some(of)) => name(of, &format!("{column}::oid")),
        _ if is_set(column, kind) => column.to_owned(),
        // 17 has NULL where it was -1.
        _ if column.ends_with("stattarget") => format!("nullif({column}, -1)::text"),
        _ => format!("{column}::text"),
    }
}

/// The script that prints every line, for servers that share these columns.
pub fn script(ours: &BTreeMap<String, Columns>, theirs: &BTreeMap<String, Columns>) -> String {
    let rights = if ours == theirs {
        "true"
    } else {
        // New in 17: every owner has it there.
        "privilege_type <> 'MAINTAIN'"
    };
    let mut sql = String::from(PREAMBLE);
    for (catalog, filter) in CATALOGS {
        let (Some(columns), Some(shared)) = (ours.get(*catalog), theirs.get(*catalog)) else {
            continue;
        };
        let (mut values, mut sets) = (Vec::new(), Vec::new());
        for (column, (kind, of)) in columns {
            let is_left_out = LEFT_OUT.contains(&format!(" {column} "))
                && !(*catalog == "pg_largeobject_metadata" && column == "oid");
            let is_told = kind == "pg_node_tree" || column == "objoid" || column == "objsubid";
            if is_left_out || is_told || !shared.contains_key(column) {
                continue;
            }
            let pair = format!(
                "'{column}', {}",
                expression(column, kind, of.as_deref(), rights)
            );
            if is_set(column, kind) {
                sets.push(pair);
            } else {
                values.push(pair);
            }
        }
        let name = name_of(catalog);
        let values = values.join(", ");
        sql.push_str(&format!(
            "SELECT '{catalog} '::text || {name} || ' ' || key || ' ' || value::text
               FROM {catalog}, jsonb_each(jsonb_build_object({values})) WHERE {filter};\n"
        ));
        if !sets.is_empty() {
            let sets = sets.join(", ");
            sql.push_str(&format!(
                "SELECT '{catalog} '::text || {name} || ' ' || key || ' ' || one
                   FROM {catalog}, jsonb_each(jsonb_build_object({sets})) s,
                        jsonb_array_elements_text(CASE jsonb_typeof(s.value) WHEN 'array' THEN s.value ELSE '[]' END) one
                  WHERE {filter};\n"
            ));
        }
    }
    let definitions = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/definitions.sql");
    sql + &std::fs::read_to_string(definitions).unwrap()
}

const PREAMBLE: &str = "SET search_path = pg_catalog;\n";

/// How many times each line was printed.
pub type Lines = BTreeMap<String, usize>;

pub fn lines(text: &str) -> Lines {
    let mut lines = Lines::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        *lines.entry(line.to_owned()).or_default() += 1;
    }
    lines
}

/// What ours lacks although source and stock agree about it, and what it has that neither has.
pub fn worse(source: &Lines, stock: &Lines, ours: &Lines) -> Vec<String> {
    let count = |lines: &Lines, line: &str| lines.get(line).copied().unwrap_or(0);
    let all: BTreeSet<&String> = source
        .keys()
        .chain(stock.keys())
        .chain(ours.keys())
        .collect();
    let mut worse = Vec::new();
    for line in all {
        let (a, b, c) = (count(source, line), count(stock, line), count(ours, line));
        if c < a.min(b) {
            worse.push(format!("lost    {line}"));
        } else if c > a.max(b) {
            worse.push(format!("strange {line}"));
        }
    }
    worse
}

/// Rows and values of the source that are not in ours.
pub fn lost_data(source: &Lines, ours: &Lines) -> Vec<String> {
    let is_data = |line: &str| {
        ["rows ", "sequence ", "large object "]
            .iter()
            .any(|kind| line.starts_with(kind))
    };
    source
        .keys()
        .filter(|line| is_data(line) && !ours.contains_key(*line))
        .cloned()
        .collect()
}
