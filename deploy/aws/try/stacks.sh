# shellcheck shell=bash
# Sourced by ../try.sh: the templates as they are tried, their stacks, and the roles that this script becomes.

# What differs from the real templates. All else is as it would be: policies, keys, roles, settings.
readonly CHANGES=(
    -e 's/COMPLIANCE/GOVERNANCE/'                            # the administrator of this account can delete it all
    -e "s/AllowedValues: \['7', /AllowedValues: ['1', '7', /" # locks of one day
    -e "s/^    '7': {LockCap: 9, /    '1': {LockCap: 3, LockFloor: 0, ExpireAfter: 4, '0': [3, 4]}\n&/"
    -e 's/^\( *DeletionPolicy:\) Retain/\1 Delete/'           # a deleted stack takes along what it made
    -e 's/PendingWindowInDays: 30/PendingWindowInDays: 7/'    # as soon as KMS allows
)

# derive TEMPLATE: as it is tried, in the state folder; refuses where a change did not find its place.
derive() {
    [ -z "$DRY" ] || return 0
    sed "${CHANGES[@]}" "$AWS_FILES/$1" >"$STATE/$1"
    ! grep -qE 'COMPLIANCE|^ *DeletionPolicy: Retain|PendingWindowInDays: 30' "$STATE/$1" ||
        fail "$1 could not be made harmless: a lock or a resource would stay"
    [ "$1" != backup-account.yaml ] || is_harmless "$STATE/$1"
}

is_harmless() {
    grep -qF 'DefaultRetention: {Mode: GOVERNANCE, Days: !Ref DailyLockDays}' "$1" &&
        grep -qF 'StringNotEquals: {s3:object-lock-mode: GOVERNANCE}' "$1" &&
        grep -qF "AllowedValues: ['1', " "$1" && grep -qF "'1': {LockCap: 3, " "$1" ||
        fail 'backup-account.yaml is no longer as try.sh knows it: its locks could not be made short'
}

# ---------------------------------------------------------------- stacks

# stack WHO NAME FILE KEY=VALUE...: makes it, and waits; false where AWS could not, with its reason in SAID.
stack() {
    local who=$1 name=$2 file=$3
    note made "stack $who $name"
    parameters "$name" "${@:4}"
    if [ -n "$DRY" ] || ! stack_exists "$who" "$name"; then
        attempt last aws_as "$who" cloudformation create-stack --stack-name "$name" --template-body "file://$file" \
            --parameters "file://$STATE/$name.json" --capabilities CAPABILITY_NAMED_IAM --on-failure DO_NOTHING \
            --query StackId --output text || return
    fi
    until_true "stack $name" stack_has_settled "$who" "$name"
    [ -z "$DRY" ] || return 0
    if [ "$STATUS" = CREATE_COMPLETE ]; then
        outputs "$who" "$name"
        return
    fi
    SAID=$(value REASON "$who" cloudformation describe-stack-events --stack-name "$name" \
        --query "StackEvents[?ResourceStatus=='CREATE_FAILED'].[LogicalResourceId, ResourceStatusReason]" | tail -n 1)
    return 1
}

# By file: one of them is a password, and calls are shown.
parameters() {
    local one
    if [ -n "$DRY" ]; then
        printf '# parameters of %s: %s\n' "$1" "${*:2}" >&3
        return
    fi
    (umask 077 && for one in "${@:2}"; do
        jq -n --arg key "${one%%=*}" --arg value "${one#*=}" '{ParameterKey: $key, ParameterValue: $value}'
    done | jq -s . >"$STATE/$1.json")
}

stack_status() {
    value STATUS "$1" cloudformation describe-stacks --stack-name "$2" --query 'Stacks[0].StackStatus'
}

stack_exists() {
    if attempt last stack_status "$1" "$2"; then return; fi
    [[ $SAID == *'does not exist'* ]] || fail "$SAID"
    return 1
}

stack_has_settled() {
    STATUS=$(stack_status "$1" "$2") || return
    [[ $STATUS != *_IN_PROGRESS ]]
}

# What a stack puts out, kept in the state folder: names and values.
outputs() {
    aws_as "$1" cloudformation describe-stacks --stack-name "$2" --output text \
        --query 'Stacks[0].Outputs[].[OutputKey, OutputValue]' >"$STATE/outputs-$1-$2"
}

# output WHO STACK NAME
output() {
    if [ -n "$DRY" ]; then
        printf '<%s>' "$3"
        return
    fi
    awk -F '\t' -v name="$3" '$1 == name { print $2; found = 1 } END { exit !found }' "$STATE/outputs-$1-$2" ||
        fail "stack $2 of the $1 account put out no $3"
}

# stack_answers ID WHO NAME FILE PARAMETERS...: whether AWS makes it is the first question of all.
stack_answers() {
    local id=$1
    if stack "${@:2}"; then
        answer "$id" yes "CloudFormation made all of stack $3"
        return
    fi
    answer "$id" no "$SAID"
    fail "stack $3 was not made: $SAID"
}

# ---------------------------------------------------------------- the accounts' stacks

