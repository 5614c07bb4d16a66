#!/usr/bin/env bash
# The oracle of a round trip: is TARGET what SOURCE was?
#
#   compare.sh SOURCE_URL TARGET_URL BIN_DIR        0 equal, 1 different (a unified diff), 2 could not tell
#
# schema      stock pg_dump -Fc | pg_restore of the source into a fresh database beside the target, then
#             pg_dump --schema-only of that one and of the target, entry by entry
# rows        every table of source and target: count and md5 of its sorted rows; partitioned tables as a
#             whole, as hash by enum and other collations move rows; configuration tables of extensions
# the rest    straight from the catalogs of source and target: names of all objects, sequences, large
#             objects, properties of the database, populated flags, roles
# Rows of materialized views are compared with the stock restore's: REFRESH makes them newer than the source's.
#
# BIN_DIR has pg_dump and pg_restore of the target's major. Both URLs should be a superuser's.
#   SOURCE_BIN_DIR   for pg_dump of the source: its own major, and no older minor (default: BIN_DIR)
#   STOCK_URL        superuser who makes the stock database, on the target's server (default: TARGET_URL)
#   STOCK_DB         a stock restore that is there already; it stays
#   SKIP_ROWS        ERE of tables, like ^zoo[.]reg_index$, whose rows are not compared
#   SKIP_OBJECTS     ERE of lines of the catalogs' lists to leave out, e.g. what a non-superuser cannot make
#   SKIP_SCHEMA=1    no stock restore, catalogs and rows only
#   ROLES            ERE of the roles to compare (default: ^zoo_)
#   KEEP             folder for the compared texts (default: temporary)
set -euo pipefail
export LC_ALL=C

[ $# = 3 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2; }
source_url=$1 target_url=$2 bin=$3
source_bin=${SOURCE_BIN_DIR:-$bin}
psql=$bin/psql
[ -x "$psql" ] || psql=$(command -v psql) || { echo 'compare: no psql' >&2; exit 2; }
work=${KEEP:-$(mktemp -d)}
mkdir -p "$work"
stock_db=${STOCK_DB:-lifeboat_compare_$$}
stock_url=

# Beats the settings of databases and roles, also in pg_dump's sessions.
export PGOPTIONS='-c TimeZone=UTC -c quote_all_identifiers=off -c statement_timeout=0 -c lock_timeout=60s -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off -c default_transaction_isolation=read\ committed -c client_min_messages=error'
unset PGCLIENTENCODING

# in_db URL DATABASE: the same server, another database
in_db() {
    local scheme rest query=
    case $1 in
        postgres://* | postgresql://*)
            scheme=${1%%://*} rest=${1#*://}
            [[ $rest != *\?* ]] || query="?${rest#*\?}"
            rest=${rest%%\?*}
            printf '%s://%s/%s%s' "$scheme" "${rest%%/*}" "$2" "$query"
            ;;
        *) printf "%s dbname='%s'" "$1" "$2" ;;
    esac
}

# sql URL [psql arguments]: bytes as the server has them
sql() {
    local url=$1
    shift
    PGCLIENTENCODING=SQL_ASCII "$psql" -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 "$url" "$@"
}

# shellcheck disable=SC2317  # called by trap
cleanup() {
    if [ -n "$stock_url" ] && [ -z "${STOCK_DB:-}" ]; then
        sql "$stock_url" -f "$(dirname "$0")/unsubscribe.sql" >/dev/null 2>&1 || true
        sql "${STOCK_URL:-$target_url}" -c "DROP DATABASE IF EXISTS $stock_db" >/dev/null 2>&1 || true
    fi
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 2' INT TERM

fail() {
    echo "compare: $1" >&2
    exit 2
}

# ---------------------------------------------------------------- catalogs and rows

readonly PIN="
SET search_path = ''; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET extra_float_digits = 1;
SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET array_nulls = on; SET xmloption = 'content'; SET row_security = off; SET jit = off;
SET max_parallel_workers_per_gather = 0; SET standard_conforming_strings = on;"

# Lists of one database: one object a line, newlines within names as JSON writes them.
readonly RELATIONS="
  WITH RECURSIVE up(child, parent) AS (
      SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class c ON c.oid = inhrelid WHERE relispartition
      UNION ALL SELECT up.child, i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.parent
  ), rel AS (
      SELECT c.oid, c.relkind, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, pg_catalog.to_json(pg_catalog.format('%I.%I', n.nspname, c.relname)) AS line,
             c.relispartition, c.relispopulated, e.extcondition,
             EXISTS (SELECT FROM up JOIN pg_catalog.pg_class f ON f.oid = up.child WHERE f.relkind = 'f'
                        AND up.parent IN (SELECT c.oid UNION ALL SELECT u.parent FROM up u WHERE u.child = c.oid)) AS has_foreign,
             (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_catalog.pg_attribute a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN (SELECT x.oid AS ext, u.rel, x.extcondition[u.i] FROM pg_catalog.pg_extension x, pg_catalog.unnest(x.extconfig) WITH ORDINALITY AS u(rel, i)) e ON e.rel = c.oid
       WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'
  )"
readonly TABLES="$RELATIONS, chosen AS (
      SELECT *, 'FROM ' || CASE WHEN relkind = 'p' THEN '' ELSE 'ONLY ' END || name || ' ' || coalesce(extcondition, '') AS source FROM rel
       WHERE (relkind = 'r' AND (NOT relispartition OR has_foreign) OR relkind = 'p' AND NOT relispartition AND NOT has_foreign)
         AND (:'skip' = '' OR name !~ :'skip'))"
readonly DIGEST="pg_catalog.format('SELECT %L, pg_catalog.count(*), coalesce(pg_catalog.md5(pg_catalog.string_agg(pg_catalog.md5(r), %L ORDER BY r COLLATE pg_catalog.\"C\")), %L) FROM (SELECT ROW(%s)::pg_catalog.text AS r %s) AS s',"

rows_of() {
    sql "$1" -v skip="${SKIP_ROWS:-}" <<SQL | sort
$PIN
$TABLES SELECT $DIGEST 'table ' || line, '', 'empty', columns, source) FROM chosen ORDER BY name \\gexec
SQL
}

matviews_of() {
    sql "$1" <<SQL | sort
$PIN
$RELATIONS SELECT $DIGEST 'materialized view ' || line, '', 'empty', columns, 'FROM ' || name) FROM rel WHERE relkind = 'm' AND relispopulated \\gexec
SQL
}

