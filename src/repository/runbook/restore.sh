#!/usr/bin/env bash
# Restores one lifeboat restore point without lifeboat.
#
#   bash restore.sh --repository s3://BUCKET/PREFIX --manifest manifests/…/ID.json \
#        --identity break-glass.key --trust FINGERPRINT --target postgresql://USER@HOST/EMPTY_DATABASE
#
# Needs bash 4, age, zstd, psql, pg_restore, aws (for s3://), GNU sed, awk, GNU coreutils; openssl 3 to check
# the signature. Every object is fetched by its version id and compared with its SHA-256 before use.
# The target must be empty. The dump's SQL goes through pg_restore, never through psql.
# Exit codes: 0 equal in rows, 1 failed or rows are missing, 2 wrong usage, 3 other errors are left, or the
# manifest was not checked.
set -u -o pipefail
export LC_ALL=C
umask 077

usage() {
  cat <<'USAGE'
usage: bash restore.sh --repository URL --manifest KEY --identity FILE --trust FINGERPRINT --target URL
                       [--jobs N] [--unchecked]

  --repository  s3://bucket/prefix, file:///folder or a folder. AWS credentials, AWS_REGION and
                AWS_ENDPOINT_URL are taken from the environment.
  --manifest    its key in the repository (manifests/SOURCE/DATABASE/ID.json), or a file
  --identity    an age identity file, such as break-glass.key; may be repeated
  --trust       the verification key on the break-glass sheet (its fingerprint, 64 hex digits)
  --target      connection URL of an empty database; put the password into PGPASSWORD or ~/.pgpass
  --jobs        how many parts at once (4)
  --unchecked   go on although no openssl 3 is here to check the signature: whoever could write into the
                repository may then have written what is restored
USAGE
}

say() { printf '%s\n' "$*" | tr -d '\000-\010\013-\037\177' >&2; }
hint() { say "hint: $*"; }
die() { say "error: $1"; [[ $# -lt 2 ]] || hint "$2"; exit 1; } # cause, hint
wrong() { say "error: $*"; usage >&2; exit 2; }

repository='' manifest='' trust='' target='' jobs=4 unchecked='' identities=()
options() {
  while [[ $# -gt 0 ]]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --unchecked) unchecked=1; shift; continue ;;
      --repository | --manifest | --identity | --trust | --target | --jobs)
        [[ $# -ge 2 ]] || wrong "$1 needs a value" ;;
      *) wrong "unknown argument: $1" ;;
    esac
    case $1 in
      --repository) repository=$2 ;;
      --manifest) manifest=$2 ;;
      --identity) identities+=(-i "$2"); [[ -r $2 ]] || wrong "cannot read the identity file $2" ;;
      --trust) trust=$(printf '%s' "$2" | tr 'A-F' 'a-f' | tr -d ' :') ;;
      --target) export target=$2 ;;
      --jobs) jobs=$2 ;;
    esac
    shift 2
  done
  [[ $repository && $manifest && $target && ${#identities[@]} -gt 0 ]] ||
    wrong 'needed are --repository, --manifest, --identity and --target'
  case $jobs in '' | *[!0-9]* | 0*) wrong '--jobs takes a number from 1' ;; esac
  case $target in *options=*) wrong 'take options= out of the target: this script sets its own' ;; esac
}

# ---- the repository -----------------------------------------------------------------------------

bucket='' prefix='' folder=''
open_repository() {
  local tool tools='age zstd psql pg_restore sed awk sort tr base64 mktemp'
  case $repository in
    s3://*)
      bucket=${repository#s3://} prefix=''
      case $bucket in */*) prefix=${bucket#*/} bucket=${bucket%%/*} ;; esac
      while [[ $prefix == */ ]]; do prefix=${prefix%/}; done
      prefix=${prefix:+$prefix/}
      tools="$tools aws" ;;
    file://*) folder=${repository#file://} ;;
    *) folder=$repository ;;
  esac
  [[ $bucket || -d $folder ]] || die "there is no folder $folder"
  for tool in $tools; do
    command -v "$tool" >/dev/null || die "$tool is not installed"
  done
  for tool in sed sort; do
    "$tool" --version 2>/dev/null | grep -q '(GNU' ||
      die "this is not the $tool of GNU" "$on_macos"
  done
}

on_macos='on macOS: brew install bash coreutils gnu-sed openssl@3, and put their gnubin and bin folders first into PATH'

sha256_of() {
  if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -c 1-64
}

# A key is a path below the repository and nothing else.
is_key() {
  case /$1/ in *[!A-Za-z0-9._%/-]* | *//* | */./* | */../*) return 1 ;; esac
}

get_version() { # key, version, file
  is_key "$1" || { say "error: '$1' is not a key of format v1"; return 1; }
  if [[ $bucket ]]; then
    aws s3api get-object --bucket "$bucket" --key "$prefix$1" --version-id="$2" "$3" >/dev/null
  else
    cp -- "$folder/$1" "$3"
  fi || { say "error: cannot get $1 (version $2)"; return 1; }
}

fetch() { # key, version, sha256, file: exactly what the signed manifest says, or an error
  get_version "$1" "$2" "$4" || return 1
  local found
  found=$(sha256_of "$4")
  [[ $found == "$3" ]] && return 0
  rm -f -- "$4"
  say "error: $1 (version $2) is DAMAGED: its SHA-256 should be $3, it is $found"
  hint 'nothing of it was used; restore another point and extend the lock of that one now'
  return 1
}

unseal() { age -d "${identities[@]}" -- "$1" | zstd -dcq; }

# ---- the manifest -------------------------------------------------------------------------------

# Versions of the manifest's key, oldest first: who can write there can put one on top, not below.
manifest_versions() {
  aws s3api list-object-versions --bucket "$bucket" --prefix "$prefix$manifest" \
    --query 'Versions[].[LastModified,VersionId,Key]' --output text >"$work/listing" ||
    die "cannot list the versions of $prefix$manifest in $bucket"
  awk -F '\t' -v key="$prefix$manifest" '$3 == key { line[++n] = $1 "\t" $2 }
    END { for (; n > 0; n--) print line[n] }' "$work/listing" | sort -s -t "$(printf '\t')" -k 1,1
}

