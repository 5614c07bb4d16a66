# shellcheck shell=bash
# Sourced by ../try.sh: what docs/accounts.md and the tests' AWS do not know, each as a question to AWS. An answer is
# given once; what went wrong on the way to it is an answer, too ("not asked").

# check ID FUNCTION
check() {
    if [ -z "$DRY" ] && [ -e "$STATE/answers" ] && grep -q "^$1"$'\t' "$STATE/answers"; then return; fi
    "$2"
}

not_asked() { answer "$1" 'not asked' "${2:-$SAID}"; }

checks() {
    headline 'What was not known'
    find_copy
    check copy-tags copy_tags
    check via-service via_service
    check lock-days lock_days
    check exporter-deletes exporter_deletes
    check exporter-shortens exporter_shortens
    check without-external-id without_external_id
    check own-snapshot own_snapshot
    check default-key-shared default_key_shared
    check copy-by-grant copy_by_grant
    check group-at-start group_at_start
    check delete-while-made delete_while_made
    check summarize-wal summarize_wal
    check image image
    not_here
}

# The copy that nightly made, as COPY; empty where there is none.
find_copy() {
    COPY=$(value COPY backup rds describe-db-snapshots --snapshot-type manual \
        --query "DBSnapshots[?starts_with(DBSnapshotIdentifier, 'lifeboat-')] | [0].DBSnapshotIdentifier")
}

# ---------------------------------------------------------------- snapshots

# The statement OnlyAtCreation of lifeboat-snapshot.
copy_tags() {
    local tags
    if [ -z "$DRY" ] && grep -q 'AddTagsToResource' "$STATE/nightly.log"; then
        answer copy-tags no "RDS counts the tags of the request as the new copy's: remove OnlyAtCreation. $(
            grep -m 1 'AddTagsToResource' "$STATE/nightly.log"
        )"
        return
    fi
    [ -n "$COPY" ] || { not_asked copy-tags 'nightly made no copy' && return; }
    tags=$(value TAGS backup rds describe-db-snapshots --db-snapshot-identifier "$COPY" \
        --query "DBSnapshots[0].TagList[?starts_with(Key, 'lifeboat:')].Key")
    answer copy-tags yes "lifeboat-snapshot tags a copy as it makes it: $tags"
}

# nightly, in the source account, brought the snapshot under the backup account's key.
via_service() {
    local keys
    keys=$(value KEYS source rds describe-db-snapshots --snapshot-type manual \
        --query "DBSnapshots[?starts_with(DBSnapshotIdentifier, 'lifeboat-')].KmsKeyId")
    [ -z "$DRY" ] || return 0
    if [[ $keys == *"$SNAPSHOT_KEY"* ]]; then
        answer via-service yes "RDS used the backup account's snapshot key for nightly, under kms:ViaService"
    elif [ -n "$TAKEN" ]; then
        not_asked via-service 'the snapshots of the instance that was given needed no other key'
    else
        answer via-service no "no snapshot of the source lies under the snapshot key: $(
            grep -m 1 -iE 'kms|key' "$STATE/nightly.log" || true
        )"
    fi
}

# A snapshot of this script's own, under the instance's key, and a copy of it under a key of production.
own_snapshot() {
    make_snapshot lifeboat-own-default create-db-snapshot --db-instance-identifier "$INSTANCE" \
        --db-snapshot-identifier lifeboat-own-default
    make_snapshot lifeboat-own-production copy-db-snapshot --source-db-snapshot-identifier lifeboat-own-default \
        --target-db-snapshot-identifier lifeboat-own-production --kms-key-id "$PRODUCTION_KEY"
    answer own-snapshot yes 'made one under the default key, and a copy of it under a key of production'
}

make_snapshot() {
    refused_so DBSnapshotAlreadyExists aws_as source rds "${@:2}"
    until_true "snapshot $1" snapshot_is_available source "$1"
}

snapshot_is_available() {
    local status
    status=$(value STATUS "$1" rds describe-db-snapshots --db-snapshot-identifier "$2" --query 'DBSnapshots[0].Status')
    [ "$status" != failed ] || fail "RDS says that snapshot $2 failed"
    [ "$status" = available ]
}

share() {
    aws_as source rds modify-db-snapshot-attribute --db-snapshot-identifier "$1" --attribute-name restore \
        --values-to-add "$BACKUP"
}

default_key_shared() {
    [ -z "$TAKEN" ] || { not_asked default-key-shared 'the instance was given: its key may be another' && return; }
    if attempt last share lifeboat-own-default; then
        answer default-key-shared yes 'RDS lets a snapshot under the default key be shared; the copy fails instead'
    else
        answer default-key-shared no "refused with $(code_of last): $SAID"
    fi
}

