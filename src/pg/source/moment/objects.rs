//! Which objects no lock on a table protects, and what of each is printed as it is now.
//!
//! pg_dump reads the catalogs' rows as the snapshot shows them, but PostgreSQL's functions that print
//! definitions (`format_type`, `pg_get_expr`, `pg_get_indexdef`, …) take names from its caches, which know
//! the present only. So does COPY for labels, attributes, and what reg* types print.

/// Where an object's name may be printed besides in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InRows {
    /// Rows are read by it, or print it.
    Always,
    /// Only columns of reg* types print it.
    AsObject,
    /// Only columns of type regrole print it.
    AsRole,
    Never,
}

/// A kind of object: one catalog, or a part of it, as `x`.
pub(super) struct Kind {
    pub what: &'static str,
    pub in_rows: InRows,
    from: &'static str,
    /// What tells it from others: an oid and a number.
    oid: &'static str,
    number: &'static str,
    /// What people call it.
    name: &'static str,
    /// Whatever is printed as it is now.
    printed: &'static str,
    /// All else that a harmless statement may change: privileges, options, the file.
    rest: &'static str,
    only: &'static str,
}

impl Kind {
    /// The catalog that its oid is of.
    pub(super) fn catalog(&self) -> &'static str {
        let from = self.from.trim_start_matches("pg_catalog.");
        match from.split_whitespace().next().unwrap_or_default() {
            "pg_attribute" => "pg_class",
            other => other,
        }
    }
}

const OBJECT: Kind = Kind {
    what: "",
    in_rows: InRows::Never,
    from: "",
    oid: "x.oid",
    number: "0",
    name: "",
    printed: "",
    rest: "x.*",
    only: "x.oid >= 16384",
};

/// An object with a name in a schema, all columns called with one prefix.
macro_rules! in_schema {
    ($what:literal, $catalog:literal, $prefix:literal, $in_rows:ident $(, $printed:literal)?) => {
        Kind {
            what: $what,
            in_rows: InRows::$in_rows,
            from: concat!(
                "pg_catalog.", $catalog, " x JOIN visible n ON n.oid = x.", $prefix, "namespace"
            ),
            name: concat!("n.nspname || '.' || x.", $prefix, "name"),
            printed: concat!("x.", $prefix, "name, x.", $prefix, "namespace" $(, ", ", $printed)?),
            ..OBJECT
        }
    };
}

macro_rules! without_schema {
    ($what:literal, $catalog:literal, $prefix:literal $(, $printed:literal)?) => {
        Kind {
            what: $what,
            from: concat!("pg_catalog.", $catalog, " x"),
            name: concat!("x.", $prefix, "name"),
            printed: concat!("x.", $prefix, "name" $(, ", ", $printed)?),
            ..OBJECT
        }
    };
}

macro_rules! attributes {
    ($what:literal, $relkinds:literal, $in_rows:ident) => {
        Kind {
            what: $what,
            in_rows: InRows::$in_rows,
            from: "pg_catalog.pg_attribute x
                   JOIN pg_catalog.pg_class c ON c.oid = x.attrelid
                   JOIN visible n ON n.oid = c.relnamespace",
            oid: "x.attrelid",
            number: "x.attnum::int",
            name: "n.nspname || '.' || c.relname || '.' || x.attname",
            printed: "x.attname, x.atttypid, x.atttypmod, x.attisdropped",
            rest: "x.attacl, x.attoptions, x.attfdwoptions, x.attstattarget, x.attstorage,
                   x.attnotnull, x.atthasdef",
            only: concat!(
                "x.attnum > 0 AND c.oid >= 16384 AND c.relkind IN (",
                $relkinds,
                ")"
            ),
        }
    };
}

