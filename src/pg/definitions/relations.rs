//! Tables and what hangs on them, views, sequences.

use super::kind::{Kind, OWN_SCHEMA, not_of_extension};

/// Relations of these kinds as `r`, for a query that follows. An extension brings its own.
fn relations(relkinds: &str) -> String {
    let own = not_of_extension("pg_class", "c.oid");
    format!("{} AND {own}) ", all_relations(relkinds))
}

/// With those of extensions.
fn all_relations(relkinds: &str) -> String {
    format!(
        "WITH r AS (
           SELECT c.*, n.nspname FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ({relkinds}) AND c.relpersistence <> 't' AND {OWN_SCHEMA}"
    )
}

const NAME: &str = "ARRAY[r.nspname, r.relname]::text[]";

/// How a table keeps rows, and its place in a hierarchy.
fn tables(relkinds: &str) -> String {
    relations(relkinds)
        + "SELECT ARRAY[r.nspname, r.relname]::text[], pg_catalog.concat_ws(E'\\n',
             CASE r.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
             'OF ' || CASE WHEN r.reloftype <> 0 THEN pg_catalog.format_type(r.reloftype, NULL) END,
             'INHERITS ' || (
               SELECT pg_catalog.string_agg(
                        pg_catalog.format('%I.%I', pn.nspname, p.relname), ', ' ORDER BY i.inhseqno)
                 FROM pg_catalog.pg_inherits i
                 JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
                 JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                WHERE i.inhrelid = r.oid),
             CASE WHEN r.relispartition THEN pg_catalog.pg_get_expr(r.relpartbound, r.oid) END,
             'PARTITION BY ' || CASE r.relkind WHEN 'p' THEN pg_catalog.pg_get_partkeydef(r.oid) END,
             'USING ' || (SELECT am.amname::text FROM pg_catalog.pg_am am
                           WHERE am.oid = r.relam AND am.amname <> 'heap'),
             (SELECT pg_catalog.format('SERVER %I %s', s.srvname,
                     (SELECT pg_catalog.string_agg(o, ' ' ORDER BY o COLLATE \"C\")
                        FROM pg_catalog.unnest(f.ftoptions) o))
                FROM pg_catalog.pg_foreign_table f
                JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = r.oid))
           FROM r"
}

fn constraints(condition: &str) -> String {
    format!(
        "{} SELECT ARRAY[r.nspname, r.relname, k.conname]::text[], pg_catalog.pg_get_constraintdef(k.oid)
              FROM r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid WHERE {condition}",
        relations("'r', 'p', 'f'")
    )
}

/// By columns: whether a column has one it says itself, not whether it binds old rows and children.
fn not_nulls() -> String {
    format!(
        "{} SELECT ARRAY[r.nspname, r.relname, a.attname]::text[], pg_catalog.concat_ws(' ',
                   'CONSTRAINT', pg_catalog.quote_ident(k.conname), pg_catalog.pg_get_constraintdef(k.oid))
              FROM r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid AND k.contype = 'n'
              JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.conkey[1]",
        relations("'r', 'p', 'f'")
    )
}

/// Without its name and table, which [`Kind`]s carry as such. What does not begin as PostgreSQL prints an
/// index stays whole. As pg_dump sees them: no index that a failed CREATE INDEX CONCURRENTLY left behind.
fn indexes() -> String {
    format!(
        "{}, x AS (
           SELECT r.nspname, r.relname, i.relname AS index, pg_catalog.pg_get_indexdef(i.oid) AS def,
                  CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END AS unique,
                  CASE i.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END AS only
             FROM r JOIN pg_catalog.pg_index x ON x.indrelid = r.oid
             JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
            WHERE x.indisready AND (x.indisvalid OR i.relkind = 'I')
              AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                               WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))),
         begun AS (
           SELECT x.*, pg_catalog.format('CREATE %sINDEX %I ON %s%I.%I ', x.unique, x.index, x.only,
                                         x.nspname, x.relname) AS begin FROM x)
         SELECT ARRAY[nspname, relname, index]::text[],
                CASE WHEN pg_catalog.starts_with(def, begin)
                     THEN begun.unique || pg_catalog.substr(def, pg_catalog.length(begin) + 1)
                     ELSE def END
           FROM begun",
        relations("'r', 'p', 'm'").trim_end()
    )
}

