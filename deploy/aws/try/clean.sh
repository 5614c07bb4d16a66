# shellcheck shell=bash
# Sourced by ../try.sh: removes all that is noted as made, in any state, as often as it takes.

clean() {
    headline 'Removing all of it'
    stacks_have_settled
    clean_instances
    clean_groups
    clean_snapshots
    unlock
    empty_buckets
    delete_stacks
    delete_role_of_ours
    nothing_is_left
}

each() { while read -r who name; do "$1" "$who" "$name"; done < <(made "$2"); }

# A killed run may have left one that is being made.
stacks_have_settled() { each wait_for_stack stack; }

wait_for_stack() {
    if ! stack_exists "$1" "$2"; then return; fi
    STATUS=$SAID
    [[ $STATUS != *_IN_PROGRESS ]] || until_true "stack $2" stack_has_settled "$1" "$2"
}

# ---------------------------------------------------------------- RDS

clean_instances() {
    each begin_deleting instance
    each wait_until_gone instance
}

# InvalidDBInstanceState: it is being deleted, or will be as soon as it is made.
begin_deleting() {
    refused_so 'DBInstanceNotFound|DBInstanceNotFoundFault|InvalidDBInstanceState|InvalidDBInstanceStateFault' \
        delete_instance "$2"
}

wait_until_gone() {
    until_true "the end of instance $2" instance_is_gone "$2"
    forget made "instance $1 $2"
}

instance_is_gone() {
    if attempt last value STATUS backup rds describe-db-instances --db-instance-identifier "$1" \
        --query 'DBInstances[0].DBInstanceStatus'; then
        [ "$SAID" = deleting ] || begin_deleting backup "$1"
        return 1
    fi
    [[ $(code_of last) == DBInstanceNotFound* ]] || fail "$SAID"
}

clean_groups() { each delete_group group; }

delete_group() {
    refused_so 'DBParameterGroupNotFound|DBParameterGroupNotFoundFault' aws_as backup rds delete-db-parameter-group \
        --db-parameter-group-name "$2"
    forget made "group $1 $2"
}

# All of lifeboat's names: there was none of them before. One that is being made is deleted when it is made.
clean_snapshots() {
    local who
    for who in $(made snapshots); do
        until_true "the end of snapshots of the $who account" no_snapshot_is_left "$who"
        forget made "snapshots $who"
    done
}

no_snapshot_is_left() {
    local name names
    names=$(snapshots_of "$1")
    [ -z "$DRY" ] || names='<SNAPSHOT>'
    for name in $names; do
        refused_so 'DBSnapshotNotFound|DBSnapshotNotFoundFault|InvalidDBSnapshotState|InvalidDBSnapshotStateFault' \
            aws_as "$1" rds delete-db-snapshot --db-snapshot-identifier "$name"
    done
    [ -z "$names" ]
}

# ---------------------------------------------------------------- what is guarded

# The template's policies let nobody delete: break-glass takes them off, as it may.
unlock() {
    local keys key
    if ! noted made 'stack backup lifeboat-backup' && [ -z "$DRY" ]; then return; fi
    stack_exists backup lifeboat-backup || return 0
    become_break_glass
    refused_so 'NoSuchBucket|NoSuchBucketPolicy' aws_as break-glass s3api delete-bucket-policy --bucket "$BUCKET"
    keys=$(value 'EACH KEY' backup cloudformation describe-stack-resources --stack-name lifeboat-backup \
        --query "StackResources[?ResourceType=='AWS::KMS::Key' && ResourceStatus!='DELETE_COMPLETE'].PhysicalResourceId")
    [ -z "$DRY" ] || keys='<KEY>'
    for key in $keys; do
        refused_so 'NotFoundException|KMSInvalidStateException' aws_as break-glass kms put-key-policy --key-id "$key" \
            --policy-name default --policy "$(plain_key_policy)"
    done
}

allowed() { printf '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", %s}]}' "$1"; }

plain_key_policy() { allowed '"Principal": {"AWS": "'"$BACKUP"'"}, "Action": "kms:*", "Resource": "*"'; }

