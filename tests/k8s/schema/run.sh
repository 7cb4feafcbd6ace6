#!/bin/bash
# Installs what check.mjs needs into a folder of the build, once, and runs it.
#
#   tests/k8s/schema/run.sh BUILD_DIRECTORY
set -euo pipefail
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
work=$(realpath "$1")/k8s-schema
mkdir -p "$work"
# Exactly the versions and contents that package-lock.json names; no package's scripts are run.
if ! cmp -s "$here/package-lock.json" "$work/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$work/"
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier)
  cp "$here/package-lock.json" "$work/installed.json"
fi
exec node "$here/check.mjs" "$(realpath "$here/../../..")" "$work/node_modules"