# A thief of lifeboat-snapshot would have copies made under a key that production can take away.
copy_by_grant() {
    become snapshot
    attempt last share lifeboat-own-production || { not_asked copy-by-grant && return; }
    if ! attempt last aws_as snapshot rds copy-db-snapshot \
        --source-db-snapshot-identifier "arn:$PARTITION:rds:$REGION:$SOURCE:snapshot:lifeboat-own-production" \
        --target-db-snapshot-identifier lifeboat-own-foreign --kms-key-id "$PRODUCTION_KEY"; then
        answer copy-by-grant no "refused with $(code_of last): $SAID"
        return
    fi
    [ -z "$DRY" ] || return 0
    answer copy-by-grant yes "RDS began a copy under a key of the source with no more than a grant; it is $(
        value STATUS backup rds describe-db-snapshots --db-snapshot-identifier lifeboat-own-foreign \
            --query 'DBSnapshots[0].Status'
    ). Expire must not count such copies"
}

# ---------------------------------------------------------------- instances of the copy

restore_copy() {
    note made "instance backup $1"
    refused_so DBInstanceAlreadyExists aws_as backup rds restore-db-instance-from-db-snapshot \
        --db-instance-identifier "$1" --db-snapshot-identifier "$COPY" --db-instance-class db.t4g.micro \
        --publicly-accessible --vpc-security-group-ids "$GROUP_IN" "${@:2}"
}

# As a drill of a copy does: group, value, instance.
group_at_start() {
    [ -n "$COPY" ] || { not_asked group-at-start 'nightly made no copy' && return; }
    [ -z "$TAKEN" ] || { not_asked group-at-start 'the instance was given: nobody logs in to its copy' && return; }
    note made "group backup lifeboat-try"
    refused_so DBParameterGroupAlreadyExists aws_as backup rds create-db-parameter-group \
        --db-parameter-group-name lifeboat-try --db-parameter-group-family "postgres$MAJOR" --description try.sh
    aws_as backup rds modify-db-parameter-group --db-parameter-group-name lifeboat-try --parameters \
        ParameterName=max_logical_replication_workers,ParameterValue=0,ApplyMethod=pending-reboot
    restore_copy lifeboat-try-group --db-parameter-group-name lifeboat-try
    until_true 'instance lifeboat-try-group' instance_is_available lifeboat-try-group
    ask_the_instance
}

ask_the_instance() {
    local shown
    endpoint backup lifeboat-try-group
    if ! attempt shown sql_at "$HOST" "$PORT" postgres 'SHOW max_logical_replication_workers'; then
        not_asked group-at-start "the instance did not let this machine in: $SAID"
        return
    fi
    [ -z "$DRY" ] || return 0
    shown=$SAID
    if [ "$shown" = 0 ]; then
        answer group-at-start yes 'the instance started with the value of a group made a moment before'
    else
        answer group-at-start no "SHOW says $shown, the group says 0: drills of copies refuse such an instance"
    fi
}

instance_is_available() {
    [ "$(value STATUS backup rds describe-db-instances --db-instance-identifier "$1" \
        --query 'DBInstances[0].DBInstanceStatus')" = available ]
}

delete_while_made() {
    [ -n "$COPY" ] || { not_asked delete-while-made 'nightly made no copy' && return; }
    restore_copy lifeboat-try-gone
    if attempt last delete_instance lifeboat-try-gone; then
        answer delete-while-made yes 'RDS deletes an instance that is still being made'
    else
        answer delete-while-made no "refused with $(code_of last): $SAID"
    fi
}

delete_instance() {
    aws_as backup rds delete-db-instance --db-instance-identifier "$1" --skip-final-snapshot \
        --delete-automated-backups
}

# ---------------------------------------------------------------- S3

# AWS does not document how s3:object-lock-remaining-retention-days counts a day begun.
lock_days() {
    local early late
    early=$(put_for 30 not-more-than-1)$(put_for 30 not-less-than-2)
    late=$(put_for 42 not-more-than-1)$(put_for 42 not-less-than-2)
    [ -z "$DRY" ] || return 0
    case $early-$late in
        no,no,-no,no,) answer lock-days yes 'a lock has parts of a day: 30 hours are more than one and less than two' ;;
        yes,no,-yes,no,) answer lock-days yes 'days are rounded down: 42 hours are one' ;;
        no,yes,-no,yes,) answer lock-days yes 'days are rounded up: 30 hours are two' ;;
        yes,no,-no,yes,) answer lock-days yes 'days are rounded to the nearest: 30 hours are one, 42 are two' ;;
        *) not_asked lock-days "no rule fits what S3 allowed: $early$late of 30 and 42 hours" ;;
    esac
}

