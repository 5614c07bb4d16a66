#!/usr/bin/env bash
# The night of an outage, played on this machine: `terraform destroy` takes a course platform's database and all its
# snapshots, with all rights that production has. It took 24 hours and luck to get 1,943,200 answers back. Here lifeboat
# has been at work the nights before.
#
#   incident.sh [--keep]
#
#   --keep  leaves servers and files for a look around; the next run begins anew
#
# Needs Debian or Ubuntu, and Rust. LIFEBOAT_BIN names a built binary; else one is built.
# Ports: the first free ones from 16415 (PostgreSQL) and 16460 (the imitation of AWS) on.
set -euo pipefail

# shellcheck source=deploy/local/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
readonly INCIDENT=$LOCAL/incident

# ---------------------------------------------------------------- the nights before

world() {
    headline 'A course platform, and two AWS accounts'
    try_the_wall
    begin_accounts
    load_database
    end_accounts
    SCHEDULED=$WORK/source
    PROVING=$WORK/backup
    mkdir "$SCHEDULED" "$PROVING"
    say "Production is account $SOURCE_ACCOUNT. The backups go to account $BACKUP_ACCOUNT, which has nothing else in it."
    say 'Buckets, keys, roles and policies are made from deploy/aws/source-account.yaml and backup-account.yaml, in an'
    say 'imitation of AWS that judges each call by them. Rows are in a real PostgreSQL; RDS instance prod, which stands for'
    say 'it in AWS, has states, keys and snapshots, and no rows.'
}

# Only a try shows whether bubblewrap may make namespaces here, as the user that drills get.
try_the_wall() {
    local as_nobody=()
    DRILL_SETTINGS=
    [ "$(id -u)" != 0 ] || as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    (cd / && "${as_nobody[@]}" bwrap --unshare-all --cap-drop ALL --ro-bind / / --proc /proc --dev /dev /usr/bin/true) \
        2>wall.log && return
    DRILL_SETTINGS=$'\n[drill]\nweak_wall = true\n'
    say "${BOLD}This machine allows no namespaces$PLAIN: $(tail -n 1 wall.log)"
    say "So prove's drill, further down, runs behind a weaker wall: weak_wall = true in its lifeboat.toml, as by --weak-wall."
    say 'Here that harms nobody: the backup is of a database that this script made.'
    echo
}