/// Schemas first: rows are read by name, and a renamed schema would show another table's.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        what: SCHEMA_NAME,
        in_rows: InRows::Always,
        from: "pg_catalog.pg_namespace x",
        name: "x.nspname::text",
        printed: "x.nspname",
        only: "x.nspname !~ '^pg_t(oast|emp)'",
        ..OBJECT
    },
    Kind {
        what: "enum label",
        in_rows: InRows::Always,
        from: "pg_catalog.pg_enum x",
        name: "pg_catalog.format_type(x.enumtypid, NULL) || ' ' || x.enumlabel",
        printed: "x.enumtypid, x.enumlabel",
        ..OBJECT
    },
    attributes!("attribute", "'c'", Always),
    attributes!("column", "'v', 'm', 'f'", Never),
    Kind {
        rest: "x.relacl, x.relowner, x.relfilenode, x.reltablespace, x.relam, x.reloptions,
               x.relhasrules, x.relhastriggers, x.relhassubclass, x.relispopulated,
               x.relispartition, x.relpersistence",
        only: "x.oid >= 16384 AND x.relkind IN ('v', 'm', 'f', 'S', 'i', 'I')",
        ..in_schema!("relation", "pg_class", "rel", AsObject)
    },
    // Tables of extensions are not ours to lock.
    Kind {
        rest: "x.xmin",
        only: "x.oid >= 16384 AND x.relkind IN ('r', 'p') AND EXISTS (
                 SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.objid = x.oid AND d.deptype = 'e')",
        ..in_schema!("table", "pg_class", "rel", AsObject)
    },
    // Not the row types of tables and views, nor arrays: those follow what they are of.
    Kind {
        only: "x.oid >= 16384
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                            WHERE c.oid = x.typrelid AND c.relkind <> 'c')
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e
                            WHERE e.oid = x.typelem AND e.typarray = x.oid)",
        ..in_schema!("type", "pg_type", "typ", AsObject)
    },
    // Its text and options are the snapshot's.
    in_schema!(
        "function",
        "pg_proc",
        "pro",
        AsObject,
        "x.prokind, x.proretset, x.prorettype, x.provariadic, x.proargtypes, x.proallargtypes,
         x.proargmodes, x.proargnames, x.proargdefaults, $sqlbody"
    ),
    in_schema!("operator", "pg_operator", "opr", AsObject),
    in_schema!("collation", "pg_collation", "coll", AsObject),
    in_schema!("text search configuration", "pg_ts_config", "cfg", AsObject),
    in_schema!("text search dictionary", "pg_ts_dict", "dict", AsObject),
    in_schema!("text search parser", "pg_ts_parser", "prs", Never),
    in_schema!("text search template", "pg_ts_template", "tmpl", Never),
    in_schema!("conversion", "pg_conversion", "con", Never),
    in_schema!("operator class", "pg_opclass", "opc", Never),
    in_schema!("operator family", "pg_opfamily", "opf", Never),
    in_schema!("statistics object", "pg_statistic_ext", "stx", Never),
    // Of the locks on tables, those that make or replace one do not wait for ours.
    Kind {
        what: "trigger",
        from: "pg_catalog.pg_trigger x
               JOIN pg_catalog.pg_class c ON c.oid = x.tgrelid
               JOIN visible n ON n.oid = c.relnamespace",
        name: "x.tgname || ' on ' || n.nspname || '.' || c.relname",
        printed: "x.tgname, x.tgrelid, x.tgfoid, x.tgtype, x.tgattr, x.tgargs, x.tgqual,
                  x.tgconstrrelid, x.tgdeferrable, x.tginitdeferred, x.tgoldtable, x.tgnewtable",
        rest: "x.tgenabled",
        only: "NOT x.tgisinternal",
        ..OBJECT
    },
    without_schema!(
        "extension",
        "pg_extension",
        "ext",
        "x.extnamespace, x.extversion"
    ),
    without_schema!("language", "pg_language", "lan"),
    without_schema!("access method", "pg_am", "am"),
    without_schema!("foreign-data wrapper", "pg_foreign_data_wrapper", "fdw"),
    without_schema!("server", "pg_foreign_server", "srv"),
    ROLE,
];