# table_rows URL LINE: the rows behind a line of rows_of
table_rows() {
    sql "$1" -v line="$2" -v skip= <<SQL | cut -c 1-400
$PIN
$TABLES SELECT pg_catalog.format('SELECT r FROM (SELECT ROW(%s)::pg_catalog.text AS r %s) AS s ORDER BY r COLLATE pg_catalog."C"', columns, source) FROM chosen WHERE line::pg_catalog.text = :'line' \\gexec
SQL
}

acl() { # EXPRESSION: its grants, sorted, by name
    printf '%s' "(SELECT pg_catalog.string_agg(CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(grantee)::pg_catalog.text END || '=' || privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END || '/' || pg_catalog.pg_get_userbyid(grantor), ', ' ORDER BY 1) FROM (SELECT * FROM pg_catalog.aclexplode($1) ORDER BY pg_catalog.pg_get_userbyid(grantee), privilege_type, pg_catalog.pg_get_userbyid(grantor)) AS x)"
}

catalog_of() {
    sql "$1" -v roles="${ROLES-^zoo_}" <<SQL | grep -Ev -- "${SKIP_OBJECTS:-^$}" | sort
$PIN
SELECT oid AS db FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database() \\gset

$RELATIONS SELECT pg_catalog.format('SELECT %L, last_value, is_called FROM %s', 'sequence ' || line, name) FROM rel WHERE relkind = 'S' \\gexec
$RELATIONS SELECT 'materialized view ' || line, CASE WHEN relispopulated THEN 'populated' ELSE 'not populated' END FROM rel WHERE relkind = 'm';

SELECT 'large object', m.oid, pg_catalog.pg_get_userbyid(lomowner), coalesce(s.size, 0),
       (SELECT coalesce(pg_catalog.md5(pg_catalog.string_agg(pg_catalog.md5(pg_catalog.lo_get(m.oid, i * 1048576, 1048576)), '' ORDER BY i)), 'empty')
          FROM pg_catalog.generate_series(0::pg_catalog.int8, (coalesce(s.size, 0) - 1) / 1048576) AS i WHERE s.size > 0),
       $(acl "coalesce(lomacl, pg_catalog.acldefault('L', lomowner))"), pg_catalog.to_json(pg_catalog.obj_description(m.oid, 'pg_largeobject'))
  FROM pg_catalog.pg_largeobject_metadata m
  LEFT JOIN (SELECT loid, pg_catalog.max(pageno * 2048::pg_catalog.int8 + pg_catalog.length(data)) AS size FROM pg_catalog.pg_largeobject GROUP BY loid) s ON s.loid = m.oid;

SELECT 'database', key, pg_catalog.to_json(value)
  FROM (SELECT pg_catalog.pg_get_userbyid(datdba) AS owner, pg_catalog.pg_encoding_to_char(encoding) AS encoding, datcollate, datctype,
               coalesce(j ->> 'datlocprovider', 'c') AS provider, coalesce(j ->> 'datlocale', j ->> 'daticulocale') AS locale, j ->> 'daticurules' AS rules,
               datconnlimit, datistemplate, datallowconn, $(acl "coalesce(datacl, pg_catalog.acldefault('d', datdba))") AS acl,
               pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
          FROM pg_catalog.pg_database d, LATERAL (SELECT pg_catalog.to_jsonb(d) AS j) AS x WHERE d.oid = :db) AS p, LATERAL pg_catalog.jsonb_each_text(pg_catalog.to_jsonb(p));
SELECT 'database setting', coalesce(rolname, 'of all'), pg_catalog.to_json(c) FROM pg_catalog.pg_db_role_setting LEFT JOIN pg_catalog.pg_roles r ON r.oid = setrole, pg_catalog.unnest(setconfig) AS c WHERE setdatabase = :db;

SELECT 'role', pg_catalog.to_json(rolname), rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolsuper, rolconnlimit, rolvaliduntil,
       (SELECT pg_catalog.to_json(pg_catalog.array_agg(c ORDER BY c COLLATE pg_catalog."C")) FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) AS c WHERE setrole = r.oid AND setdatabase = 0),
       pg_catalog.to_json(pg_catalog.shobj_description(r.oid, 'pg_authid'))
  FROM pg_catalog.pg_roles r WHERE :'roles' <> '' AND rolname ~ :'roles';