# Where the stack ended before it made the role, one of that name is made: the keys' policies know it by its name.
become_break_glass() {
    if ! attempt last aws_as backup iam get-role --role-name lifeboat-break-glass; then
        [ "$(code_of last)" = NoSuchEntity ] || fail "$SAID"
        note made 'role backup lifeboat-break-glass'
        aws_as backup iam create-role --role-name lifeboat-break-glass \
            --assume-role-policy-document "$(allowed '"Principal": {"AWS": "'"$BACKUP"'"}, "Action": "sts:AssumeRole"')"
        aws_as backup iam put-role-policy --role-name lifeboat-break-glass --policy-name all \
            --policy-document "$(allowed '"Action": ["s3:*", "kms:*"], "Resource": "*"')"
    fi
    open_role backup lifeboat-break-glass
    become break-glass
}

delete_role_of_ours() { each delete_role role; }

delete_role() {
    refused_so NoSuchEntity aws_as "$1" iam delete-role-policy --role-name "$2" --policy-name all
    refused_so NoSuchEntity aws_as "$1" iam delete-role --role-name "$2"
    forget made "role $1 $2"
}

# ---------------------------------------------------------------- buckets and stacks

empty_buckets() {
    if ! noted made 'stack backup lifeboat-backup' && [ -z "$DRY" ]; then return; fi
    MOST=60 until_true "bucket $BUCKET to be empty" is_empty "$BUCKET"
    MOST=60 until_true "bucket $BUCKET-days to be empty" is_empty "$BUCKET-days"
}

# Deletes up to 500 versions, and says no until there are none; governance locks yield to the administrator. For a while
# S3 may still refuse by the policy that has just been taken off.
is_empty() {
    if ! attempt versions aws_as backup s3api list-object-versions --bucket "$1" --max-items 500 --output json \
        --query '{Objects: [Versions, DeleteMarkers][][].{Key: Key, VersionId: VersionId}, Quiet: `true`}'; then
        [ "$(code_of versions)" = NoSuchBucket ] || fail "$SAID"
        return 0
    fi
    if [ -z "$DRY" ] && [ "$(jq '.Objects | length' "$STATE/versions")" = 0 ]; then return; fi
    attempt deleted aws_as backup s3api delete-objects --bucket "$1" --bypass-governance-retention \
        --delete "file://$STATE/versions" --query 'Errors[0].Message' --output text || true
    return 1
}

# The last one made goes first.
delete_stacks() {
    local who name
    while read -r who name; do
        aws_as "$who" cloudformation delete-stack --stack-name "$name"
        until_true "the end of stack $name" stack_is_gone "$who" "$name"
        forget made "stack $who $name"
    done < <(made stack | tac)
}

stack_is_gone() {
    stack_exists "$1" "$2" || return 0
    [ "$SAID" != DELETE_FAILED ] || fail "CloudFormation could not delete stack $2: $(
        value REASON "$1" cloudformation describe-stack-events --stack-name "$2" \
            --query "StackEvents[?ResourceStatus=='DELETE_FAILED'] | [0].[LogicalResourceId, ResourceStatusReason]"
    )"
    return 1
}

# ---------------------------------------------------------------- afterwards

# Asked of AWS, not of the notes.
nothing_is_left() {
    nothing_of_lifeboat
    no_instances
    [ -z "$DRY" ] || return 0
    answer cleaned yes 'no stack, role, snapshot or instance is left; keys wait seven days for their deletion'
    rm -rf "$STATE"/session-* "$STATE"/outputs-* "$STATE"/*.json "$STATE/offline" "$STATE/steps" "$STATE/made"
}

no_instances() {
    local who found
    for who in source backup; do
        found=$(value INSTANCES "$who" rds describe-db-instances \
            --query "DBInstances[?starts_with(DBInstanceIdentifier, 'lifeboat-')].DBInstanceIdentifier")
        [ -n "$DRY" ] || [ -z "$found" ] || fail "the $who account still has instances: $found"
    done
}

# On every exit: what is there, and what removes it.
say_what_is_left() {
    [ -s "$STATE/made" ] || return 0
    {
        printf '\ntry.sh: this is left, and costs money until it is removed:\n'
        sed 's/^/   /' "$STATE/made"
        printf 'Go on: run the same command again. Remove it: %q clean --state %q\n' "$0" "$STATE"
    } >&2
}