open_manifest() {
  local time version tried=0
  if [[ -f $manifest ]]; then
    cp -- "$manifest" "$work/envelope" && read_manifest "$work/envelope" || exit 1
  elif [[ $folder ]]; then
    get_version "$manifest" file "$work/envelope" && read_manifest "$work/envelope" || exit 1
    belongs
  else
    manifest_versions >"$work/versions" || exit 1
    while IFS=$'\t' read -r time version <&3; do
      tried=$((tried + 1))
      get_version "$manifest" "$version" "$work/envelope" && read_manifest "$work/envelope" &&
        { belongs; return 0; }
      say "version $version of $time is passed over"
    done 3<"$work/versions"
    die "no sound version of $manifest among $tried in $repository"
  fi
}

# The signed keys tell which place a manifest was written for.
belongs() {
  local place=${manifest#manifests/}
  object plan.tsv.zst.age
  [[ $object_key == "parts/${place%.json}/plan.tsv.zst.age" ]] ||
    die "$manifest is the manifest of another restore point: $object_key" 'somebody moved it'
}

# The envelope is one line of JSON with fields in a fixed order; its body is JSON as a string.
read_manifest() {
  local envelope='^\{"format":1,"body":"(.*)","signature":\{"algorithm":"([^"]*)","public_key":"([^"]*)","signature":"([^"]*)"\}\}$'
  sed -n -E "s/$envelope/\\1/p" "$1" | tr -d '\n' >"$work/escaped"
  sed -n -E "s/$envelope/\\2 \\3 \\4/p" "$1" >"$work/signature"
  [[ -s $work/escaped ]] || { say 'error: not an envelope of format 1'; return 1; }
  if sed 's/\\["\\]//g' "$work/escaped" | grep -q '[\]'; then
    say 'error: the envelope holds an escape that lifeboat does not write'
    return 1
  fi
  sed 's/\\\(.\)/\1/g' "$work/escaped" | tr -d '\n' >"$work/body"
  case $(head -c 12 "$work/body") in '{"format":1,') ;; *) say 'error: not a manifest of format 1'; return 1 ;; esac
  check_signature && check_requirements
}

# What a reader must know beyond format 1 has a name. No other version of the manifest is taken for one with a
# name that this script does not know.
check_requirements() {
  local all needs
  grep -q '"requires":\["' "$work/body" || return 0
  all=$(sed -n -E 's/^.*"requires":\["([^]]*)"\].*$/\1/p' "$work/body" | sed 's/","/\n/g')
  needs=$(grep -v -x 'left-out' <<<"$all" | sed -e ':a' -e '$!N' -e 's/\n/, /' -e 'ta')
  [[ -z $all || $needs ]] || return 0
  die "this restore point needs ${needs:-more}, which this script cannot read" 'take the restore.sh that lies beside the point'
}

signature_is=''
check_signature() {
  local algorithm public signature fingerprint
  read -r algorithm public signature <"$work/signature"
  printf '%s' "$public" | base64 -d >"$work/key.der"
  printf '%s' "$signature" | base64 -d >"$work/sig"
  fingerprint=$(sha256_of "$work/key.der")
  if [[ $fingerprint != "$trust" ]]; then
    say "error: the manifest is signed by the key  $fingerprint"
    say "       pinned by --trust is            ${trust:-nothing}"
    hint 'compare it with the break-glass sheet, digit by digit; only where it is the same, pass it as --trust'
    hint 'was the key changed? the old one announced the new one in announcements/, which lifeboat looks up; this script does not'
    return 1
  fi
  case $algorithm in ed25519 | ecdsa-p256-sha256) ;; *) say "error: unknown signature algorithm $algorithm"; return 1 ;; esac
  printf 'lifeboat-manifest-v1\n%s\n' "$(sha256_of "$work/body")" >"$work/statement"
  if ! openssl_can_verify "$algorithm"; then
    [[ $unchecked ]] || {
      say "error: the signature cannot be checked by $(openssl version 2>/dev/null || echo 'openssl, which is not here'): openssl 3 is needed"
      hint "$on_macos"
      die 'nothing was restored' 'with --unchecked it goes on: whoever could write into the repository may have written this manifest'
    }
    signature_is='NOT CHECKED (--unchecked)'
    say 'warning: the signature is NOT CHECKED, only the name of the key'
  elif verify "$algorithm" "$work/key.der" "$work/sig" "$work/statement"; then
    signature_is="sound, by $fingerprint"
  else
    say 'error: the SIGNATURE DOES NOT MATCH: the manifest was changed after it was signed'
    hint 'take an older restore point; keep this one for inquiry'
    return 1
  fi
}

verify() { # algorithm, key, signature, file
  case $1 in
    ed25519) openssl pkeyutl -verify -pubin -keyform DER -inkey "$2" -rawin -sigfile "$3" -in "$4" ;;
    *) openssl dgst -sha256 -verify "$2" -keyform DER -signature "$3" "$4" ;;
  esac >/dev/null 2>&1
}

# Asks openssl about a known signature of "r" (of Ed25519: test 2 of RFC 8032), so that "cannot" is not
# taken for "does not match".
openssl_can_verify() {
  local public=MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=
  local signature=kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA==
  if [[ $1 != ed25519 ]]; then
    public=MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbSxQ945Ays/Izgpx1OgcBanLCMzBjx91xz1edpk06Q8Z
    public+=bzyPVAN5qK8qA8jG8UaBhAENvTwfAZUUaQHc+u1f9g==
    signature=MEQCIDLspBrqLJ92NiHdYq0T4ve0YESmeyzhWRC1OwW/1gVSAiArzvTszFf2gxI9QXX0IJJ0VzS6dXdZrUh0NVnPYPuq9g==
  fi
  command -v openssl >/dev/null || return 1
  printf '%s' "$public" | base64 -d >"$work/test.der"
  printf '%s' "$signature" | base64 -d >"$work/test.sig"
  printf 'r' >"$work/test"
  verify "$1" "$work/test.der" "$work/test.sig" "$work/test"
}

