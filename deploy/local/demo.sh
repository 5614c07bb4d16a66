#!/usr/bin/env bash
# lifeboat's whole job on this machine, in a minute: a course platform's database is exported into a bucket with Object
# Lock in another account, the backup is attacked, the database server is destroyed, and the data comes back.
# incident.sh tells the whole story: every night's work, snapshot copies, the plan gate, the runbook.
#
#   demo.sh [--keep]
#
#   --keep  leaves servers and files for a look around; the next run begins anew
#
# Needs Debian or Ubuntu, and Rust. LIFEBOAT_BIN names a built binary; else one is built.
# Ports: the first free ones from 16415 (PostgreSQL) and 16460 (the imitation of AWS) on.
set -euo pipefail

# shellcheck source=deploy/local/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

load() {
    local began
    headline "A course platform's database, and two AWS accounts"
    began=$(now)
    begin_accounts
    load_database
    end_accounts
    LOAD_SECONDS=$(since "$began")
    say "An imitation of AWS holds production's account $SOURCE_ACCOUNT and the backup account $BACKUP_ACCOUNT."
    say 'Bucket, keys, roles and policies are those of deploy/aws/backup-account.yaml and source-account.yaml.'
}

# shellcheck disable=SC2016 # `run` shows the line as it stands, and evaluates it
initialise() {
    headline 'Once, as break-glass: a repository, and who can open it'
    say "BUCKET=$BUCKET REGION=$REGION"
    say "SOURCE=$SOURCE"
    say "IDENTITY_KEY=$IDENTITY_KEY"
    echo
    run break-glass 'lifeboat init --repository s3://$BUCKET/prod --region $REGION --source-url $SOURCE \
    --config lifeboat.toml'
    say 'A second identity, kept by KMS in the backup account, so that no single loss is final:'
    run break-glass 'lifeboat keys add --kms $IDENTITY_KEY'
    say 'The identity that opens the backups does not stay on the machine that makes them:'
    run break-glass 'mv break-glass.key break-glass-sheet.md offline/'
    TRUST=$(sed -n 's/^trust = \["\([0-9a-f]*\)"\]$/\1/p' lifeboat.toml)
    [ -n "$TRUST" ] || fail 'lifeboat.toml pins no verification key'
    sed -n 's/^wrapped = "\(.*\)"$/\1/p' lifeboat.toml | base64 -d >wrapped
}

export_it() {
    local began
    headline 'Every night: each table at one moment, sealed, checksummed, locked'
    began=$(now)
    run exporter 'lifeboat export'
    EXPORT_SECONDS=$(since "$began")
    run exporter 'lifeboat list'
    say 'In the backup account, where KMS opens it: every byte and every row again.'
    began=$(now)
    run prove 'lifeboat verify latest --data'
    VERIFY_SECONDS=$(since "$began")
    ID=$(as exporter lifeboat list --json | field .result.points.-1.id)
}

# shellcheck disable=SC2016 # `must_refuse` shows the line as it stands, and evaluates it
attack() {
    headline "A thief has the exporter's credentials, and they work: they can list"
    choose_targets
    run exporter 'aws s3api list-object-versions --bucket $BUCKET --output text --query "length(Versions)" |
    sed "s/\$/ versions/"'
    destroy exporter
    must_refuse exporter 'weaken the lock to governance mode' \
        'aws s3api put-object-retention --bucket $BUCKET --key $MANIFEST --version-id $VERSION \
    --retention Mode=GOVERNANCE,RetainUntilDate=$TOMORROW --bypass-governance-retention'
    must_refuse exporter 'read rows' \
        'aws s3api get-object --bucket $BUCKET --key $PART --version-id $PART_VERSION stolen'
    must_refuse exporter 'open an identity' \
        'aws kms decrypt --key-id $IDENTITY_KEY --ciphertext-blob fileb://wrapped'

    headline 'Somebody has all rights in the account of the database'
    destroy production
    must_refuse production 'let a lifecycle rule expire everything' \
        'aws s3api put-bucket-lifecycle-configuration --bucket $BUCKET --lifecycle-configuration \
    '"'"'{"Rules": [{"ID": "x", "Status": "Enabled", "Prefix": "", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]}'"'"
    must_refuse production 'disable the key that keeps the identity' \
        'aws kms disable-key --key-id $IDENTITY_KEY'
    must_refuse production 'become who restores' \
        'aws sts assume-role --role-arn arn:aws:iam::$BACKUP_ACCOUNT:role/lifeboat-restore --role-session-name thief'

    headline "Even the backup account's own administrator"
    must_refuse backup-admin "delete the manifest's version" \
        'aws s3api delete-object --bucket $BUCKET --key $MANIFEST --version-id $VERSION'
    must_refuse backup-admin 'delete the bucket policy' \
        'aws s3api delete-bucket-policy --bucket $BUCKET'
    echo
    nothing_has_changed
    imitation_knew_all
}

# destroy NAME: the calls that must fail whoever makes them.
# shellcheck disable=SC2016
destroy() {
    must_refuse "$1" "delete the manifest's version" \
        'aws s3api delete-object --bucket $BUCKET --key $MANIFEST --version-id $VERSION'
    must_refuse "$1" 'hide it behind a delete marker' \
        'aws s3api delete-object --bucket $BUCKET --key $MANIFEST'
    must_refuse "$1" 'overwrite it' \
        'aws s3api put-object --bucket $BUCKET --key $MANIFEST --body before.txt'
    must_refuse "$1" 'delete the version of a part' \
        'aws s3api delete-object --bucket $BUCKET --key $PART --version-id $PART_VERSION'
    must_refuse "$1" 'shorten the lock' \
        'aws s3api put-object-retention --bucket $BUCKET --key $MANIFEST --version-id $VERSION \
    --retention Mode=COMPLIANCE,RetainUntilDate=$TOMORROW'
    must_refuse "$1" 'suspend versioning' \
        'aws s3api put-bucket-versioning --bucket $BUCKET --versioning-configuration Status=Suspended'
    must_refuse "$1" 'delete the bucket' \
        'aws s3api delete-bucket --bucket $BUCKET'
}

restore() {
    local began
    headline 'The worst day: the database server is gone, with all its roles and databases'
    destroy_the_server
    new_server

    headline 'Back: no configuration, only the break-glass sheet and the identity'
    cd offline
    began=$(now)
    run restore "lifeboat restore latest --create --verify --target $SERVER/courses \\
    --repository $REPOSITORY --region $REGION \\
    --trust $TRUST \\
    --identity break-glass.key"
    RESTORE_SECONDS=$(since "$began")
    cd ..
    compare_database
    RESTORED=$(count courses_answer)
    [ "$RESTORED" = "$ROWS" ] || fail "courses_answer has $RESTORED rows, not $ROWS"
    show_command postgres 'psql -c "SELECT count(*) FROM courses_answer"'
    say "$(thousands "$RESTORED")"
}

summary() {
    headline 'Summary'
    say "courses_answer     $(thousands "$ROWS") rows before, $(thousands "$RESTORED") after"
    say "all of it          $(wc -l <before.txt) sums over tables, sequences, large objects, owners, indexes, constraints: \
equal"
    say "destruction        $REFUSED attempts, $REFUSED refused"
    say "restore point      $ID"
    say "seconds            load $LOAD_SECONDS, export $EXPORT_SECONDS, verify $VERIFY_SECONDS, restore $RESTORE_SECONDS, \
in all $(since "$BEGAN") s after build and installation"
    echo
}

main() {
    begin "$@"
    load
    initialise
    export_it
    attack
    restore
    summary
}

main "$@"
