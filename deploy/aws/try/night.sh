# shellcheck shell=bash
# Sourced by ../try.sh: a database, a repository, one nightly and one prove, as docs/accounts.md has them.

read_outputs() {
    SNAPSHOT_KEY=$(output backup lifeboat-backup SnapshotKeyArn)
    IDENTITY_KEY=$(output backup lifeboat-backup IdentityKeyArn)
    ATTESTATION_KEY=$(output backup lifeboat-backup AttestationKeyArn)
    SIGNING_KEY=$(output source lifeboat-source SigningKeyArn)
    PRODUCTION_KEY=$(output source lifeboat-try ProductionKeyArn)
    GROUP_IN=$(output backup lifeboat-try SecurityGroupId)
}

# The endpoint of an instance, as HOST and PORT.
endpoint() {
    HOST=$(value HOST "$1" rds describe-db-instances --db-instance-identifier "$2" \
        --query 'DBInstances[0].Endpoint.Address')
    PORT=$(value PORT "$1" rds describe-db-instances --db-instance-identifier "$2" \
        --query 'DBInstances[0].Endpoint.Port')
}

# Rows to export. Of an instance that was given, nothing is changed.
load() {
    [ -z "$TAKEN" ] || return 0
    if [ -n "$DRY" ] || [ -z "$(sql postgres "SELECT 1 FROM pg_database WHERE datname = '$DATABASE'")" ]; then
        sql postgres "CREATE DATABASE $DATABASE"
    fi
    sql "$DATABASE" "CREATE TABLE IF NOT EXISTS answer AS SELECT i AS id, 'student ' || i % 97 AS student
        FROM generate_series(1, 5000) i"
}

# ---------------------------------------------------------------- once

initialise() {
    [ -n "$DRY" ] || mkdir -p "$STATE/source" "$STATE/backup" "$STATE/offline"
    become break-glass
    if [ -n "$DRY" ] || [ ! -e "$STATE/source/lifeboat.toml" ]; then
        lifeboat_as break-glass source init --repository "s3://$BUCKET/prod" --region "$REGION" \
            --bucket-owner "$BACKUP" --source-url "postgresql://$DATABASE_USER@$HOST:$PORT/$DATABASE" \
            --config lifeboat.toml --keys-dir ../offline --lock governance --days 1
    fi
}

wrap_identity() { lifeboat_as break-glass source keys add --kms "$IDENTITY_KEY"; }

# Who has only the printed sheet believes the keys in KMS, too.
announce() {
    public_key source "$SIGNING_KEY" signing
    public_key prove "$ATTESTATION_KEY" attestation
    lifeboat_as break-glass source keys announce ../signing.pem --by ../offline/manifest-signing.pem
    lifeboat_as break-glass source keys announce ../attestation.pem --by ../offline/manifest-signing.pem
}

public_key() {
    local text
    text=$(value "PUBLIC KEY" "$1" kms get-public-key --key-id "$2" --query PublicKey)
    [ -z "$DRY" ] || return 0
    base64 -d <<<"$text" >"$STATE/$3.der"
    openssl pkey -pubin -inform DER -in "$STATE/$3.der" -out "$STATE/$3.pem"
}

fingerprint() { sha256sum <"$STATE/$1.der" | cut -d' ' -f1; }

configure() {
    [ -z "$DRY" ] || return 0
    local poll
    poll=$(awk -v seconds="$POLL" 'BEGIN { printf "%dms", seconds * 1000 }')
    sed -i -e "s|^trust = .*|trust = [\"$(fingerprint signing)\"]|" \
        -e "s|^signing_key = .*|signing_key = \"$SIGNING_KEY\"|" \
        -e '/^\[\[source\]\]/,$ s|^name = .*|name = "try"|' -e '${/^$/d;}' "$STATE/source/lifeboat.toml"
    cat >>"$STATE/source/lifeboat.toml" <<TOML
instance = "$INSTANCE"

[source_account]
id = "$SOURCE"
region = "$REGION"
expire_role_arn = "arn:$PARTITION:iam::$SOURCE:role/lifeboat-nightly-expire"

[backup_account]
id = "$BACKUP"
region = "$REGION"
role_arn = "arn:$PARTITION:iam::$BACKUP:role/lifeboat-exporter"
snapshot_role_arn = "arn:$PARTITION:iam::$BACKUP:role/lifeboat-snapshot"
external_id = "$EXTERNAL_ID"

[snapshot]
kms_key = "$SNAPSHOT_KEY"
poll = "$poll"
TOML
    cat >"$STATE/backup/lifeboat.toml" <<TOML
[repository]
url = "s3://$BUCKET/prod"
trust = ["$(fingerprint signing)", "$(fingerprint attestation)"]

[backup_account]
id = "$BACKUP"
region = "$REGION"

[keys]
signing_key = "$ATTESTATION_KEY"

[lock]
mode = "governance"
daily_days = 1
${WEAK_WALL:+
[drill]
weak_wall = true
}
TOML
}

# ---------------------------------------------------------------- every night

nightly() {
    note made "snapshots source"
    note made "snapshots backup"
    become_anew nightly
    run_once nightly nightly source 'exported, copied the snapshot, verified'
}

prove() {
    become_anew prove
    run_once prove prove backup 'verified every byte, drilled, attested'
}

only_the_short_lock() {
    [ "$(grep -c '^finding: ' "$1")" = 1 ] && grep -q '^finding: .*the lock of the newest export, .*, ends in ' "$1"
}

# run_once COMMAND ROLE FOLDER TEXT: its exit code is the answer, and what it printed stays in the state folder.
run_once() {
    local status=0
    if [ -n "$DRY" ]; then
        lifeboat_as "$2" "$3" "$1" --quiet
        return
    fi
    lifeboat_as "$2" "$3" "$1" --quiet >"$STATE/$1.log" 2>&1 || status=$?
    if [ "$status" = 0 ]; then
        answer "$1" yes "exit code 0: $4"
    elif [ "$status" = 3 ] && only_the_short_lock "$STATE/$1.log"; then
        answer "$1" yes "exit code 3, for a lock of one day ends soon, which is its only finding: $4"
    else
        answer "$1" no "exit code $status: $(grep -iE 'error|failed|finding|critical' "$STATE/$1.log" | head -n 5)"
    fi
}
