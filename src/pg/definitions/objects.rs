//! Schemas, functions, types, and all that stands beside tables.

use super::kind::{IDENTITY, Kind, NOT_TEMPORARY, OWN_SCHEMA, not_of_extension};
use super::relations::enabled;

fn schemas() -> String {
    let own = not_of_extension("pg_namespace", "n.oid");
    format!(
        "SELECT ARRAY[n.nspname]::text[], '' FROM pg_catalog.pg_namespace n WHERE {OWN_SCHEMA} AND {own}"
    )
}

/// Named by their arguments' types. Left out are those that a range type brings.
pub(in crate::pg) const FUNCTION_NAME: &str =
    "ARRAY[n.nspname, pg_catalog.format('%s(%s)', p.proname,
                                               pg_catalog.oidvectortypes(p.proargtypes))]::text[]";

/// `p` of schema `n`.
pub(super) fn functions_from() -> String {
    let own = not_of_extension("pg_proc", "p.oid");
    format!(
        "FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE {OWN_SCHEMA} AND {own}
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend i
                           WHERE i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                             AND i.objid = p.oid AND i.deptype = 'i')"
    )
}

/// Of lists, pg_dump prints each part, whatever quotes and spaces stood around it.
const SETTINGS: &str = r#"(SELECT pg_catalog.string_agg('SET ' ||
           CASE WHEN one ~ '^(search_path|temp_tablespaces|[a-z]+_preload_libraries|unix_socket_directories)='
                THEN pg_catalog.regexp_replace(
                       pg_catalog.regexp_replace(one, '"([a-z_][a-z0-9_$]*)"', '\1', 'g'), ' *, *', ', ', 'g')
                ELSE one END, E'\n' ORDER BY place)
      FROM pg_catalog.unnest(p.proconfig) WITH ORDINALITY AS s(one, place))"#;

/// From the catalog's own row, as the snapshot shows it: pg_get_functiondef prints what is there now, and
/// nothing keeps a function from being replaced. What the other functions print is compared at both ends.
fn functions(sql_body: &str) -> String {
    format!(
        "SELECT {FUNCTION_NAME}, CASE WHEN p.prokind <> 'a' THEN pg_catalog.concat_ws(E'\\n',
             CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'w' THEN 'WINDOW FUNCTION' ELSE 'FUNCTION' END
               || ' (' || pg_catalog.pg_get_function_arguments(p.oid) || ')',
             'RETURNS ' || pg_catalog.pg_get_function_result(p.oid),
             'TRANSFORM FOR ' || (SELECT pg_catalog.string_agg(pg_catalog.format_type(t, NULL), ', ')
                                    FROM pg_catalog.unnest(p.protrftypes) t),
             'LANGUAGE ' || (SELECT l.lanname::text FROM pg_catalog.pg_language l WHERE l.oid = p.prolang),
             CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' END,
             CASE p.proparallel WHEN 's' THEN 'PARALLEL SAFE' WHEN 'r' THEN 'PARALLEL RESTRICTED' END,
             CASE WHEN p.proisstrict THEN 'STRICT' END,
             CASE WHEN p.prosecdef THEN 'SECURITY DEFINER' END,
             CASE WHEN p.proleakproof THEN 'LEAKPROOF' END,
             'COST ' || p.procost::text,
             CASE WHEN p.proretset THEN 'ROWS ' || p.prorows::text END,
             CASE WHEN p.prosupport::pg_catalog.oid <> 0 THEN 'SUPPORT ' || p.prosupport::text END,
             {SETTINGS},
             'AS ' || coalesce({sql_body}, pg_catalog.concat_ws(', ', p.probin, p.prosrc))) ELSE
                (SELECT pg_catalog.concat_ws(' ', 'AGGREGATE', pg_catalog.pg_get_function_arguments(p.oid),
                        'RETURNS', pg_catalog.format_type(p.prorettype, NULL),
                        'PARALLEL', p.proparallel, pg_catalog.format_type(a.aggtranstype, NULL),
                        CASE WHEN a.aggmtranstype <> 0
                             THEN pg_catalog.format_type(a.aggmtranstype, NULL) END,
                        CASE WHEN a.aggsortop <> 0 THEN a.aggsortop::pg_catalog.regoperator::text END,
                        pg_catalog.to_jsonb(a) - ARRAY['aggfnoid', 'aggtranstype', 'aggmtranstype',
                                                       'aggsortop'])
                   FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = p.oid) END
           {}",
        functions_from()
    )
}

