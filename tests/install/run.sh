#!/bin/bash
# Installs a build, finds it from another project, and sends a message with what was installed.
#
#   tests/install/run.sh BUILD_DIRECTORY
set -euo pipefail
build=$(realpath "$1")
project=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/project
cmake=${CMAKE_COMMAND:-cmake}
work=$(mktemp -d)
daemon=
cleanup() {
  [ -z "$daemon" ] || kill "$daemon" 2> /dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

"$cmake" --install "$build" --prefix "$work/prefix" > "$work/install.log"
sed "s#$work/prefix#PREFIX#" "$work/install.log"
# Nothing of the build tree or the sources may be needed: the other project sees the prefix alone.
if grep -rlF -e "$build" "$work/prefix" --include='*.cmake'; then
  echo "the files above name the build tree"
  exit 1
fi
"$cmake" -G Ninja -S "$project" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Debug
"$cmake" --build "$work/build"

"$work/prefix/bin/estiba" --version
"$work/prefix/bin/estibad" --listen-address 127.0.0.1 --port 0 > "$work/estibad.log" 2>&1 &
daemon=$!
for ((i = 0; i < 1000; i++)); do
  port=$(grep -oE 'Server started, listening on [^ "]*[0-9]+' "$work/estibad.log" | grep -oE '[0-9]+$') && break
  kill -0 $daemon || { cat "$work/estibad.log"; exit 1; }
  sleep 0.02
done
"$work/build/greet" "127.0.0.1:$port" | tee "$work/answer"
grep -qx 'received: hello from another project' "$work/answer"
