# shellcheck shell=bash
# Sourced by ../try.sh: what it may cost, said before anything is made.

# A run takes one to two hours, most of them RDS's; the bound is for six, and for regions that cost twice as much.
readonly BOUND_HOURS=6 DEAREST_REGION=2

# table HOURS: one line for each price, and the sum in the last field of the last one.
table() {
    awk -F '\t' -v hours="$1" -v taken="${TAKEN:-}" '
        /^#/ { next }
        {
            count = $4
            cost = $2 * count * ($3 == "hour" ? hours : $3 == "month" ? hours / 730 : 1)
            sum += cost
            printf "   %-52s %10s a %-5s x %-6s %8.3f\n", $1, "$" $2, $3, count, cost
        }
        END { printf "   %-52s %36.2f\n", "sum", sum }
    ' "$TRY/prices.tsv"
}

sum_of() { table "$1" | awk 'END { print $NF }'; }

# bound HOURS: in the dearest region, to the next cent above.
bound() { awk -v sum="$(sum_of "$1")" -v factor="$DEAREST_REGION" 'BEGIN { printf "%.2f", sum * factor + 0.005 }'; }

say_price() {
    headline 'What it costs'
    say "List prices of us-east-1, June 2026, in US dollars, for $BOUND_HOURS hours; sources: deploy/aws/try/prices.tsv"
    table "$BOUND_HOURS"
    say "At most \$$(bound "$BOUND_HOURS") in the dearest region, taxes aside; for two hours, \$$(bound 2)."
    say "What a killed run leaves costs at most \$$(bound 24) a day until \`try.sh clean\`."
    say 'Keys wait seven days for their deletion, which costs nothing. A budget with an alarm in both accounts is wise.'
}

# Nothing is made without it.
ask_yes() {
    local said=
    [ -z "$DRY" ] || return 0
    printf 'Type yes to make all this in accounts %s (source) and %s (backup): ' "$SOURCE" "$BACKUP"
    read -r said || true
    [ "$said" = yes ] || fail 'nothing was made'
}
