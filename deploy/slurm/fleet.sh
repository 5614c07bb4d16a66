#!/bin/bash
# Submits one run: fleet.sbatch, and the collector, which starts when each of its tasks has ended, however it did. From
# cron or scrontab, every night. Arguments are sbatch's, for both: fleet.sh --account=backup --partition=night
#
# LIFEBOAT_COMMAND=prove submits proofs instead. It, LIFEBOAT_CONFIG and PATH of the caller reach all tasks; their logs
# lie in its working folder.
set -eu

array=$(sbatch --parsable "$@" "$(dirname "$0")/fleet.sbatch")
# `job`, or `job;cluster`.
array=${array%%;*}
sbatch --parsable "$@" --dependency="afterany:$array" --job-name=lifeboat-collect --output=lifeboat-%j.log \
    --ntasks=1 --mem=1G --time=1:00:00 --wrap="exec lifeboat ${LIFEBOAT_COMMAND:-nightly} --collect --ended --run $array"