# A field of the manifest. In JSON text "name": cannot stand inside a string: its quotes would be
# escaped there.
field() {
  awk -v name="\"$1\":" '{
    rest = substr($0, index($0, name) + length(name))
    if (sub(/^"/, "", rest)) sub(/".*/, "", rest)
    else sub(/[],}].*/, "", rest)
    print rest
  }' "$work/body"
}

# Finds an object of the manifest by the last segment of its key.
object() {
  object_key=''
  IFS=$'\t' read -r object_key object_version object_sha256 < <(
    awk -v name="/$1" '{
      from = index($0, ",\"objects\":[")
      rest = substr($0, from)
      rest = substr(rest, 1, index(rest, "],\"tables\":["))
      n = split(rest, part, /\{"key":"/)
      for (i = 2; i <= n; i++) {
        split(part[i], f, "\"")
        if (substr(f[1], length(f[1]) - length(name) + 1) == name && f[3] == "version" && f[9] == "sha256")
          print f[1] "\t" f[5] "\t" f[11]
      }
    }' "$work/body"
  )
  [[ $object_key ]] || die "the manifest names no $1"
}

get_object() { # name, file
  object "$1"
  fetch "$object_key" "$object_version" "$object_sha256" "$2" || exit 1
}

open_object() { # name, file: decrypted and decompressed
  get_object "$1" "$work/sealed"
  unseal "$work/sealed" >"$2" || die "cannot open $object_key" 'is it the right identity? RESTORE.md names the recipients'
  rm -f "$work/sealed"
}

# ---- the target ---------------------------------------------------------------------------------

pin() { PGOPTIONS="${PGOPTIONS-} -c $1=$2"; }

# What reading rows and definitions needs, and nothing ends a session early. Everything else is as the
# database and its roles have it: what is computed depends on it.
pin_session() { # server_version_num
  PGOPTIONS=''
  pin search_path '' && pin array_nulls on && pin xmloption content
  pin row_security off && pin client_min_messages warning
  pin role none && pin local_preload_libraries ''
  pin default_transaction_isolation 'read\ committed' && pin default_transaction_deferrable off
  pin default_transaction_read_only off && pin statement_timeout 0 && pin lock_timeout 0
  pin idle_in_transaction_session_timeout 0
  [[ $1 -lt 140000 ]] || pin idle_session_timeout 0
  [[ $1 -lt 170000 ]] || pin transaction_timeout 0
  export PGOPTIONS
}

# What new sessions had in the source, from its server too, as far as this server and user can have it.
pin_as_in_source() {
  local name value was
  while IFS=$'\t' read -r _ name value <&3; do
    was=$PGOPTIONS
    pin "$name" "$(printf '%b' "$value" | sed 's/[[:space:]\\]/\\&/g')"
    sql -q -c 'SELECT' >/dev/null 2>&1 || PGOPTIONS=$was
  done 3< <(awk -F '\t' '$1 == "setting"' "$work/plan")
}

sql() { psql -X -A -t -v ON_ERROR_STOP=1 -d "$target" "$@"; }

check_target() {
  local version client facts
  export PGAPPNAME=lifeboat-restore PGCLIENTENCODING=UTF8
  version=$(sql -q -c 'SHOW server_version_num') ||
    refuse 'cannot connect to the target' 'is the database there, and may this user connect? Make an empty one so'
  pin_session "$version"
  client=$(pg_restore --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
  [[ $client -ge $(field pg_dump_major) ]] ||
    die "pg_restore is of version $client, the schema was written by pg_dump $(field pg_dump_major): put a newer one first in PATH"
  [[ $client -eq $((version / 10000)) ]] ||
    say "note: pg_restore $client for a server $((version / 10000)): errors about unknown parameters may follow"
  facts=$(sql -q -c 'SHOW server_encoding') || exit 1
  [[ $facts == "$encoding" ]] || refuse "the target's encoding is $facts, the source's is $encoding" 'make an empty database so'
  facts=$(sql -q -c "$what_is_there") || exit 1
  [[ -z $facts ]] || refuse "the target is not empty: it has $facts" \
    'an unfinished restore cannot go on: drop the database and start again. Make an empty one so'
}

refuse() { # cause, hint
  say "error: $1"
  hint "$2:"
  say "  $(create_target)"
  exit 1
}

# The statement of the plan, with the name that the target gives, where that is a plain one.
create_target() {
  local name=''
  case $target in
    postgres://* | postgresql://*) name=${target#*://} name=${name%%\?*}
      case $name in */*) name=${name#*/} ;; *) name='' ;; esac ;;
    *=*) name=$(printf '%s' " $target" | sed -n -E 's/.* dbname *= *([^ ]*).*/\1/p') ;;
    *) name=$target ;;
  esac
  case $name in
    '' | *[!A-Za-z0-9_-]*) printf '%s' "$create_database" ;;
    *) printf '%s' "$create_database" | sed -E "s/\"?lifeboat_restored\"?/\"$name\"/" ;;
  esac
}

# Nothing but what every new database has, and extensions.
what_is_there="
  SELECT pg_catalog.string_agg(n::text || ' ' || what, ', ') FROM (
    SELECT what, pg_catalog.count(*) AS n FROM (
      SELECT 'relations' AS what, tableoid, oid, relnamespace AS namespace FROM pg_catalog.pg_class
      UNION ALL SELECT 'functions', tableoid, oid, pronamespace FROM pg_catalog.pg_proc
      UNION ALL SELECT 'types', tableoid, oid, typnamespace FROM pg_catalog.pg_type WHERE typtype IN ('d', 'e', 'r')
      UNION ALL SELECT 'schemas', tableoid, oid, oid FROM pg_catalog.pg_namespace WHERE nspname <> 'public'
    ) AS object JOIN pg_catalog.pg_namespace AS s ON s.oid = namespace
     WHERE s.nspname !~ '^pg_' AND s.nspname <> 'information_schema' AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_depend WHERE classid = object.tableoid AND objid = object.oid AND deptype = 'e')
     GROUP BY what
    UNION ALL SELECT 'large objects', pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata
  ) AS found WHERE n > 0"