/// `t` of schema `n`: those that a person made, without the arrays and row types that come along.
pub(super) fn types_from() -> String {
    let own = not_of_extension("pg_type", "t.oid");
    format!(
        "FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
         LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
        WHERE {OWN_SCHEMA} AND {own} AND (t.typtype IN ('b', 'd', 'e', 'r') OR c.relkind = 'c')
          AND t.typisdefined
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)"
    )
}

fn types() -> String {
    format!(
        "SELECT ARRAY[n.nspname, t.typname]::text[], CASE t.typtype
           WHEN 'e' THEN 'ENUM ' || coalesce(
             (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', '
                                           ORDER BY e.enumsortorder)
                FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), '')
           WHEN 'd' THEN pg_catalog.concat_ws(' ', 'DOMAIN',
             pg_catalog.format_type(t.typbasetype, t.typtypmod),
             (SELECT 'COLLATE ' || o.oid::pg_catalog.regcollation::text FROM pg_catalog.pg_collation o
               WHERE o.oid = t.typcollation AND o.oid <> (
                 SELECT b.typcollation FROM pg_catalog.pg_type b WHERE b.oid = t.typbasetype)),
             CASE WHEN t.typnotnull THEN 'NOT NULL' END,
             'DEFAULT ' || pg_catalog.pg_get_expr(t.typdefaultbin, 0))
           WHEN 'c' THEN 'COMPOSITE ' || coalesce(
             (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', pg_catalog.quote_ident(a.attname),
                       pg_catalog.format_type(a.atttypid, a.atttypmod),
                       CASE WHEN a.attcollation <> b.typcollation
                            THEN 'COLLATE ' || a.attcollation::pg_catalog.regcollation::text END),
                       ', ' ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type b ON b.oid = a.atttypid
               WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '')
           WHEN 'r' THEN (
             SELECT pg_catalog.concat_ws(' ', 'RANGE', pg_catalog.format_type(g.rngsubtype, NULL),
                      CASE WHEN g.rngcollation <> 0 THEN g.rngcollation::pg_catalog.regcollation::text END,
                      o.opcname, g.rngcanonical, g.rngsubdiff)
               FROM pg_catalog.pg_range g JOIN pg_catalog.pg_opclass o ON o.oid = g.rngsubopc
              WHERE g.rngtypid = t.oid)
           ELSE pg_catalog.concat_ws(' ', 'BASE', t.typinput, t.typoutput, t.typlen, t.typalign,
                                     t.typstorage) END
           {}",
        types_from()
    )
}

fn domain_constraints() -> String {
    format!(
        "SELECT ARRAY[n.nspname, t.typname, k.conname]::text[], pg_catalog.pg_get_constraintdef(k.oid)
           FROM pg_catalog.pg_constraint k
           JOIN (SELECT t.oid {}) own ON own.oid = k.contypid
           JOIN pg_catalog.pg_type t ON t.oid = k.contypid
           JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE k.contype = 'c'",
        types_from()
    )
}

fn extensions() -> String {
    "SELECT ARRAY[e.extname]::text[], 'IN SCHEMA ' || pg_catalog.quote_ident(n.nspname)
       FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"
        .to_owned()
}

/// What an older server does not know is not there.
fn publications() -> String {
    "SELECT ARRAY[p.pubname]::text[],
            (pg_catalog.to_jsonb(p) - ARRAY['oid', 'pubname', 'pubowner'])::text
       FROM pg_catalog.pg_publication p"
        .to_owned()
}

fn published_tables(properties: &str) -> String {
    format!(
        "SELECT ARRAY[p.pubname, n.nspname, c.relname]::text[], {properties}
           FROM pg_catalog.pg_publication_rel r
           JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
           JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    )
}

const PUBLISHED_ROWS: &str = "pg_catalog.concat_ws(' ',
    '(' || (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', '
                                         ORDER BY a.attname COLLATE \"C\")
              FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) || ')',
    'WHERE ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid))";

fn published_schemas() -> String {
    "SELECT ARRAY[p.pubname, n.nspname]::text[], '' FROM pg_catalog.pg_publication_namespace r
       JOIN pg_catalog.pg_publication p ON p.oid = r.pnpubid
       JOIN pg_catalog.pg_namespace n ON n.oid = r.pnnspid"
        .to_owned()
}

/// Whether one is enabled is left out: a restore connects to nobody.
fn subscriptions() -> String {
    "SELECT ARRAY[s.subname]::text[], (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(one), ', '
                                              ORDER BY one COLLATE \"C\")
                                         FROM pg_catalog.unnest(s.subpublications) one)
       FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
      WHERE d.datname = pg_catalog.current_database()"
        .to_owned()
}