/// Identity columns' sequences go with their tables, also where these are an extension's.
fn sequences() -> String {
    let own_table = not_of_extension("pg_class", "d.refobjid");
    format!(
        "{} SELECT {NAME}, pg_catalog.concat_ws(' ',
                     CASE r.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
                     'AS', pg_catalog.format_type(s.seqtypid, NULL), 'INCREMENT', s.seqincrement,
                     'MINVALUE', s.seqmin, 'MAXVALUE', s.seqmax, 'START', s.seqstart,
                     'CACHE', s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' END,
                     (SELECT pg_catalog.format('%s %I.%I.%I',
                               CASE d.deptype WHEN 'i' THEN 'IDENTITY OF' ELSE 'OWNED BY' END,
                               tn.nspname, t.relname, a.attname)
                        FROM pg_catalog.pg_depend d
                        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
                        JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
                        JOIN pg_catalog.pg_attribute a
                             ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                       WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = r.oid
                         AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                         AND d.deptype IN ('a', 'i')))
              FROM r JOIN pg_catalog.pg_sequence s ON s.seqrelid = r.oid
             WHERE NOT EXISTS (
                   SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = r.oid
                      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'i'
                      AND NOT {own_table})",
        relations("'S'")
    )
}

fn views(relkind: &str) -> String {
    let views = relations(relkind);
    format!("{views} SELECT {NAME}, pg_catalog.pg_get_viewdef(r.oid) FROM r")
}

fn rules() -> String {
    format!(
        "{} SELECT ARRAY[r.nspname, r.relname, w.rulename]::text[], pg_catalog.concat_ws(' ', pg_catalog.pg_get_ruledef(w.oid),
                   {})
              FROM r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'",
        relations("'r', 'p', 'v', 'm', 'f'"),
        enabled("w.ev_enabled")
    )
}

fn triggers() -> String {
    format!(
        "{} SELECT ARRAY[r.nspname, r.relname, t.tgname]::text[], pg_catalog.concat_ws(' ', pg_catalog.pg_get_triggerdef(t.oid),
                   {})
              FROM r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal",
        relations("'r', 'p', 'v', 'f'"),
        enabled("t.tgenabled")
    )
}

/// Of rules and triggers.
pub(super) fn enabled(column: &str) -> String {
    format!(
        "CASE {column} WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS'
              WHEN 'O' THEN NULL ELSE {column}::text END"
    )
}

/// On an extension's tables too: pg_dump carries what somebody added there.
fn policies() -> String {
    format!(
        "{}) SELECT ARRAY[r.nspname, r.relname, p.polname]::text[], pg_catalog.concat_ws(' ',
                    CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                    CASE p.polcmd WHEN 'r' THEN 'FOR SELECT' WHEN 'a' THEN 'FOR INSERT'
                         WHEN 'w' THEN 'FOR UPDATE' WHEN 'd' THEN 'FOR DELETE' ELSE 'FOR ALL' END,
                    'TO', (SELECT pg_catalog.string_agg(role, ', ' ORDER BY role COLLATE \"C\")
                             FROM (SELECT CASE one WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(
                                            pg_catalog.pg_get_userbyid(one)) END AS role
                                     FROM pg_catalog.unnest(p.polroles) one) roles),
                    'USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
                    'WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')')
               FROM r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid",
        all_relations("'r', 'p'")
    )
}

fn row_security() -> String {
    format!(
        "{}) SELECT {NAME}, pg_catalog.concat_ws(', ', CASE WHEN r.relrowsecurity THEN 'ENABLED' END,
                    CASE WHEN r.relforcerowsecurity THEN 'FORCED' END)
               FROM r WHERE r.relrowsecurity OR r.relforcerowsecurity",
        all_relations("'r', 'p'")
    )
}

fn replica_identities() -> String {
    format!(
        "{} SELECT {NAME}, CASE r.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL' ELSE
                     'USING INDEX ' || (SELECT pg_catalog.quote_ident(i.relname)
                        FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
                       WHERE x.indrelid = r.oid AND x.indisreplident) END
              FROM r WHERE r.relreplident <> 'd'",
        relations("'r', 'p', 'm'")
    )
}