# ---- restoring ----------------------------------------------------------------------------------

# Runs FUNCTION LINE for every line of FILE, $jobs at a time; the first failure stops all.
in_parallel() {
  local function=$1 lines=$2 pid pids=() failed=0
  for ((worker = 0; worker < jobs; worker++)); do
    awk -v n="$jobs" -v mine="$worker" 'NR % n == mine' "$lines" >"$work/share.$worker"
    (
      while IFS= read -r line <&3; do
        [[ ! -e $work/stop ]] || exit 1
        "$function" "$line" || { : >"$work/stop"; exit 1; }
      done 3<"$work/share.$worker"
    ) &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  [[ $failed -eq 0 ]] || die 'the restore has stopped; to start again, drop the database and make it anew'
}

# A line of the plan becomes its parts and its statements.
list_parts() {
  local oid how key version sha256 label copy copy_root
  IFS=$'\t' read -r _ oid how key version sha256 label copy copy_root _ <<<"$1"
  fetch "$key" "$version" "$sha256" "$work/list.$worker" || return 1
  printf '%b' "$copy" >"$work/copy.$oid"
  printf '%b' "$copy_root" >"$work/copy_root.$oid"
  printf '%b' "$label" >"$work/label.$oid"
  zstd -dcq <"$work/list.$worker" | sed -n -E \
    "s/^\{\"key\":\"([^\"]+)\",\"version\":\"([^\"]+)\",\"bytes\":[0-9]+,\"sha256\":\"([0-9a-f]+)\",\"rows\":([0-9]+),.*\$/$oid	$how	\\1	\\2	\\3	\\4/p" \
    >>"$work/parts.$worker"
}

load_part() { # line, how often a deadlock took it
  local oid how key version sha256 rows said file="$work/part.$worker" error="$work/error.$worker"
  IFS=$'\t' read -r oid how key version sha256 rows <<<"$1"
  fetch "$key" "$version" "$sha256" "$file" || return 1
  case $how in
    create | pages | properties) said=$(unseal "$file" | "large_object_$how" 2>"$error") ;;
    root)
      if [[ $(foreign_partitions "$work/copy_root.$oid") != 0 ]]; then
        said=; printf 'refused: through its root a row might reach a foreign server\n' >"$error"
      else
        said=$(unseal "$file" | copy_in "$work/copy_root.$oid" 2>"$error")
      fi ;;
    late) said=$(unseal "$file" | copy_in "$work/copy.$oid" -c "$without_triggers" 2>"$error") ;;
    *) said=$(unseal "$file" | copy_in "$work/copy.$oid" 2>"$error") ;;
  esac && case $'\n'$said$'\n' in *$'\n'"COPY $rows"$'\n'*)
    sed -n 's/^WARNING/psql: WARNING/p' "$error" >>"$work/errors"
    return 0 ;;
  esac
  if grep -q ' 40P01: ' "$error" && [[ ${2-0} -lt 5 ]]; then
    load_part "$1" $((${2-0} + 1))
    return
  fi
  if [[ $how == direct ]] && grep -q ' 23514: ' "$error" && [[ $(cat "$work/copy_root.$oid") != - ]]; then
    printf '%s\n' "${1/	direct	/	root	}" >>"$work/rerouted"
  else
    printf '%s\n' "$1" >>"$work/again"
    { printf '%s ' "$key"; cat "$work/label.$oid"; printf ': '; grep -v LOCATION "$error"; printf '%s' "$said"; } |
      tr '\n' ' ' >>"$work/lost"
    printf '\n' >>"$work/lost"
  fi
}

table_of() { sed -E 's/^COPY ([^ (]+).*$/\1/' "$1"; } # file with a COPY

# How many foreign tables a root hands rows to: another server must not be written to.
foreign_partitions() { # file with the COPY into the root
  local root
  root=$(table_of "$1")
  PGCLIENTENCODING=$encoding sql -c "SELECT pg_catalog.count(*) FROM pg_catalog.pg_type AS y
    CROSS JOIN LATERAL pg_catalog.pg_partition_tree(y.typrelid) AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.relid
    WHERE y.oid = pg_catalog.pg_typeof(NULL::$root)::pg_catalog.oid AND c.relkind = 'f'"
}

copy_in() { # file with the statement, more options of psql
  local statement table columns money=none as_printed="SET LOCAL lc_monetary = 'C'"
  statement=$(cat "$1")
  table=$(table_of "$1")
  shift
  if [[ $money_tables -gt 0 ]]; then
    money=$(PGCLIENTENCODING=$encoding sql -q -c "$money_in WHERE t.oid = pg_catalog.pg_typeof(NULL::$table)::pg_catalog.oid") || return 1
  fi
  case $money in
    computed)
      columns=$(sed -E 's/^COPY [^ (]+ \((.*)\) FROM STDIN$/\1/' <<<"$statement")
      set -- "$@" -c "BEGIN; $as_printed; CREATE TEMPORARY TABLE lifeboat_row ON COMMIT DROP AS
          SELECT $columns FROM ONLY $table WITH NO DATA" \
        -c "COPY pg_temp.lifeboat_row ($columns) FROM STDIN" \
        -c "SET LOCAL lc_monetary TO DEFAULT; INSERT INTO $table ($columns) OVERRIDING SYSTEM VALUE
          SELECT $columns FROM pg_temp.lifeboat_row; COMMIT" ;;
    plain) set -- "$@" -c "BEGIN; $as_printed" -c "$statement" -c COMMIT ;;
    *) set -- "$@" -c "$statement" ;;
  esac
  PGCLIENTENCODING=$encoding sql -v VERBOSITY=verbose "$@"
}

