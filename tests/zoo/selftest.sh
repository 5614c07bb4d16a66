#!/usr/bin/env bash
# Does compare.sh see what it must? Loads the zoo, restores it with stock tools, and damages the copy, one way a time.
#
#   selftest.sh SUPERUSER_URL BIN_DIR      databases zoo_selftest_* on that server; exit 0 when all was noticed
set -euo pipefail
[ $# = 2 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
url=$1 bin=$2
psql=$bin/psql
[ -x "$psql" ] || psql=$(command -v psql)
export PGOPTIONS='-c client_min_messages=error -c search_path=pg_catalog -c statement_timeout=0'

db() { # NAME: its URL
    local rest=${url#*://} query=
    [[ $rest != *\?* ]] || query="?${rest#*\?}"
    rest=${rest%%\?*}
    printf 'postgresql://%s/zoo_selftest_%s%s' "${rest%%/*}" "$1" "$query"
}
run() { "$psql" -X -q -v ON_ERROR_STOP=1 "$@" >/dev/null; }
drop() {
    run "$(db "$1")" -f "$here/unsubscribe.sql" 2>/dev/null || true
    run "$url" -c "DROP DATABASE IF EXISTS zoo_selftest_$1 WITH (FORCE)"
}
fresh() {
    drop "$1"
    run "$url" -c "CREATE DATABASE zoo_selftest_$1 TEMPLATE ${2:-template0} ENCODING 'UTF8'"
}
trap 'drop target; drop stock; drop source' EXIT

run "$url" -f "$here/roles.sql"
fresh source
run "$(db source)" -v big=off -f "$here/base.sql"
# what stock tools lose, see base.sql
run "$(db source)" -c 'TRUNCATE zoo.reg_index, zoo.by_moods'
fresh stock
"$bin/pg_dump" -Fc --dbname="$(db source)" | "$bin/pg_restore" --exit-on-error --dbname="$(db stock)"

failed=0
export STOCK_DB=zoo_selftest_stock SKIP_OBJECTS='^database '
# compared RESULT WHAT PATTERN
compared() {
    local result=0 out
    out=$("$here/compare.sh" "$(db source)" "$(db target)" "$bin" 2>&1) || result=$?
    if [ "$result" = "$1" ] && grep -aEq -- "$3" <<<"$out"; then
        printf 'ok    %s\n' "$2"
    else
        failed=1
        printf 'WRONG %s: exit %s\n%s\n' "$2" "$result" "$(head -40 <<<"$out")"
    fi
}
# damage SQL PATTERN: what the diff must show
damage() {
    fresh target zoo_selftest_stock
    run "$(db target)" -c "$1"
    compared 1 "$1" "$2"
}

fresh target
STOCK_DB='' "$bin/pg_dump" -Fc --dbname="$(db source)" | "$bin/pg_restore" --exit-on-error --dbname="$(db target)"
STOCK_DB='' compared 0 'stock restore against stock restore' ''
SKIP_OBJECTS='' compared 1 'properties of the database' '^-database comment'

damage 'UPDATE zoo.numbers SET n = 1.10 WHERE n = 1.5' '^-.*1[.]50000'
damage 'UPDATE zoo.wide SET c1 = 0 WHERE ctid = (SELECT min(ctid) FROM zoo.wide)' '^-table "zoo.wide"'
damage "UPDATE zoo.texts SET t = '' WHERE t IS NULL AND v IS NULL" '^-table "zoo.texts"'
damage 'DELETE FROM zoo.no_column WHERE ctid = (SELECT min(ctid) FROM ONLY zoo.no_column)' '^-table "zoo.no_column" 3'
damage 'INSERT INTO zoo.pages SELECT 6000, filler, n, at FROM zoo.pages WHERE id = 1' '^-table "zoo.pages" 5000'
damage 'UPDATE zoo.same_child SET a = b, b = a' '^-table "zoo.same_child"'
damage 'DELETE FROM zoo.by_mood WHERE v = 7 AND m = '"'sad'" '^-table "zoo.by_mood" 161'
damage "SELECT setval('zoo.code_seq', last_value + 5) FROM zoo.code_seq" 'sequence "zoo.code_seq"'
damage "SELECT setval('zoo.set_not_called', 42, true)" '^-sequence "zoo.set_not_called" 42 f'
damage 'SELECT lo_unlink(900008)' '^-large object 900008'
damage "SELECT lo_put(900003, 1048576, '\\x00')" '^-large object 900003'
damage 'ALTER LARGE OBJECT 900001 OWNER TO zoo_owner' '^-large object 900001 zoo_app'
damage 'REVOKE SELECT ON LARGE OBJECT 900000 FROM PUBLIC' '^-large object 900000'
damage 'COMMENT ON LARGE OBJECT 900000 IS NULL' '^-large object 900000'
damage 'REFRESH MATERIALIZED VIEW zoo.m_empty WITH NO DATA' '^-materialized view "zoo.m_empty" populated'
damage 'DROP INDEX zoo.indexed_brin' '^-object index "zoo.indexed_brin"'
damage 'ALTER TABLE zoo.people DROP CONSTRAINT twin' '^-.*ADD CONSTRAINT twin FOREIGN KEY'
damage 'DELETE FROM zoo.checks WHERE id <= 4; ALTER TABLE zoo.checks VALIDATE CONSTRAINT violated' '^-.*NOT VALID'
damage 'ALTER TABLE zoo.triggered ENABLE TRIGGER of_nobody' '^-ALTER TABLE zoo.triggered DISABLE TRIGGER of_nobody'
damage "COMMENT ON TABLE zoo.numbers IS 'x'" '^[+]COMMENT ON TABLE zoo.numbers'
damage 'GRANT INSERT ON zoo.bytes TO zoo_owner' '^-REVOKE .*zoo.bytes|^[+-]GRANT .*zoo.bytes'
damage 'ALTER TABLE zoo.bytes OWNER TO zoo_app' '^[+]ALTER TABLE zoo.bytes OWNER TO zoo_app'
damage 'ALTER TABLE zoo.forced NO FORCE ROW LEVEL SECURITY' '^-ALTER TABLE ONLY zoo.forced FORCE ROW LEVEL SECURITY'
damage 'ALTER TABLE zoo.toasted ALTER external SET STORAGE EXTENDED' 'ALTER COLUMN external SET STORAGE'
damage "ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC" 'DEFAULT PRIVILEGES'
damage 'DROP EVENT TRIGGER zoo_event' '^-object event trigger "zoo_event"'
damage 'DROP STATISTICS zoo.one_kind' '^-object statistics object "zoo.one_kind"'
damage 'CREATE TABLE zoo.left_over ()' '^[+]object table "zoo.left_over"'
[ "$failed" = 0 ] && echo 'all noticed'
exit "$failed"
