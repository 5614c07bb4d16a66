# shellcheck shell=bash
# Sourced by ../try.sh: whether these two accounts are fit to be tried on, and what they have.

# Called before anything is made, and before `clean`: nothing here changes anything.
look_at_accounts() {
    local arn
    arn=$(value 'SOURCE ARN' source sts get-caller-identity --query Arn)
    SOURCE=$(account_of "$arn" source)
    no_root "$SOURCE_PROFILE" "$arn"
    arn=$(value 'BACKUP ARN' backup sts get-caller-identity --query Arn)
    BACKUP=$(account_of "$arn" backup)
    no_root "$BACKUP_PROFILE" "$arn"
    PARTITION=$(partition_of "$arn")
    [ -z "$DRY" ] || return 0
    [ "$SOURCE" != "$BACKUP" ] || fail "both profiles are of account $SOURCE: it takes two accounts"
    same_accounts
}

account_of() { if [ -n "$DRY" ]; then printf '<%s ACCOUNT>' "${2^^}"; else cut -d: -f5 <<<"$1"; fi; }

partition_of() { if [ -n "$DRY" ]; then printf aws; else cut -d: -f2 <<<"$1"; fi; }

no_root() {
    [[ $2 != *:root ]] || fail "profile $1 is the account's root user, which can become no role: use an administrator"
}

# A state folder is of one pair of accounts.
same_accounts() {
    [ -e "$STATE/accounts" ] || return 0
    [ "$(cat "$STATE/accounts")" = "$SOURCE $BACKUP $REGION" ] ||
        fail "$STATE is of other accounts or another region: name another --state"
}

# Only before the first thing is made: afterwards what is there is ours.
refuse_what_is_not_throwaway() {
    no_management_account source "$SOURCE"
    no_management_account backup "$BACKUP"
    nothing_of_lifeboat
}

nothing_of_lifeboat() {
    no_stacks source
    no_stacks backup
    no_role source lifeboat-nightly
    no_role backup lifeboat-break-glass
    no_snapshots source
    no_snapshots backup
}

no_management_account() {
    local master
    if ! attempt last value MANAGEMENT_ACCOUNT "$1" organizations describe-organization \
        --query Organization.MasterAccountId; then
        [ "$(code_of last)" = AWSOrganizationsNotInUseException ] ||
            fail "whether $2 is its organization's management account cannot be asked: $SAID"
        return 0
    fi
    master=$SAID
    [ "$master" != "$2" ] || fail "$2 is the management account of its organization: no place to try anything"
}

no_stacks() {
    local found
    found=$(value STACKS "$1" cloudformation describe-stacks \
        --query "Stacks[?starts_with(StackName, 'lifeboat')].StackName")
    [ -n "$DRY" ] || [ -z "$found" ] || fail "the $1 account has stacks of lifeboat already: $found"
}

# Deleted stacks of the real templates leave all of theirs behind.
no_role() {
    if attempt last aws_as "$1" iam get-role --role-name "$2"; then
        [ -n "$DRY" ] || fail "the $1 account has the role $2 already: lifeboat was set up there"
        return 0
    fi
    [ "$(code_of last)" = NoSuchEntity ] || fail "$SAID"
}

no_snapshots() {
    local found
    found=$(snapshots_of "$1")
    [ -n "$DRY" ] || [ -z "$found" ] || fail "the $1 account has snapshots named lifeboat-…: $found"
}

snapshots_of() {
    value SNAPSHOTS "$1" rds describe-db-snapshots --snapshot-type manual \
        --query "DBSnapshots[?starts_with(DBSnapshotIdentifier, 'lifeboat-')].DBSnapshotIdentifier"
}

# network WHO: default VPC and its subnets, as VPC and SUBNETS (with commas).
network() {
    VPC=$(value "VPC of $1" "$1" ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId')
    [ -n "$VPC" ] || fail "the $1 account has no default VPC in $REGION: aws ec2 create-default-vpc makes one"
    SUBNETS=$(value "SUBNETS of $1" "$1" ec2 describe-subnets --filters "Name=vpc-id,Values=$VPC" \
        --query 'Subnets[].SubnetId' | tr '\t' ',')
}

# Who may connect to the instances: this machine alone.
own_address() {
    [ -z "$FROM" ] || return 0
    if [ -n "$DRY" ]; then
        FROM='<ADDRESS OF THIS MACHINE>'
        return
    fi
    FROM=$(curl -fsS --max-time 20 https://checkip.amazonaws.com)/32 ||
        fail 'the public address of this machine is not known: give it as --from ADDRESS/32'
}