# Money is printed under lc_monetary C, and what a table computes from it depends on the database's own: a
# row type t holds none, holds some, or computes something as well, and then takes two steps.
money_in="WITH RECURSIVE step(inner_type, outer_type) AS (
    SELECT typelem, oid FROM pg_catalog.pg_type WHERE typelem <> 0
    UNION ALL SELECT typbasetype, oid FROM pg_catalog.pg_type WHERE typbasetype <> 0
    UNION ALL SELECT rngsubtype, rngtypid FROM pg_catalog.pg_range
    UNION ALL SELECT a.atttypid, c.reltype FROM pg_catalog.pg_attribute a
      JOIN pg_catalog.pg_class c ON c.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped),
  holding(type) AS (
    SELECT 'pg_catalog.money'::pg_catalog.regtype::pg_catalog.oid
    UNION SELECT s.outer_type FROM holding h JOIN step s ON s.inner_type = h.type)
  SELECT CASE WHEN t.oid NOT IN (SELECT type FROM holding) THEN 'none'
    WHEN pg_catalog.current_setting('lc_monetary') ~ '^(C|POSIX)([.]|$)' THEN 'plain'
    WHEN c.relkind = 'p' OR c.relispartition
      OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c')
      OR EXISTS (SELECT FROM pg_catalog.pg_attribute g WHERE g.attrelid = c.oid AND g.attgenerated <> '')
    THEN 'computed' ELSE 'plain' END
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_class c ON c.oid = t.typrelid"

without_triggers="DO 'BEGIN
    PERFORM pg_catalog.set_config(''session_replication_role'', ''replica'', false);
  EXCEPTION WHEN insufficient_privilege THEN NULL; END'"

large_object_sql() { # columns, what to do
  PGCLIENTENCODING=$encoding sql -v VERBOSITY=verbose -c "CREATE TEMP TABLE lifeboat ($1)" \
    -c 'COPY pg_temp.lifeboat FROM STDIN' -c "$2"
}

large_object_create() {
  large_object_sql 'object oid, owner text, acl json, comment text' \
    "DO 'BEGIN PERFORM pg_catalog.lo_create(object) FROM pg_temp.lifeboat; END'"
}

large_object_pages() {
  large_object_sql 'object oid, page int8, content bytea' \
    "DO 'BEGIN PERFORM pg_catalog.lo_put(object, page * 1048576, content) FROM pg_temp.lifeboat; END'"
}

large_object_properties() {
  # shellcheck disable=SC2016
  large_object_sql 'object oid, owner text, acl json, comment text' 'DO $do$ DECLARE o record; g record; BEGIN
    FOR o IN SELECT * FROM pg_temp.lifeboat LOOP BEGIN
      IF o.comment IS NOT NULL THEN
        EXECUTE pg_catalog.format($$COMMENT ON LARGE OBJECT %s IS %L$$, o.object, o.comment);
      END IF;
      EXECUTE pg_catalog.format($$ALTER LARGE OBJECT %s OWNER TO %I$$, o.object, o.owner);
      CONTINUE WHEN o.acl IS NULL;
      EXECUTE pg_catalog.format($$REVOKE ALL ON LARGE OBJECT %s FROM PUBLIC, %I$$, o.object, o.owner);
      FOR g IN
        SELECT * FROM pg_catalog.json_to_recordset(o.acl) AS a(grantor text, grantee text, privilege text, grantable bool)
         ORDER BY grantor <> o.owner, NOT grantable
      LOOP
        IF g.grantor <> o.owner THEN EXECUTE pg_catalog.format($$SET ROLE %I$$, g.grantor); END IF;
        EXECUTE pg_catalog.format($$GRANT %s ON LARGE OBJECT %s TO %s%s$$, g.privilege, o.object,
          coalesce(pg_catalog.quote_ident(g.grantee), $$PUBLIC$$), CASE WHEN g.grantable THEN $$ WITH GRANT OPTION$$ END);
        RESET ROLE;
      END LOOP;
    EXCEPTION WHEN deadlock_detected THEN RAISE;
    WHEN OTHERS THEN
      RAISE WARNING USING MESSAGE = pg_catalog.format($$large object %s: %s$$, o.object, SQLERRM);
    END; END LOOP; END $do$'
}

load() { # file with lines of parts
  [[ -s $1 ]] || return 0
  in_parallel load_part "$1"
}

alone() { local jobs=1; load "$1"; }

# Loads what is left, as long as a pass brings at least one part: rows may need those of another table.
load_again() { # how, instead of what the plan says; through a root, and of large objects, it stays
  local before=-1 left
  while left=$(lines "$work/again") && [[ $left -gt 0 && $left -ne $before ]]; do
    before=$left
    awk -F '\t' -v OFS='\t' -v how="${1-again}" '{ if ($2 !~ /^(root|create|pages|properties)$/) $2 = how; print }' "$work/again" >"$work/left"
    : >"$work/again" && : >"$work/lost"
    awk -F '\t' '$2 != "root"' "$work/left" >"$work/chosen"
    load "$work/chosen"
    # Through a root one at a time: in parallel they could lock each other out.
    awk -F '\t' '$2 == "root"' "$work/left" >"$work/chosen"
    alone "$work/chosen"
  done
}

# Takes the CHECKs off the tables that have parts left, and off the domains that their columns are of. What
# was taken off is kept in the target until put_back.
take_off() {
  local oid
  [[ -s $work/again ]] || return 0
  for oid in $(cut -f 1 "$work/again" | sort -u); do
    [[ -s $work/copy.$oid ]] || continue
    PGCLIENTENCODING=$encoding sql -q -c "CREATE TEMP TABLE lifeboat AS SELECT typrelid AS oid FROM pg_catalog.pg_type
      WHERE oid = pg_catalog.pg_typeof(NULL::$(table_of "$work/copy.$oid"))::pg_catalog.oid" -c "$take_checks_off" 2>&1 >/dev/null | sed -n 's/^ERROR/psql: ERROR/p' >>"$work/errors"
  done
}