fn options() -> String {
    format!(
        "{}, o(oid, option) AS (
           SELECT r.oid, pg_catalog.unnest(r.reloptions) FROM r
           UNION ALL
           SELECT r.oid, 'toast.' || pg_catalog.unnest(t.reloptions)
             FROM r JOIN pg_catalog.pg_class t ON t.oid = r.reltoastrelid
           UNION ALL
           SELECT r.oid, 'CLUSTER ON ' || pg_catalog.quote_ident(i.relname)
             FROM r JOIN pg_catalog.pg_index x ON x.indrelid = r.oid AND x.indisclustered
             JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid)
         SELECT {NAME}, pg_catalog.string_agg(o.option, ', ' ORDER BY o.option COLLATE \"C\")
           FROM r JOIN o ON o.oid = r.oid GROUP BY r.nspname, r.relname",
        relations("'r', 'p', 'v', 'm', 'f', 'i', 'I'").trim_end()
    )
}

/// Without `pg_attver`, a number that PostgreSQL 17.12 keeps for itself among a column's options: it differs from server
/// to server, and `pg_dump` leaves it out as well.
fn column_options() -> String {
    format!(
        "{}, o AS (
           SELECT ARRAY[r.nspname, r.relname, a.attname]::text[] AS name, pg_catalog.concat_ws(', ',
                  (SELECT pg_catalog.string_agg(one, ', ' ORDER BY one COLLATE \"C\")
                     FROM pg_catalog.unnest(a.attoptions || a.attfdwoptions) one
                    WHERE NOT pg_catalog.starts_with(one, 'pg_attver=')),
                  CASE WHEN a.attstorage <> t.typstorage THEN 'STORAGE ' || a.attstorage::text END,
                  'COMPRESSION ' || nullif(pg_catalog.to_jsonb(a) ->> 'attcompression', ''),
                  CASE WHEN a.attstattarget >= 0 THEN 'STATISTICS ' || a.attstattarget::text END) AS text
             FROM r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
             JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            WHERE a.attnum > 0 AND NOT a.attisdropped
              AND (a.attoptions IS NOT NULL OR a.attfdwoptions IS NOT NULL OR a.attstattarget >= 0
                   OR a.attstorage <> t.typstorage
                   OR pg_catalog.to_jsonb(a) ->> 'attcompression' <> ''))
         SELECT name, text FROM o WHERE text <> ''",
        relations("'r', 'p', 'm', 'f'").trim_end()
    )
}

fn statistics() -> String {
    let own = not_of_extension("pg_statistic_ext", "s.oid");
    format!(
        "SELECT ARRAY[n.nspname, s.stxname]::text[], pg_catalog.concat_ws(' ',
                pg_catalog.pg_get_statisticsobjdef(s.oid),
                CASE WHEN (pg_catalog.to_jsonb(s) ->> 'stxstattarget')::int >= 0
                     THEN 'STATISTICS ' || (pg_catalog.to_jsonb(s) ->> 'stxstattarget') END)
           FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
          WHERE {OWN_SCHEMA} AND {own}"
    )
}

pub(super) const KINDS: &[Kind] = &[
    Kind::new("table", || tables("'r', 'p'")),
    Kind::new("foreign table", || tables("'f'")),
    Kind::new("sequence", sequences),
    Kind::new("key", || {
        constraints("k.contype IN ('p', 'u') OR k.contype = 'f' AND k.conparentid = 0")
    }),
    // Of an inherited one its parent says all, and it is local in one database and not in another.
    Kind::new("check", || {
        constraints("k.contype IN ('c', 'x') AND k.coninhcount = 0")
    }),
    Kind::since(180_000, "not null", not_nulls),
    Kind::new("index", indexes),
    Kind::new("view", || views("'v'")),
    Kind::new("materialized view", || views("'m'")),
    Kind::new("rule", rules),
    Kind::new("trigger", triggers),
    Kind::new("policy", policies),
    Kind::new("row security", row_security),
    Kind::new("replica identity", replica_identities),
    Kind::new("options", options),
    Kind::new("column options", column_options),
    Kind::new("statistics", statistics),
];