SELECT 'member', pg_catalog.to_json(m.rolname), 'of', pg_catalog.to_json(g.rolname), CASE WHEN pg_catalog.bool_or(admin_option) THEN 'admin' END,
       CASE WHEN pg_catalog.bool_or(coalesce((j ->> 'inherit_option')::pg_catalog.bool, m.rolinherit)) THEN 'inherit' END, CASE WHEN pg_catalog.bool_or(coalesce((j ->> 'set_option')::pg_catalog.bool, true)) THEN 'set' END
  FROM pg_catalog.pg_auth_members a JOIN pg_catalog.pg_roles m ON m.oid = member JOIN pg_catalog.pg_roles g ON g.oid = roleid, LATERAL (SELECT pg_catalog.to_jsonb(a) AS j) AS x
 WHERE :'roles' <> '' AND m.rolname ~ :'roles' GROUP BY m.rolname, g.rolname;

SELECT 'extension', extname, extversion, extnamespace::pg_catalog.regnamespace FROM pg_catalog.pg_extension;
WITH RECURSIVE member(classid, objid) AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
    UNION SELECT d.classid, d.objid FROM member m JOIN pg_catalog.pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype IN ('a', 'i')
), o(classid, objid) AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
     WHERE relpersistence <> 't' AND relkind <> 't' AND relnamespace <> 'pg_toast'::pg_catalog.regnamespace AND coalesce(i.indisvalid OR relkind = 'I', true)
    UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid FROM pg_catalog.pg_constraint WHERE conparentid = 0 AND contype <> 'n' AND coninhcount = 0
    UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, oid FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgparentid = 0
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = typrelid WHERE coalesce(c.relpersistence, 'p') <> 't' AND typtype NOT IN ('b', 'm') OR typelem = 0 AND typtype = 'b'
$(for c in attrdef proc operator opclass opfamily amop amproc cast conversion collation rewrite policy statistic_ext transform namespace language am \
        foreign_data_wrapper foreign_server user_mapping event_trigger publication publication_rel ts_parser ts_template ts_dict ts_config default_acl; do
    echo "    UNION ALL SELECT 'pg_catalog.pg_$c'::pg_catalog.regclass, oid FROM pg_catalog.pg_$c"
done)
    UNION ALL SELECT 'pg_catalog.pg_subscription'::pg_catalog.regclass, oid FROM pg_catalog.pg_subscription WHERE subdbid = :db)
SELECT 'object', i.type, pg_catalog.to_json(CASE i.type WHEN 'transform' THEN pg_catalog.replace(i.identity, ' on language ', ' language ') ELSE i.identity END) FROM o, LATERAL pg_catalog.pg_identify_object(classid, objid, 0) AS i
 WHERE objid >= 16384 AND coalesce(i.schema, '') !~ '^pg_(temp|toast)' AND i.identity !~ '^pg_(toast_)?temp_' AND (classid, objid) NOT IN (SELECT classid, objid FROM member)
   -- functions and casts of ranges come with the range, and differ by version
   AND (classid NOT IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_cast'::pg_catalog.regclass) OR NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend d WHERE d.classid = o.classid AND d.objid = o.objid AND d.deptype = 'i'));
SQL
}