# shellcheck disable=SC2016
take_checks_off='DO $do$ DECLARE o record; more boolean; BEGIN
  CREATE SCHEMA IF NOT EXISTS lifeboat_restore;
  CREATE TABLE IF NOT EXISTS lifeboat_restore.taken_off
    (n int GENERATED ALWAYS AS IDENTITY, kind text, target text, name text, definition text, comment text);
  LOOP
    more := false;
    FOR o IN WITH RECURSIVE up(oid) AS (
        SELECT oid FROM pg_temp.lifeboat
        UNION SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid),
      used(oid) AS (
        SELECT a.atttypid FROM pg_catalog.pg_attribute a JOIN pg_temp.lifeboat l ON l.oid = a.attrelid
         WHERE a.attnum > 0 AND NOT a.attisdropped
        UNION SELECT part.oid FROM used JOIN pg_catalog.pg_type t ON t.oid = used.oid,
          LATERAL (SELECT t.typbasetype UNION SELECT t.typelem UNION SELECT a.atttypid FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS part(oid)
         WHERE part.oid <> 0)
      SELECT $$TABLE$$ AS kind, n.nspname AS schema, c.relname AS target, k.conname, k.oid
        FROM up JOIN pg_catalog.pg_constraint k ON k.conrelid = up.oid AND k.contype = $$c$$ AND k.coninhcount = 0
        JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE (NOT k.connoinherit OR EXISTS (SELECT FROM pg_temp.lifeboat l WHERE l.oid = k.conrelid))
         AND pg_catalog.pg_get_constraintdef(k.oid) NOT LIKE $$% NOT ENFORCED$$
         AND EXISTS (SELECT FROM pg_catalog.pg_constraint own JOIN pg_temp.lifeboat l ON l.oid = own.conrelid
                      WHERE own.contype = $$c$$ AND own.conname = k.conname)
      UNION ALL
      SELECT $$DOMAIN$$, n.nspname, t.typname, k.conname, k.oid
        FROM used JOIN pg_catalog.pg_constraint k ON k.contypid = used.oid
        JOIN pg_catalog.pg_type t ON t.oid = used.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    LOOP
      INSERT INTO lifeboat_restore.taken_off (kind, target, name, definition, comment) VALUES (o.kind,
        pg_catalog.format($$%I.%I$$, o.schema, o.target), pg_catalog.quote_ident(o.conname),
        pg_catalog.pg_get_constraintdef(o.oid), pg_catalog.obj_description(o.oid, $$pg_constraint$$));
      EXECUTE pg_catalog.format($$ALTER %s %I.%I DROP CONSTRAINT %I$$, o.kind, o.schema, o.target, o.conname);
      more := true;
    END LOOP;
    EXIT WHEN NOT more;
  END LOOP; END $do$'

# Adds them again, the last one first; where rows break one, for new rows alone.
put_back() {
  [[ $(sql -c "SELECT pg_catalog.to_regclass('lifeboat_restore.taken_off')") ]] || return 0
  sql -q -c "$put_checks_back" 2>&1 | sed -n -E 's/^(WARNING|ERROR)/psql: &/p' >>"$work/errors"
}

# shellcheck disable=SC2016
put_checks_back='DO $do$ DECLARE k record; added text; said text; BEGIN
  FOR k IN SELECT * FROM lifeboat_restore.taken_off ORDER BY n DESC LOOP
    added := pg_catalog.format($$ALTER %s %s ADD CONSTRAINT %s %s$$, k.kind, k.target, k.name, k.definition);
    BEGIN EXECUTE added;
    EXCEPTION WHEN OTHERS THEN
      said := SQLERRM;
      BEGIN EXECUTE added || $$ NOT VALID$$;
        RAISE WARNING USING MESSAGE = pg_catalog.format(
          $$%s of %s is NOT VALID: %s; after mending: ALTER %s %s VALIDATE CONSTRAINT %s$$,
          k.name, k.target, said, k.kind, k.target, k.name);
      EXCEPTION WHEN OTHERS THEN
        RAISE WARNING USING MESSAGE = pg_catalog.format($$%s of %s is left out: %s; after mending: %s$$,
          k.name, k.target, said, added);
        CONTINUE;
      END;
    END;
    IF k.comment IS NOT NULL THEN
      EXECUTE pg_catalog.format($$COMMENT ON CONSTRAINT %s ON %s %s IS %L$$, k.name,
        CASE k.kind WHEN $$DOMAIN$$ THEN k.kind END, k.target, k.comment);
    END IF;
  END LOOP;
  DROP TABLE lifeboat_restore.taken_off;
  IF pg_catalog.to_regclass($$lifeboat_restore.lent$$) IS NULL THEN DROP SCHEMA lifeboat_restore; END IF;
END $do$'

large_objects() {
  local how oid
  for how in create:2995 pages:2613 properties:2995; do
    oid=${how#*:} how=${how%:*}
    awk -F '\t' -v OFS='\t' -v oid="$oid" -v how="$how" '$1 == oid { $2 = how; print }' "$work/parts" >"$work/objects"
    load "$work/objects"
  done
}

run_sql() { # name of a file of statements that lifeboat made
  open_object "$1" "$work/$1"
  PGCLIENTENCODING=$names psql -X -q -A -t -d "$target" -f "$work/$1" 2>&1 >/dev/null | sed "s|^psql:$work/|psql:|" >>"$work/errors" ||
    printf 'psql: %s did not run to its end\n' "$1" >>"$work/errors"
}

# Definitions hold money as lc_monetary C prints it. Entries that fail are tried again as long as that helps: what they
# need may have come after them.
restore_schema() { # arguments of pg_restore, with the list of entries in toc.chosen
  local -x PGOPTIONS="$PGOPTIONS -c lc_monetary=C -c quote_all_identifiers=off"
  local failed before
  try_entries "$@"
  cp "$work/said" "$work/reported"
  failed=$(lines "$work/failed")
  while [[ $failed -gt 0 ]]; do
    before=$failed
    awk 'NR == FNR { failed[$1] = 1; next } { id = $1; sub(/;/, "", id) } id in failed' "$work/failed" "$work/toc.chosen" >"$work/toc.again"
    cp "$work/toc.again" "$work/toc.chosen"
    try_entries
    failed=$(lines "$work/failed")
    [[ $failed -lt $before ]] || break
    # What an earlier pass made of an entry is no error.
    grep -vE '^pg_restore: error: could not execute query: ERROR: .* already exists$' "$work/said" >"$work/reported"
  done
  grep '^pg_restore: error: ' "$work/reported" >>"$work/errors"
}

try_entries() { # arguments of pg_restore
  pg_restore -d "$target" --verbose "$@" -L "$work/toc.chosen" "$work/schema.dump" 2>"$work/said"
  # The server only warns where this user may use something and not grant it.
  grep -E '^pg_restore: WARNING:  (no|not all) privileges ' "$work/said" >>"$work/errors"
  # Only with --verbose does it name the entry before each error.
  sed -n -E 's/^pg_restore: from TOC entry ([0-9]+);.*$/\1/p' "$work/said" | sort -u >"$work/failed"
}

# What was left out on request is not made. Foreign keys that refer to such rows are set aside. What hangs on
# either follows it.
choose_entries() {
  awk -F '\t' '$1 == "skip" { print $2, $3, "skip" } $1 == "key" { print 2606, $2, "key" }' "$work/plan" >"$work/special"
  : >"$work/toc" && : >"$work/toc.skip" && : >"$work/toc.key"
  awk -v special="$work/special" -v toc="$work/toc" '
    function put() { if (entry != "") print entry >(toc (how == "" ? "" : "." how)) }
    BEGIN { while ((getline line <special) > 0) { split(line, f, " "); of[f[1] " " f[2]] = f[3] } }
    /^[0-9]+; / {
      put(); entry = $0; id = $1; sub(/;/, "", id)
      how = ($2 " " $3) in of ? of[$2 " " $3] : ""
      if (how != "") ids[id] = how
    }
    /^;\tdepends on: / && entry ~ /^[0-9]+; 0 0 / {
      for (i = 4; i <= NF; i++) if ($i in ids) how = ids[$i]
      if (how != "") ids[id] = how
    }
    END { put() }' "$work/listed"
}

# Rows may break them, which is no error: those bind new rows alone then.
add_keys() {
  local oid label statement id
  grep -v '^[0-9]*; 0 0 ' "$work/toc.key" >"$work/toc.chosen" || return 0
  try_entries
  while IFS=$'\t' read -r _ oid label statement <&3; do
    id=$(awk -v oid="$oid" '$2 == 2606 && $3 == oid { sub(/;/, "", $1); print $1 }' "$work/toc.key")
    [[ $id ]] && grep -q -x "$id" "$work/failed" || continue
    if PGCLIENTENCODING=$names sql -q -c "$(printf '%b' "$statement")" 2>"$work/error"; then
      printf '%b: NOT VALID, binds new rows alone\n' "$label" >>"$work/expected"
    elif grep -q 'cannot add NOT VALID foreign key' "$work/error"; then
      printf '%b: left out\n' "$label" >>"$work/expected"
    else
      sed -n 's/^ERROR/psql: ERROR/p' "$work/error" >>"$work/errors"
    fi
  done 3< <(awk -F '\t' '$1 == "key"' "$work/plan")
  grep '^[0-9]*; 0 0 ' "$work/toc.key" >"$work/toc.chosen" || return 0
  restore_schema
}

# What an index computes from money follows the database's own lc_monetary.
reindex() {
  sql -q -c "DO \$\$DECLARE i pg_catalog.text; BEGIN
    FOR i IN SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index x
        JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'i' AND n.nspname !~ '^pg_' AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL) LOOP
      EXECUTE 'REINDEX INDEX ' || i;
    END LOOP; END\$\$" 2>>"$work/errors"
}

# Some kinds come at their own time: privileges after the data, then publications and subscriptions, event
# triggers last.
list_of() { # a test on the kind, for awk
  awk -v at_end='^[0-9]+; [0-9]+ [0-9]+ ((COMMENT|SECURITY LABEL) - )?EVENT TRIGGER ' \
    -v replication='^[0-9]+; [0-9]+ [0-9]+ ((COMMENT|SECURITY LABEL) - )?(PUBLICATION|SUBSCRIPTION) ' \
    -v acl='^[0-9]+; [0-9]+ [0-9]+ (ACL|ACL LANGUAGE|DEFAULT ACL) ' "$1" "$work/toc" >"$work/toc.chosen"
}

step() { say "$(date +%H:%M:%S)  $*"; }

restore() {
  step 'roles, settings'
  run_sql roles.sql.zst.age
  pin_as_in_source
  step 'schema, before the data'
  get_object schema.dump.age "$work/schema.dump.age"
  age -d "${identities[@]}" -- "$work/schema.dump.age" >"$work/schema.dump" || die "cannot open $object_key"
  pg_restore -l --verbose "$work/schema.dump" >"$work/listed" || die 'pg_restore cannot read the schema'
  choose_entries
  cp "$work/toc" "$work/toc.chosen"
  restore_schema --section=pre-data --no-acl
  money_tables=$(sql -q -c "SELECT pg_catalog.count(*) FROM ($money_in) AS m(money) WHERE money <> 'none'") || exit 1
  step 'rows'
  awk -F '\t' '$1 == "load"' "$work/plan" >"$work/loads"
  in_parallel list_parts "$work/loads"
  cat "$work"/parts.[0-9]* >"$work/parts"
  awk -F '\t' '$2 == "direct" || $2 == "reg"' "$work/parts" >"$work/chosen"
  load "$work/chosen"
  # Through a root one at a time: in parallel they could lock each other out.
  awk -F '\t' '$2 == "root"' "$work/parts" | cat - "$work/rerouted" >"$work/chosen"
  alone "$work/chosen"
  load_again
  take_off
  load_again
  step 'large objects and sequences'
  large_objects
  run_sql after-data.sql.zst.age
  step 'indexes, keys, all else of the schema'
  list_of '$0 !~ at_end && $0 !~ replication'
  restore_schema --section=post-data --no-acl -j "$jobs"
  [[ $money_tables -eq 0 ]] || reindex
  # Rows that name an index come only now; no trigger may fire.
  load_again late
  put_back
  add_keys
  step 'counting rows'
  count
  step 'privileges, materialized views, statistics, owner and limits of the database'
  list_of '$0 ~ acl'
  restore_schema
  list_of '$0 ~ replication'
  restore_schema
  run_sql last.sql.zst.age
  list_of '$0 ~ at_end'
  restore_schema
}

# ---- counting and the last screen ---------------------------------------------------------------

# Where rows had to be moved to other partitions, the partitioned table is counted as a whole.
count() {
  local moved
  moved=$(cut -f 1 "$work/rerouted" | sort -u | tr '\n' ' ')
  awk -F '\t' -v moved="$moved" '
    $1 == "load" { group_of[$2] = $10 }
    $1 == "count" { kept[++n] = $0; kind[n] = $2; group[n] = $3 }
    END {
      split(moved, oids, " ")
      for (i in oids) whole[group_of[oids[i]]] = 1
      for (i = 1; i <= n; i++)
        if (kind[i] == "leaf" ? !(group[i] in whole) : kind[i] != "root" || group[i] in whole) print kept[i]
    }' "$work/plan" >"$work/counts"
  in_parallel count_one "$work/counts"
  cat "$work"/counted.[0-9]* >"$work/counted"
}

count_one() {
  local kind rows label query found
  IFS=$'\t' read -r _ kind _ rows label query <<<"$1"
  found=$(PGCLIENTENCODING=$encoding sql -q -c "$(printf '%b' "$query")" 2>"$work/error.$worker") || found='none'
  printf '%s\t%s\t%s\t%s\n' "$kind" "$rows" "$found" "$label" >>"$work/counted.$worker"
}

lines() { awk 'END { print NR }' "$1"; }

last_screen() {
  local mismatches errors lost kind count shown
  awk -F '\t' '$2 != $3' "$work/counted" >"$work/mismatches"
  mismatches=$(lines "$work/mismatches") lost=$(lines "$work/lost")
  # One error is expected where pg_dump is newer than the target.
  grep -E '^(psql|pg_restore):' "$work/errors" |
    grep -v 'unrecognized configuration parameter "transaction_timeout"' >"$work/left"
  errors=$(lines "$work/left")
  say ''
  [[ $lost -eq 0 ]] || { say "Parts that could not be loaded:"; say "$(cat "$work/lost")"; }
  [[ $errors -eq 0 ]] || { say 'Errors that are left:'; say "$(cat "$work/left")"; }
  [[ $mismatches -eq 0 ]] || say "$(awk -F '\t' '{
    printf "MISMATCH  %s: exported were %s rows, found are %s\n", $4, $2, $3 }' "$work/mismatches")"
  [[ ! -s $work/expected ]] || {
    say 'Foreign keys whose other rows are not in this backup, on request (no error):'
    say "$(cat "$work/expected")"
  }
  say "restored       $(counted "$(number_of_tables)" table tables), $(awk -F '\t' '$1 != "large-objects" { n += $3 } END { printf "%.0f", n }' "$work/counted") rows," \
    "$(awk -F '\t' '$1 == "large-objects" { print $3 }' "$work/counted") large objects"
  say "from           $(field id), as of $(field snapshot_at)"
  say "signature      $signature_is"
  say "mismatches     $mismatches (and $(counted "$lost" part parts) not loaded)"
  say "errors left    $errors"
  say "time           $((SECONDS / 60)) min $((SECONDS % 60)) s"
  awk -F '\t' '$1 == "left-out" { print $2 "\t" $3 "\t" $4 }' "$work/plan" >"$work/left_out"
  while IFS=$'\t' read -r kind count shown <&3; do
    say "left out       on request: $kind: $count ($(printf '%b' "$shown"))"
  done 3<"$work/left_out"
  say 'not carried    passwords of roles, and what RESTORE.md lists'
  [[ $mismatches -eq 0 && $lost -eq 0 ]] || return 1
  [[ $errors -eq 0 && $signature_is != NOT* ]] || return 3
}