/// The last of [`KINDS`]. What the database names: owners, grantees, those of policies. Nobody may read
/// when a role was changed.
const ROLE: Kind = Kind {
    what: ROLE_NAME,
    in_rows: InRows::AsRole,
    from: "(SELECT r.oid, r.rolname, '2'::pg_catalog.xid AS xmin,
                   '0'::pg_catalog.xid AS xmax,
                   r.oid = 10 OR EXISTS (
                     SELECT FROM pg_catalog.pg_shdepend d
                      WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
                        AND d.refobjid = r.oid
                        AND (d.dbid = own.oid
                             OR d.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
                                AND d.objid = own.oid)
                   ) AS named
              FROM pg_catalog.pg_roles r
              JOIN pg_catalog.pg_database own ON own.datname = pg_catalog.current_database()) x",
    name: "x.rolname::text",
    printed: "x.rolname",
    rest: "NULL",
    only: "true",
    ..OBJECT
};

pub(super) const SCHEMA_NAME: &str = "schema";
pub(super) const ROLE_NAME: &str = "role";

/// Schemas but those of temporary tables and of TOAST.
const VISIBLE: &str = "WITH visible AS (
  SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_t(oast|emp)')";

/// Which objects to list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    All,
    /// All, but of roles only those that the database names.
    NamedRoles,
    /// Those whose row this transaction or a later one wrote.
    WrittenSince(u32),
}

/// Every object: number of its kind, oid, number, hashes of what is printed and of the rest, the transaction
/// that wrote it, and the one that wrote it again.
pub(super) fn list(server_version_num: u32, which: Which) -> String {
    let sqlbody = match server_version_num {
        140_000.. => "x.prosqlbody",
        _ => "NULL",
    };
    let selects: Vec<String> = KINDS
        .iter()
        .enumerate()
        .map(|(at, kind)| {
            let only = match which {
                Which::NamedRoles if kind.what == ROLE_NAME => "x.named".to_owned(),
                Which::NamedRoles | Which::All => kind.only.to_owned(),
                Which::WrittenSince(xid) => format!(
                    "{} AND pg_catalog.age(x.xmin) <= pg_catalog.age('{xid}'::pg_catalog.xid)",
                    kind.only
                ),
            };
            format!(
                "SELECT {at}, {}, {},
                        pg_catalog.hashtextextended(ROW({})::text, 0),
                        pg_catalog.hashtextextended(ROW({})::text, 0),
                        x.xmin::text::bigint, x.xmax::text::bigint
                   FROM {} WHERE {only}",
                kind.oid,
                kind.number,
                kind.printed.replace("$sqlbody", sqlbody),
                kind.rest,
                kind.from
            )
        })
        .collect();
    format!("{VISIBLE}\n{}", selects.join("\nUNION ALL\n"))
}

/// The name of one object.
pub(super) fn name(kind: &Kind, oid: u32, number: i32) -> String {
    format!(
        "{VISIBLE} SELECT {} FROM {} WHERE {} = {oid} AND {} = {number}",
        kind.name, kind.from, kind.oid, kind.number
    )
}

/// What tables that nobody had locked yet consist of. Whatever changes one of these rows may change what
/// their columns print, or which columns a name means.
pub(super) fn definitions(tables: &[u32]) -> String {
    let tables: Vec<String> = tables.iter().map(u32::to_string).collect();
    let list = tables.join(", ");
    let rows = [
        ("pg_class", "oid", "0"),
        ("pg_attribute", "attrelid", "attnum::int"),
        ("pg_attrdef", "adrelid", "oid::bigint"),
        ("pg_constraint", "conrelid", "oid::bigint"),
        ("pg_index", "indrelid", "indexrelid::bigint"),
        ("pg_inherits", "inhrelid", "inhparent::bigint"),
        ("pg_partitioned_table", "partrelid", "0"),
        ("pg_policy", "polrelid", "oid::bigint"),
        ("pg_rewrite", "ev_class", "oid::bigint"),
        ("pg_trigger", "tgrelid", "oid::bigint"),
    ];
    let selects = rows.iter().enumerate().map(|(at, (catalog, table, id))| {
        format!(
            "SELECT {table}, {at}, ({id})::bigint, xmin::text::bigint
               FROM pg_catalog.{catalog} WHERE {table} IN ({list})"
        )
    });
    selects.collect::<Vec<_>>().join(" UNION ALL ")
}