# ---------------------------------------------------------------- schema

# One entry of a dump's text a line, sorted, and back to lines: order and surroundings do not matter, all else does.
entries() {
    awk '
        function flush() { if (entry != "") print entry (space == "" ? "" : "\001-- tablespace: " space) (am == "" ? "" : "\001-- access method: " am); entry = "" }
        /^\\(un)?restrict / || /^-- Dumped (from|by) / || /^-- PostgreSQL database dump/ { next }
        /^SET default_tablespace = / { space = $4; if (space == "\047\047;") space = ""; next }
        /^SET default_table_access_method = / { am = $4; if (am == "heap;") am = ""; next }
        held && /^-- Name: / { flush(); entry = "--"; held = 0; blank = "" }
        held { entry = entry blank "\001--"; held = 0; blank = "" }
        /^--$/ { held = 1; next }
        /^$/ { blank = blank "\001"; next }
        { entry = entry blank "\001" $0; blank = "" }
        END { flush() }' | sort | tr '\001' '\n'
}

schema_of() {
    "$bin/pg_dump" --schema-only --dbname="$1" | entries
}

make_stock() {
    sql "$target_url" >"$work/create.sql" <<SQL
SELECT pg_catalog.format('CREATE DATABASE $stock_db TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype)
       || CASE j ->> 'datlocprovider' WHEN 'i' THEN pg_catalog.format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(j ->> 'datlocale', j ->> 'daticulocale'))
                                      WHEN 'b' THEN pg_catalog.format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', j ->> 'datlocale')
                                      WHEN 'c' THEN ' LOCALE_PROVIDER libc' ELSE '' END
  FROM pg_catalog.pg_database d, LATERAL (SELECT pg_catalog.to_jsonb(d) AS j) AS x WHERE datname = pg_catalog.current_database();
SQL
    sql "${STOCK_URL:-$target_url}" -f "$work/create.sql"
    "$source_bin/pg_dump" -Fc -Z0 --dbname="$source_url" --file="$work/stock.dump" 2>"$work/stock.dump.err" || fail "pg_dump of the source: $(head -3 "$work/stock.dump.err")"
    "$bin/pg_restore" --dbname="$stock_url" "$work/stock.dump" 2>"$work/stock.err" || true
    grep -E '^pg_restore: (error|warning: errors)' "$work/stock.err" | cut -c 1-200 | sed 's/^/stock: /' >&2 || true
    [ -n "${KEEP:-}" ] || rm -f "$work/stock.dump"
}

# ---------------------------------------------------------------- compare

different=0
# differ TITLE EXPECTED ACTUAL
differ() {
    cmp -s "$2" "$3" && return 0
    different=1
    diff -u --label "$1: expected" --label "$1: target" "$2" "$3" | cut -c 1-1000
    return 1
}

catalog_of "$source_url" >"$work/source.catalog" || fail 'cannot read the source'
catalog_of "$target_url" >"$work/target.catalog" || fail 'cannot read the target'
differ catalog "$work/source.catalog" "$work/target.catalog" || true

rows_of "$source_url" >"$work/source.rows" || fail "cannot read the source's tables"
rows_of "$target_url" >"$work/target.rows" || fail "cannot read the target's tables"
if ! differ rows "$work/source.rows" "$work/target.rows"; then
    comm -3 "$work/source.rows" "$work/target.rows" | sed -n 's/^\t\{0,1\}table \(".*"\) [0-9]* [0-9a-z]*$/\1/p' | sort -u | head -20 | while IFS= read -r line; do
        table_rows "$source_url" "$line" >"$work/source.table" 2>&1 || true
        table_rows "$target_url" "$line" >"$work/target.table" 2>&1 || true
        diff -u --label "$line: source" --label "$line: target" "$work/source.table" "$work/target.table" | head -20 || true
    done
fi

if [ -z "${SKIP_SCHEMA:-}" ]; then
    stock_url=$(in_db "${STOCK_URL:-$target_url}" "$stock_db")
    [ -n "${STOCK_DB:-}" ] || make_stock || fail 'no stock restore'
    schema_of "$stock_url" >"$work/stock.schema" || fail 'pg_dump of the stock restore'
    schema_of "$target_url" >"$work/target.schema" || fail 'pg_dump of the target'
    differ schema "$work/stock.schema" "$work/target.schema" || true
    matviews_of "$stock_url" >"$work/stock.matviews" || fail "cannot read the stock restore's materialized views"
    matviews_of "$target_url" >"$work/target.matviews" || fail "cannot read the target's materialized views"
    differ 'materialized views' "$work/stock.matviews" "$work/target.matviews" || true
fi
exit $different
