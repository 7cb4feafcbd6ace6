#!/bin/bash
# Installs a linter into a folder of the build, once, and shows it the Dockerfile.
#
#   tests/image/lint/run.sh BUILD_DIRECTORY DOCKERFILE
set -euo pipefail
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
dockerfile=$(realpath "$2")
work=$(realpath "$1")/dockerfile-lint
mkdir -p "$work"
# Exactly the versions and contents that package-lock.json names; no package's scripts are run.
if ! cmp -s "$here/package-lock.json" "$work/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$work/"
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier)
  cp "$here/package-lock.json" "$work/installed.json"
fi
exec node "$work/node_modules/dockerfile-utils/bin/dockerfile-utils" lint "$dockerfile"