# put_for HOURS PREFIX: whether S3 takes an object locked for so long.
put_for() {
    local until
    until=$(date -u -d "+$1 hours" +%Y-%m-%dT%H:%M:%SZ)
    if attempt last aws_as backup s3api put-object --bucket "$BUCKET-days" --key "$2/$1" --body "$TRY/prices.tsv" \
        --checksum-algorithm SHA256 --object-lock-mode GOVERNANCE --object-lock-retain-until-date "$until"; then
        printf 'yes,'
    elif [ "$(code_of last)" = AccessDenied ]; then
        printf 'no,'
    else
        printf '%s,' "$(code_of last)"
    fi
}

# must_refuse ID TEXT COMMAND...: the heart of it all, by AWS itself.
must_refuse() {
    if attempt last "${@:3}"; then
        answer "$1" NO "AWS let it happen: $2"
    elif [[ $(code_of last) == AccessDenied* ]]; then
        answer "$1" yes "refused with $(code_of last): $2"
    else
        not_asked "$1"
    fi
}

manifest() {
    become exporter
    MANIFEST=$(value MANIFEST backup s3api list-object-versions --bucket "$BUCKET" --prefix prod/manifests/ \
        --query "Versions[?ends_with(Key, '.json')] | [0].[Key, VersionId]")
    read -r KEY VERSION <<<"$MANIFEST${DRY:+ <VERSION>}" || true
    [ -n "${VERSION:-}" ] || { not_asked "$1" 'there is no manifest' && return 1; }
}

exporter_deletes() {
    manifest exporter-deletes || return 0
    must_refuse exporter-deletes 'lifeboat-exporter deletes a version of a manifest' aws_as exporter s3api \
        delete-object --bucket "$BUCKET" --key "$KEY" --version-id "$VERSION" --bypass-governance-retention
}

exporter_shortens() {
    manifest exporter-shortens || return 0
    must_refuse exporter-shortens 'lifeboat-exporter shortens its lock' aws_as exporter s3api put-object-retention \
        --bucket "$BUCKET" --key "$KEY" --version-id "$VERSION" --bypass-governance-retention --retention \
        "Mode=GOVERNANCE,RetainUntilDate=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)"
}

without_external_id() {
    become nightly
    must_refuse without-external-id 'nightly becomes lifeboat-exporter without the ExternalId' aws_as nightly sts \
        assume-role --role-arn "arn:$PARTITION:iam::$BACKUP:role/lifeboat-exporter" --role-session-name try
}

# ---------------------------------------------------------------- what costs nothing

# With it, an export could know what has changed without reading it.
summarize_wal() {
    local found
    if ! attempt last value MODIFIABLE source rds describe-engine-default-parameters --db-parameter-group-family \
        postgres17 --query "EngineDefaults.Parameters[?ParameterName=='summarize_wal'].IsModifiable"; then
        not_asked summarize-wal
        return
    fi
    found=$SAID
    case $found in
        True) answer summarize-wal yes 'RDS lets it be set for PostgreSQL 17' ;;
        False) answer summarize-wal no 'RDS knows it, and lets nobody set it' ;;
        *) answer summarize-wal no 'RDS does not list it for PostgreSQL 17' ;;
    esac
}

# The image, with PostgreSQL's own package archive.
image() {
    [ -n "$WITH_IMAGE" ] || { not_asked image 'without --with-image' && return; }
    told "this machine" docker build -f deploy/docker/Dockerfile --build-arg "PG_MAJORS=$MAJOR" -t lifeboat-try .
    [ -z "$DRY" ] || return 0
    if attempt image docker build -f "$AWS_FILES/../docker/Dockerfile" --build-arg "PG_MAJORS=$MAJOR" \
        -t lifeboat-try "$AWS_FILES/../.."; then
        answer image yes "built with PostgreSQL's own packages"
        attempt last docker image rm lifeboat-try || true
    else
        answer image no "$(tail -n 1 "$STATE/image")"
    fi
}

not_here() {
    check eks not_eks
    check tasks not_tasks
    check alarms not_alarms
    check policy not_policy
    check aurora not_aurora
}

not_eks() { not_asked eks "needs a cluster: whether skip-containers keeps the role's token from a sidecar"; }
not_tasks() { not_asked tasks 'needs the image: lifeboat ran on this machine, not as tasks of ECS'; }
not_alarms() { not_asked alarms "needs a mailbox: whether each event of alarms.yaml reaches a rule"; }
not_policy() { not_asked policy 'needs an organization: the service control policy'; }
not_aurora() { not_asked aurora "needs a cluster: whether a snapshot under AWS's own key (sse-rds) is re-encrypted"; }