backup_stack() {
    derive backup-account.yaml
    network backup
    stack_answers stack-backup backup lifeboat-backup "$STATE/backup-account.yaml" SourceAccountId="$SOURCE" \
        ExternalId="$EXTERNAL_ID" BucketName="$BUCKET" DailyLockDays=1 LongestLockDays=10
    stack backup lifeboat-try "$TRY/backup.yaml" BucketName="$BUCKET-days" VpcId="$VPC" From="$FROM" ||
        fail "stack lifeboat-try of the backup account was not made: $SAID"
    locks_are_harmless
}

# Before anything is written: what the bucket says of itself, not what was asked for.
locks_are_harmless() {
    local found
    found=$(value 'GOVERNANCE 1' backup s3api get-object-lock-configuration --bucket "$BUCKET" \
        --query 'ObjectLockConfiguration.Rule.DefaultRetention.[Mode, Days]')
    [ -z "$DRY" ] || return 0
    [ "$found" = $'GOVERNANCE\t1' ] || fail "the bucket locks otherwise than for a day in governance mode: $found"
    answer lock-settings yes 'the bucket reads back as the template says: governance, one day'
}

source_stack() {
    local key makes=true password=$PASSWORD
    # The password of an instance that was given is not CloudFormation's to keep.
    if [ -n "$TAKEN" ]; then makes=false password=not-used; fi
    derive source-account.yaml
    network source
    key=$(output backup lifeboat-backup SnapshotKeyArn)
    stack_answers stack-source source lifeboat-source "$STATE/source-account.yaml" BackupAccountId="$BACKUP" \
        ExternalId="$EXTERNAL_ID" SnapshotKeyArn="$key" VpcId="$VPC" SubnetIds="$SUBNETS"
    stack source lifeboat-try "$TRY/source.yaml" BackupAccountId="$BACKUP" VpcId="$VPC" From="$FROM" \
        MakesInstance="$makes" EngineVersion="$MAJOR" Password="$password" ||
        fail "stack lifeboat-try of the source account was not made: $SAID"
}

# The image is named, and not there: nothing is to start. The schedules are of a year that is far.
tasks_stack() {
    derive backup-tasks.yaml
    network backup
    stack_answers stack-tasks backup lifeboat-tasks "$STATE/backup-tasks.yaml" \
        Image="$BACKUP.dkr.ecr.$REGION.amazonaws.com/lifeboat@sha256:$(printf '0%.0s' {1..64})" VpcId="$VPC" \
        SubnetIds="$SUBNETS" ProveSchedule='cron(0 9 1 1 ? 2099)' ExpireSchedule='cron(0 15 1 1 ? 2099)'
}

# ---------------------------------------------------------------- roles

open_roles() {
    open_role source lifeboat-nightly
    open_role backup lifeboat-prove
    open_role backup lifeboat-break-glass
}

# In the real accounts tasks become nightly and prove, and people with MFA break-glass. Here the administrators do.
open_role() {
    local trust
    trust=$(trust_with "$1" "$2")
    aws_as "$1" iam update-assume-role-policy --role-name "$2" --policy-document "$trust"
}

trust_with() {
    local account=$SOURCE
    [ "$1" = source ] || account=$BACKUP
    if [ -n "$DRY" ]; then
        aws_as "$1" iam get-role --role-name "$2" --query Role.AssumeRolePolicyDocument --output json
        printf '<ITS TRUST, AND THE ACCOUNT>'
        return
    fi
    aws_as "$1" iam get-role --role-name "$2" --query Role.AssumeRolePolicyDocument --output json |
        jq -c --arg account "$account" '.Statement |= (map(select(.Sid != "Try")) +
            [{Sid: "Try", Effect: "Allow", Principal: {AWS: $account}, Action: "sts:AssumeRole"}])'
}

# become ROLE: its credentials, for an hour. IAM takes a while to know of a role's new trust.
become() {
    case $1 in
        nightly) MOST=30 until_true "role $1" assume source "$SOURCE" "$1" ;;
        prove | break-glass) MOST=30 until_true "role $1" assume backup "$BACKUP" "$1" ;;
        exporter | snapshot)
            become nightly
            MOST=30 until_true "role $1" assume nightly "$BACKUP" "$1" --external-id "$EXTERNAL_ID"
            ;;
    esac
}

# With the whole hour before it: lifeboat cannot ask for another one.
become_anew() {
    rm -f "$STATE/session-$1"
    become "$1"
}

assume() {
    local file=$STATE/session-$3 id secret token
    if [ -z "$DRY" ] && [ -n "$(find "$file" -mmin -20 2>/dev/null)" ]; then return; fi
    attempt assumed aws_as "$1" sts assume-role --role-arn "arn:$PARTITION:iam::$2:role/lifeboat-$3" \
        --role-session-name try "${@:4}" --output text \
        --query 'Credentials.[AccessKeyId, SecretAccessKey, SessionToken]' || return
    [ -z "$DRY" ] || return 0
    read -r id secret token <"$STATE/assumed"
    rm "$STATE/assumed"
    (umask 077 && printf 'export AWS_ACCESS_KEY_ID=%q AWS_SECRET_ACCESS_KEY=%q AWS_SESSION_TOKEN=%q\n' \
        "$id" "$secret" "$token" >"$file")
}
