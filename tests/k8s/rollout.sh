#!/bin/bash
# Runs the StatefulSet's pod under podman, with a kubelet's probes and rolling restarts under load. Needs root, podman
# and the image; `./dev test --image` runs it.
#
#   tests/k8s/rollout.sh IMAGE PROGRAM WORK_DIRECTORY
#
# PROGRAM is k8s_rollout, of tests/k8s/rollout_test.cc. Ends with "N passed, N failed".
set -euo pipefail
image=$1
program=$(realpath "$2")
mkdir -p "$3"
work=$(realpath "$3")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. docker/podman.sh "$work"

# A pod has its name on the whole machine: one run at a time.
exec 9> "${TMPDIR:-/tmp}/estiba-k8s-rollout.lock"
flock --timeout 300 9

# Under the name that the manifest has for it.
podman tag "$image" "localhost/$(sed -nE 's/^ +image: *//p' k8s/statefulset.yaml)"
journal=$work/journal
: > "$journal"
status=0
ESTIBA_TEST_JOURNAL=$journal ESTIBA_TEST_ENTRY=k8s_rollout timeout 300 "$program" 9>&- || status=$?
passed=$(grep -c '^passed' "$journal" || true)
failed=$(grep -c '^failed' "$journal" || true)
# A case that neither passed nor failed is one in which the program ended.
[ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
printf '%d passed, %d failed\n' "$passed" "$failed"
exit $status