fn event_triggers() -> String {
    let own = not_of_extension("pg_event_trigger", "e.oid");
    format!(
        "SELECT ARRAY[e.evtname]::text[], pg_catalog.concat_ws(' ', 'ON', e.evtevent,
                'WHEN TAG IN ' || e.evttags::text, 'EXECUTE', e.evtfoid::pg_catalog.regprocedure, {})
           FROM pg_catalog.pg_event_trigger e WHERE {own}",
        enabled("e.evtenabled")
    )
}

/// Catalogs of rarer objects: how each is told apart, by what PostgreSQL calls it.
const OTHERS: &[(&str, &str)] = &[
    (
        "pg_cast",
        "pg_catalog.concat_ws(' ', x.castcontext, x.castmethod,
           CASE WHEN x.castfunc <> 0 THEN x.castfunc::pg_catalog.regprocedure::text END)",
    ),
    (
        "pg_operator",
        "pg_catalog.concat_ws(' ', x.oprcode, x.oprrest, x.oprjoin, x.oprcanmerge, x.oprcanhash,
           CASE WHEN x.oprcom <> 0 THEN x.oprcom::pg_catalog.regoperator::text END,
           CASE WHEN x.oprnegate <> 0 THEN x.oprnegate::pg_catalog.regoperator::text END)",
    ),
    (
        "pg_opclass",
        "pg_catalog.concat_ws(' ', pg_catalog.format_type(x.opcintype, NULL), x.opcdefault)",
    ),
    ("pg_opfamily", "''"),
    (
        "pg_collation",
        "(pg_catalog.to_jsonb(x) - ARRAY['oid', 'collnamespace', 'collowner', 'collversion',
                                       'collencoding'])::text",
    ),
    (
        "pg_conversion",
        "pg_catalog.concat_ws(' ', x.conproc, x.condefault)",
    ),
    (
        "pg_ts_config",
        "(SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', m.maptokentype,
                   m.mapdict::pg_catalog.regdictionary), ', ' ORDER BY m.maptokentype, m.mapseqno)
            FROM pg_catalog.pg_ts_config_map m WHERE m.mapcfg = x.oid)",
    ),
    ("pg_ts_dict", "x.dictinitoption"),
    ("pg_ts_parser", "''"),
    ("pg_ts_template", "''"),
    ("pg_language", "x.lanpltrusted::text"),
    ("pg_am", "x.amhandler::text"),
    ("pg_transform", "''"),
    (
        "pg_foreign_data_wrapper",
        "(SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE \"C\")
            FROM pg_catalog.unnest(x.fdwoptions) o)",
    ),
    (
        "pg_foreign_server",
        "pg_catalog.concat_ws(' ', x.srvtype, x.srvversion,
           (SELECT pg_catalog.string_agg(o, ', ' ORDER BY o COLLATE \"C\")
              FROM pg_catalog.unnest(x.srvoptions) o))",
    ),
];

/// OIDs below 16384 are given by initdb.
fn others() -> String {
    let of = |(catalog, text): &(&str, &str)| {
        let own = not_of_extension(catalog, "x.oid");
        format!(
            "SELECT ARRAY[i.type, {IDENTITY}], {text} FROM pg_catalog.{catalog} x,
                    pg_catalog.pg_identify_object('pg_catalog.{catalog}'::pg_catalog.regclass, x.oid, 0) i
              WHERE x.oid >= 16384 AND i.identity IS NOT NULL AND {NOT_TEMPORARY} AND {own}"
        )
    };
    let parts: Vec<String> = OTHERS.iter().map(of).collect();
    parts.join(" UNION ALL ")
}

/// Their options may be secret.
fn user_mappings() -> String {
    "SELECT ARRAY[u.srvname, u.usename]::text[], '' FROM pg_catalog.pg_user_mappings u".to_owned()
}

pub(super) const KINDS: &[Kind] = &[
    Kind::new("schema", schemas),
    Kind::new("extension", extensions),
    Kind::new("type", types),
    Kind::new("domain constraint", domain_constraints),
    Kind::new("function", || functions("NULL")),
    Kind::since(140_000, "function", || {
        functions("pg_catalog.pg_get_function_sqlbody(p.oid)")
    }),
    Kind::new("publication", publications),
    Kind::new("published table", || published_tables("''")),
    Kind::since(150_000, "published table", || {
        published_tables(PUBLISHED_ROWS)
    }),
    Kind::since(150_000, "published schema", published_schemas),
    Kind::new("subscription", subscriptions),
    Kind::new("event trigger", event_triggers),
    Kind::new("user mapping", user_mappings),
    Kind::new("object", others),
];