# shellcheck disable=SC2016 # `run` shows the line as it stands, and evaluates it
initialise() {
    headline 'Once: break-glass makes a repository, and says whose keys count'
    say "BUCKET=$BUCKET REGION=$REGION SOURCE=$SOURCE"
    say "IDENTITY_KEY=$IDENTITY_KEY"
    say "ATTESTATION_KEY=$ATTESTATION_KEY"
    say "SIGNING_KEY=$SIGNING_KEY"
    echo
    cd "$SCHEDULED"
    run break-glass 'lifeboat init --repository s3://$BUCKET/prod --region $REGION --source-url $SOURCE \
    --config lifeboat.toml --keys-dir ../offline'
    run break-glass 'lifeboat keys add --kms $IDENTITY_KEY'
    say "KMS signs from here on, manifests in production's account and drills in the other. Who has only the printed sheet"
    say 'believes both keys, because the one on the sheet announces them:'
    run production 'aws kms get-public-key --key-id $SIGNING_KEY --query PublicKey --output text | base64 -d >signing.der'
    openssl pkey -pubin -inform DER -in signing.der -out signing.pem
    run break-glass 'lifeboat keys announce signing.pem --by ../offline/manifest-signing.pem'
    run break-glass 'lifeboat keys announce $ATTESTATION_KEY --by ../offline/manifest-signing.pem'
    configure
    cd "$WORK"
    say 'The sheet is printed, and put into a safe with the keys:'
    (cd offline && printf '      %s\n' ./*)
    echo
    say 'What the configuration of production names besides, source/lifeboat.toml:'
    sed -n '/^instance/,$ s/^/      /p' "$SCHEDULED/lifeboat.toml"
}

# Both accounts' configurations, as docs/accounts.md has them.
configure() {
    local signing attestation
    TRUST=$(sed -n 's/^trust = \["\([0-9a-f]*\)"\]$/\1/p' lifeboat.toml)
    [ -n "$TRUST" ] || fail 'lifeboat.toml pins no verification key'
    signing=$(sha256sum <signing.der | cut -d' ' -f1)
    attestation=$(as prove aws kms get-public-key --key-id "$ATTESTATION_KEY" --query PublicKey --output text |
        base64 -d | sha256sum | cut -d' ' -f1)
    sed -i -e "s|^trust = .*|trust = [\"$signing\"]|" -e "s|^signing_key = .*|signing_key = \"$SIGNING_KEY\"|" \
        -e '/^\[\[source\]\]/,$ s|^name = .*|name = "prod"|' -e '${/^$/d;}' lifeboat.toml
    cat >>lifeboat.toml <<TOML
instance = "prod"

[source_account]
id = "$SOURCE_ACCOUNT"
region = "$REGION"
expire_role_arn = "arn:aws:iam::$SOURCE_ACCOUNT:role/lifeboat-nightly-expire"

[backup_account]
id = "$BACKUP_ACCOUNT"
region = "$REGION"
role_arn = "arn:aws:iam::$BACKUP_ACCOUNT:role/lifeboat-exporter"
snapshot_role_arn = "arn:aws:iam::$BACKUP_ACCOUNT:role/lifeboat-snapshot"
external_id = "$EXTERNAL_ID"

[snapshot]
kms_key = "$SNAPSHOT_KEY"
expire = true
poll = "200ms"      # an imitation takes no half hours
TOML
    cat >"$PROVING/lifeboat.toml" <<TOML
[repository]
url = "$REPOSITORY"
trust = ["$signing", "$attestation"]

[backup_account]
id = "$BACKUP_ACCOUNT"
region = "$REGION"

[keys]
signing_key = "$ATTESTATION_KEY"

[lock]
daily_days = 35
weekly_days = 60
monthly_days = 190

[snapshot]
poll = "200ms"

[[source]]
name = "prod"
url = "$SOURCE"
databases = ["courses"]
instance = "prod"
$DRILL_SETTINGS
[[drill.assert]]
name = "the answers are there"
sql = "SELECT count(*) FROM courses_answer"
at_least = $ROWS
TOML
}

nightly() {
    headline 'At night, in production: export, copy the snapshot, verify'
    cd "$SCHEDULED"
    say 'The role lifeboat-nightly becomes lifeboat-exporter and lifeboat-snapshot in the other account.'
    run nightly 'lifeboat nightly'
    SNAPSHOT_AT=$(as nightly lifeboat list --json | field .result.points.-1.snapshot_at)
    cd "$WORK"
}

prove() {
    headline 'An hour later, in the backup account: verify every byte, drill, promote, say how things stand'
    cd "$PROVING"
    say 'The drill is a restore into a PostgreSQL of its own, which KMS opens the backup for, and which goes afterwards.'
    run prove 'lifeboat prove'
    cd "$WORK"
}

# ---------------------------------------------------------------- the evening

evening() {
    headline 'Until the evening, students go on'
    show_command postgres 'psql -f deploy/local/incident/evening.sql'
    sql courses -f "$INCIDENT/evening.sql"
    ANSWERS=$(count courses_answer)
    SUBMISSIONS=$(count courses_submission)
    say "courses_answer: $(thousands "$ANSWERS") rows"
}

# shellcheck disable=SC2016
gate() {
    headline 'terraform plan, with the wrong state: it would destroy everything'
    PLAN=$INCIDENT/plan.json
    say "PLAN=deploy/local/incident/plan.json, from: terraform plan -destroy -out it; terraform show -json it >plan.json"
    sed -n 's/^ *"address": "\(.*\)",$/\1/p' "$PLAN" | sed 's/^/      - destroy /'
    echo
    cd "$SCHEDULED"
    run agent 'lifeboat doctor --plan $PLAN' 3
    cd "$WORK"
    say "${BOLD}Exit code 3. In a pipeline, this is where it could have ended.$PLAIN But it is applied by hand, unread."
}

# shellcheck disable=SC2016
destroy() {
    headline 'terraform destroy, with all rights in production'
    say "DATABASE_KEY=$DATABASE_KEY"
    echo
    run production 'aws rds describe-db-snapshots --db-instance-identifier prod --output text --query "DBSnapshots[].DBSnapshotIdentifier"'
    run production 'aws rds delete-db-instance --db-instance-identifier prod --skip-final-snapshot --delete-automated-backups \
    --output text --query DBInstance.DBInstanceStatus'
    destroy_the_server
    DESTROYED_AT=$(date -u +%s)
    ! sql postgres -c 'SELECT' 2>/dev/null || fail 'the server still answers'
    echo
    run production 'aws kms disable-key --key-id $DATABASE_KEY'
    run production 'aws kms disable-key --key-id $SIGNING_KEY'
    run production 'aws rds describe-db-instances --output text --query "length(DBInstances)"'
    run production 'aws rds describe-db-snapshots --output text --query "length(DBSnapshots)"'
    [ "$(as production aws rds describe-db-snapshots --output text --query 'length(DBSnapshots)')" = 0 ] ||
        fail 'production still has a snapshot'
    say "No instance, no snapshot, no key. $(thousands "$ANSWERS") answers are gone."
}

# shellcheck disable=SC2016
attack() {
    headline 'And the backups, with the same rights?'
    choose_targets
    COPY=$(as prove aws rds describe-db-snapshots --snapshot-type manual --output text \
        --query 'DBSnapshots[0].DBSnapshotArn')
    say "COPY=$COPY"
    say "SNAPSHOT_KEY=$SNAPSHOT_KEY EXTERNAL_ID=$EXTERNAL_ID"
    echo
    must_refuse production "delete the manifest's version" \
        'aws s3api delete-object --bucket $BUCKET --key $MANIFEST --version-id $VERSION'
    must_refuse production 'delete the version of a part' \
        'aws s3api delete-object --bucket $BUCKET --key $PART --version-id $PART_VERSION'
    must_refuse production 'shorten the lock' \
        'aws s3api put-object-retention --bucket $BUCKET --key $MANIFEST --version-id $VERSION \
    --retention Mode=COMPLIANCE,RetainUntilDate=$TOMORROW'
    must_refuse production 'delete the bucket policy' \
        'aws s3api delete-bucket-policy --bucket $BUCKET'
    must_refuse production 'delete the bucket' \
        'aws s3api delete-bucket --bucket $BUCKET'
    must_refuse production 'delete the key that keeps the identity' \
        'aws kms schedule-key-deletion --key-id $IDENTITY_KEY --pending-window-in-days 7'
    must_refuse production 'disable the key of the copies' \
        'aws kms disable-key --key-id $SNAPSHOT_KEY'
    must_refuse production 'delete the snapshot copy' \
        'aws rds delete-db-snapshot --db-snapshot-identifier $COPY'
    must_refuse production 'take the copy over' \
        'aws rds modify-db-snapshot-attribute --db-snapshot-identifier $COPY --attribute-name restore \
    --values-to-add $SOURCE_ACCOUNT'
    for role in expire restore break-glass; do
        must_refuse production "become lifeboat-$role" \
            "aws sts assume-role --role-arn arn:aws:iam::$BACKUP_ACCOUNT:role/lifeboat-$role --role-session-name thief"
    done
    echo
    attack_as_exporter
    nothing_has_changed
}

# Production can become the two roles that its own nightly becomes; that is what it has in the backup account.
# shellcheck disable=SC2016
attack_as_exporter() {
    say 'Production owns the role lifeboat-nightly: it lets itself in, and from there becomes the exporter.'
    TRUSTING='{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "'$SOURCE_ACCOUNT'"}, "Action": "sts:AssumeRole"}]}'
    say "TRUSTING=$TRUSTING"
    run production 'aws iam update-assume-role-policy --role-name lifeboat-nightly --policy-document "$TRUSTING"'
    become production "arn:aws:iam::$SOURCE_ACCOUNT:role/lifeboat-nightly" thief-nightly
    become thief-nightly "arn:aws:iam::$BACKUP_ACCOUNT:role/lifeboat-exporter" thief-exporter --external-id "$EXTERNAL_ID"
    echo
    must_refuse thief-exporter "delete the manifest's version" \
        'aws s3api delete-object --bucket $BUCKET --key $MANIFEST --version-id $VERSION'
    must_refuse thief-exporter 'hide it behind a delete marker' \
        'aws s3api delete-object --bucket $BUCKET --key $MANIFEST'
    must_refuse thief-exporter 'overwrite it' \
        'aws s3api put-object --bucket $BUCKET --key $MANIFEST --body before.txt'
    must_refuse thief-exporter 'read rows' \
        'aws s3api get-object --bucket $BUCKET --key $PART --version-id $PART_VERSION stolen'
    echo
}

# become NAME ROLE NEW [OPTION...]: NAME assumes a role; its credentials are the profile NEW.
become() {
    local made
    show_command "$1" "aws sts assume-role --role-arn $2 --role-session-name thief ${*:4} # $3"
    made=$(as "$1" aws sts assume-role --role-arn "$2" --role-session-name thief "${@:4}" --output text \
        --query 'Credentials.[AccessKeyId, SecretAccessKey, SessionToken]') || fail "$1 could not become $2"
    printf '[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n' "$3" \
        "$(cut -f1 <<<"$made")" "$(cut -f2 <<<"$made")" "$(cut -f3 <<<"$made")" >>"$CREDENTIALS"
}

# ---------------------------------------------------------------- the runbook

# from_page FILE PATTERN: a command of a page, with the lines that continue it, on one line.
from_page() {
    sed -n -e "/^ *$2/{:a;/\\\\\$/{N;s/ *\\\\\\n */ /;ba};s/^ *//p;q}" "$1"
}

