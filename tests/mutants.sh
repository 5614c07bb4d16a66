#!/usr/bin/env bash
# Changes the code that decides, one mutant after the other, and tells which no unit test notices.
#
#     cargo install cargo-mutants
#     bash tests/mutants.sh                          # all of AREAS below
#     bash tests/mutants.sh codec::chunk src/codec/chunk.rs   # tests whose names hold the first word, mutants of the files
#
# A mutant of the whole crate takes minutes: this builds target/mutants/crate, which has the modules of
# tests/mutants/lib.rs alone. target/mutants/TESTS/mutants.out holds what was found, .cargo/mutants.toml what is no finding.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The tests that must notice, and the files that are changed.
AREAS='codec::chunk src/codec/chunk.rs
codec:: src/codec/open.rs src/codec/seal.rs src/codec/reuse_key.rs
sign:: src/sign.rs
model:: src/model/digest.rs src/model/rows.rs src/model/table_digest.rs src/model/table_change.rs
repository::part_list src/repository/part_list.rs
promote:: src/promote/tiers.rs src/promote/claims.rs
snapshot:: src/snapshot/expire/keep.rs
diff:: src/diff/columns.rs src/diff/digests.rs src/diff/spill.rs'

# What the light crate does without; Cargo.lock says the versions of all else.
DROP='aws-|clap|hyper|rustls|tokio-|toml|ureq|whoami|x509|roxml|seccomp|socket2|backon|rcgen|syn|proc-macro2'
crate=target/mutants/crate
rm -rf "$crate"
mkdir -p "$crate/tests"
cp -r src .cargo Cargo.lock clippy.toml "$crate/"
cp -r tests/corpora "$crate/tests/"
cp tests/mutants/lib.rs "$crate/src/lib.rs"
rm -r "$crate/src/main.rs" "$crate"/src/store/{s3,s3.rs,location.rs}
sed -i '/mod location;\|mod s3;/d' "$crate/src/store.rs"
sed -i '/mod runbook;/d' "$crate/src/repository.rs"
sed -E "/^($DROP)/d; /^\[\[test/,/^\$/d; /^# Large/,/^\$/d; /^# The package/,\$d" Cargo.toml >"$crate/Cargo.toml"
printf '[lib]\ndoctest = false\n[workspace]\n' >>"$crate/Cargo.toml"

# Chunks are found in tens of megabytes: without any optimisation a test of them takes longer than its build.
export CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=false CARGO_TARGET_DIR=$PWD/target/mutants/build
[ $# -eq 0 ] || AREAS="$*"
failed=0
while read -r tests files; do
    # shellcheck disable=SC2046,SC2086 # names of files hold no spaces
    cargo mutants --dir "$crate" --in-place --output "target/mutants/${tests//:/}" --timeout 120 --baseline skip \
        $(printf -- '-f %s ' $files) -- --lib "$tests" </dev/null || failed=$?
done <<<"$AREAS"
exit "$failed"
