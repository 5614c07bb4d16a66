# shellcheck shell=bash
# Sourced by ../try.sh: what can be sent to others. It holds no account, ARN, name of yours, address or secret.

report() {
    [ -z "$DRY" ] || return 0
    headline 'Report'
    write_report | redact >"$STATE/report.txt"
    cat "$STATE/report.txt"
    say ''
    say "It lies in $STATE/report.txt: read it, then send it. All else in that folder stays with you."
}

write_report() {
    say "lifeboat on AWS: deploy/aws/try.sh of $(date -u +%Y-%m-%d)"
    say "region: $REGION; PostgreSQL: $MAJOR; instance: $(if [ -n "$TAKEN" ]; then echo given; else echo its own; fi)"
    say "lifeboat: $("$LIFEBOAT" --version); aws: $(aws --version 2>&1 | cut -d' ' -f1)"
    say "price said beforehand: at most \$$(bound "$BOUND_HOURS"); from the yes to now: $(minutes) minutes"
    say "removed afterwards: $(last_answer cleaned)"
    say ''
    say 'Not as in real accounts: governance locks of one day, stacks that delete what they made, keys deleted after 7'
    say 'days; the administrators become nightly, prove and break-glass, which tasks and people with MFA do otherwise;'
    say 'lifeboat ran on a machine outside AWS.'
    say ''
    questions | while IFS=$'\t' read -r id text; do
        say "$id: $text"
        say "    $(last_answer "$id")"
    done
}

minutes() { echo $((($(date +%s) - $(stat -c %Y "$STATE/begun")) / 60)); }

last_answer() {
    awk -F '\t' -v id="$1" '$1 == id { found = $2 ": " $3 } END { print found ? found : "not asked" }' "$STATE/answers"
}

questions() {
    cat <<'TEXT'
stack-backup	Does CloudFormation make backup-account.yaml?
stack-source	Does it make source-account.yaml?
stack-tasks	Does it make backup-tasks.yaml?
lock-settings	Does the bucket lock as the template says?
nightly	Does `lifeboat nightly` end well?
prove	Does `lifeboat prove`?
copy-tags	May lifeboat-snapshot tag a copy as it makes it (OnlyAtCreation)?
via-service	Does RDS use the other account's key under kms:ViaService?
copy-by-grant	Does RDS encrypt a copy under a key for which the role has no more than a grant?
default-key-shared	May a snapshot under the default key be shared?
group-at-start	Does an instance start with the values of a parameter group made a moment before?
delete-while-made	Does RDS delete what is still being made?
lock-days	How does s3:object-lock-remaining-retention-days count?
exporter-deletes	Is the exporter refused to delete a version?
exporter-shortens	Is it refused to shorten a lock?
without-external-id	Is nightly refused without the ExternalId?
summarize-wal	May summarize_wal be set on RDS?
image	Does the image build with PostgreSQL's own packages?
eks	Does EKS keep the role's token from the drill server?
tasks	Do the tasks of ECS run?
alarms	Does each alarm come?
policy	Does the service control policy hold?
aurora	Are Aurora's snapshots under AWS's own key copied?
TEXT
}

# ARNs lose account and region, sessions and users their names; ids, addresses, secrets and digits of accounts go.
redact() {
    local secret script=()
    for secret in "$BUCKET" "$EXTERNAL_ID" "$PASSWORD" "$HOST" "$FROM" "${FROM%/*}" "${TAKEN:-}" "$STATE" \
        "$SOURCE_PROFILE" "$BACKUP_PROFILE" "${VPC:-}"; do
        [ -z "$secret" ] || script+=(-e "s/$(sed 's/[][\/.^$*]/\\&/g' <<<"$secret")/<hidden>/g")
    done
    sed -E -e 's/arn:[a-z-]+:([a-z0-9-]+):[a-z0-9-]*:[0-9]*:/\1:/g' \
        -e 's#(assumed-role/lifeboat-[a-z-]+)/[^ "]+#\1#g' -e 's#(assumed-role|user)/[^ "]+#\1/<hidden>#g' \
        -e 's/Encoded authorization failure message: .*//' \
        -e 's/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/<id>/g' -e 's/\b[0-9]{12}\b/<account>/g' \
        -e 's/\b(AKIA|ASIA)[A-Z0-9]{12,}/<key>/g' -e 's/\b(vpc|subnet|sg|eni)-[0-9a-f]+/<\1>/g' \
        -e 's/[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+/<mail>/g' -e 's#[a-z0-9.-]+\.amazonaws\.com(\.cn)?#<host>#g' |
        sed "${script[@]}"
}