# shellcheck disable=SC2016
runbook() {
    local command
    headline 'The runbook: a bare machine, the break-glass sheet, and a person with MFA who becomes lifeboat-restore'
    RUNBOOK_BEGAN=$(now)
    cd offline
    sed -n '/^1\. /,$ {/^[0-9]\. /s/^/      /p}' break-glass-sheet.md
    echo
    say 'Step 1:'
    STOLEN=$(sed -n '/^\[production\]/,/^\[/ s/^aws_access_key_id = //p' "$CREDENTIALS")
    say "STOLEN=$STOLEN"
    run production-root 'aws iam update-access-key --user-name administrator --access-key-id $STOLEN --status Inactive'
    ! as production aws sts get-caller-identity >/dev/null 2>&1 || fail "production's key still serves"
    say 'Step 2:'
    command=$(from_page break-glass-sheet.md 'lifeboat list')
    run restore "$command"
    ID=$(as restore eval "$command --json --quiet" | field .result.points.-1.id)
    command=$(from_page break-glass-sheet.md 'lifeboat hold')
    run restore "${command/ ID / $ID }"

    say 'Step 5, by RESTORE.md of that point, which lies beside its data and says more:'
    RUNBOOK=prod/parts/prod/courses/$ID/RESTORE.md
    VERSION=$(as restore aws s3api list-object-versions --bucket "$BUCKET" --prefix "$RUNBOOK" --output text \
        --query 'Versions[0].VersionId')
    say "RUNBOOK=$RUNBOOK VERSION=$VERSION"
    run restore 'aws s3api get-object --bucket $BUCKET --key $RUNBOOK --version-id $VERSION RESTORE.md >/dev/null'
    sed -n '/^| /p' RESTORE.md | sed -n '1,/^| lock/ s/^/      /p'
    echo
    new_server
    echo
    say 'Its restore command, with the key of the sheet and without --identity: KMS opens for lifeboat-restore.'
    command=$(from_page RESTORE.md 'lifeboat restore')
    command=${command/KEY_ON_THE_SHEET/$(sed -n 's/^| verification key .*| `\(.*\)` |$/\1/p' break-glass-sheet.md)}
    command=${command/ --identity break-glass.key/}
    run restore "${command/postgresql:\/\/USER@HOST\/DATABASE/$SERVER/courses}"
    cd ..
    RESTORED=$(count courses_answer)
    ROWS_SECONDS=$(since "$RUNBOOK_BEGAN")
    show_command postgres 'psql -c "SELECT count(*) FROM courses_answer"'
    say "$(thousands "$RESTORED")"
    echo
    compare_database
    say "All $(wc -l <before.txt) sums are those of the export: tables, sequences, large objects, owners, indexes, constraints."
}