counted() { # number, one, many
  if [[ $1 == 1 ]]; then printf '1 %s' "$2"; else printf '%s %s' "$1" "$3"; fi
}

number_of_tables() {
  awk '{ rest = substr($0, index($0, "],\"tables\":["))
    objects = (rest ~ /\{"oid":2613,/) + (rest ~ /\{"oid":2995,/)
    print gsub(/\{"oid":/, "", rest) - objects }' "$work/body"
}

leave() {
  local job
  for job in $(jobs -p); do kill "$job" 2>/dev/null; done
  rm -rf -- "$work"
}

main() {
  [[ ${BASH_VERSINFO[0]} -ge 4 ]] || die "bash $BASH_VERSION is too old: 4 or newer is needed" "$on_macos"
  options "$@"
  open_repository
  work=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-restore.XXXXXX") || exit 1
  trap leave EXIT
  trap 'exit 130' INT TERM
  : >"$work/errors" && : >"$work/expected" && : >"$work/lost" && : >"$work/rerouted" && : >"$work/again"
  open_manifest
  open_object plan.tsv.zst.age "$work/plan"
  encoding=$(awk -F '\t' '$1 == "plan" && $2 == 1 { print $3 }' "$work/plan")
  [[ $encoding ]] || die 'the plan is of another version than this script'
  create_database=$(awk -F '\t' '$1 == "plan" { print $4 }' "$work/plan")
  names=$(awk -F '\t' '$1 == "plan" { print $5 }' "$work/plan")
  create_database=$(printf '%b' "$create_database")
  say "restore point  $(field id), as of $(field snapshot_at), PostgreSQL $(field server_version)"
  say "signature      $signature_is"
  check_target
  restore
  last_screen
}

main "$@"