instance() {
    local address
    headline 'And the whole instance, from the snapshot copy: with its class, storage and parameters'
    say "With the backup account's own configuration, which prove uses:"
    cd "$PROVING"
    run restore 'lifeboat snapshot restore latest --as prod-again'
    cd "$WORK"
    run restore 'aws rds describe-db-instances --db-instance-identifier prod-again --output text \
    --query "DBInstances[0].[DBInstanceStatus, Endpoint.Address, KmsKeyId]"'
    address=$(as restore aws rds describe-db-instances --db-instance-identifier prod-again --output text \
        --query 'DBInstances[0].[DBInstanceStatus, KmsKeyId]')
    [ "$address" = "available"$'\t'"$SNAPSHOT_KEY" ] || fail "prod-again is not available under the backup account's key: $address"
    RUNBOOK_SECONDS=$(since "$RUNBOOK_BEGAN")
    imitation_knew_all
}

summary() {
    local lost_answers lost_submissions
    lost_answers=$((ANSWERS - RESTORED))
    lost_submissions=$((SUBMISSIONS - $(count courses_submission)))
    [ "$RESTORED" = "$ROWS" ] || fail "courses_answer has $RESTORED rows, not the $ROWS of the export"
    headline 'That night, and this one'
    row '' 'February 2026' 'here'
    row 'database and its snapshots' 'destroyed' 'destroyed'
    row 'attempts on the backups' '-' "$REFUSED, all refused"
    row 'answers before' '-' "$(thousands "$ANSWERS")"
    row 'answers back' '1,943,200' "$(thousands "$RESTORED")"
    row 'lost since the last export' 'not told' \
        "$(thousands "$lost_answers") answers, $(thousands "$lost_submissions") submissions; $((DESTROYED_AT - $(date -ud "$SNAPSHOT_AT" +%s))) s of work"
    row 'from the first command to the rows' '24 hours, by luck' "$ROWS_SECONDS s"
    row 'and to the instance of the copy' '-' "$RUNBOOK_SECONDS s"
    echo
    say 'What is lost is what came after the last export: at most a day of a database that is exported every night.'
    say 'RDS itself takes longer than its imitation to bring up an instance.'
    say "This page took $(since "$BEGAN") s after build and installation."
    echo
}

row() { printf '   %-36s %-20s %s\n' "$@"; }

main() {
    begin "$@"
    world
    initialise
    nightly
    prove
    evening
    gate
    destroy
    attack
    runbook
    instance
    summary
}

main "$@"
