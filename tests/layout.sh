#!/bin/bash
# Keeps the arrows between the folders true, and the top level what it is meant to be.
#
#   tests/layout.sh [REPOSITORY]
#
# A rule says what a folder may include of ours. What it includes by the path of another folder that the
# rule does not name is an arrow in the wrong direction.
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"
broken=0

complain() {
  printf '%s\n' "$*"
  broken=$((broken + 1))
}

# The quoted and bracketed includes of a folder, as FILE:LINE:PATH.
includes() {
  grep -rnoE --include='*.h' --include='*.cc' '^ *# *include *[<"][^">]+' "$1" |
    sed -E 's/ *# *include *[<"]//'
}

# may_include FOLDER REGEX: of this repository's own headers, FOLDER includes only what matches.
may_include() {
  local folder=$1 allowed=$2 line
  [ -d "$folder" ] || { complain "$folder: not there; mend this test's rules"; return; }
  while IFS= read -r line; do
    [[ ${line##*:} =~ ^($allowed) ]] || complain "$line: $folder may include only $allowed"
  done < <(includes "$folder" | grep -E ':(broker|client|tests|estiba|proto)/' || true)
}

# may_not_include FOLDER REGEX WHY
may_not_include() {
  local line
  while IFS= read -r line; do complain "$line: $3"; done < <(includes "$1" | grep -E ":($2)" || true)
}

may_include broker/base 'broker/base/'
# (Its one atomic type is a simulated one where tests/queue compiles it so.)
may_include broker/queue 'broker/(base|queue)/|tests/queue/simulation/atomic\.h'
may_include broker/engine 'broker/(base|queue|engine)/'
may_include broker/runtime 'broker/(base|queue|engine|runtime)/'
may_include broker/rpc 'broker/(base|queue|engine|ops|rpc)/|estiba/(v1|status)/[a-z_]+\.pb\.h'
may_include broker/ops 'broker/(base|queue|engine|ops)/|estiba/(v1|status)/[a-z_]+\.pb\.h'
may_include client/include 'estiba/[a-z_]+\.h'
may_include client/src 'client/src/|estiba/[a-z_]+\.h|estiba/(v1|status)/[a-z_]+\.pb\.h'
may_include client/cli 'client/cli/|estiba/[a-z_]+\.h'
for folder in broker/base broker/queue broker/engine broker/runtime client/include; do
  may_not_include $folder 'grpc|google/protobuf/|.*\.pb\.h$' "no gRPC or protobuf types in $folder"
done
for folder in broker/base broker/queue broker/engine broker/runtime broker/rpc client; do
  may_not_include $folder 'spdlog/' 'logs are written in broker/ops'
done

# A subfolder of the broker that no rule above covers.
for folder in broker/*/; do
  case $folder in broker/base/ | broker/queue/ | broker/engine/ | broker/runtime/ | broker/rpc/ | broker/ops/ | broker/docs/) ;;
    *) complain "$folder: which folders may it include? Add a rule" ;; esac
done

# The top level, as drawn. build/ and dotfiles are the developer's own.
for entry in *; do
  case $entry in
    broker | proto | client | docker | k8s | tests | build | CMakeLists.txt | CMakePresets.json | LICENSE | README.md | dev) ;;
    compile_commands.json) ;;
    *) complain "$entry: does not belong to the top level" ;;
  esac
done
for entry in broker proto client docker k8s tests CMakeLists.txt CMakePresets.json LICENSE README.md dev; do
  [ -e "$entry" ] || complain "$entry: missing from the top level"
done
for folder in broker proto client docker k8s tests broker/*/; do
  [ "$folder" != broker/docs/ ] || continue
  [ -e "${folder%/}/README.md" ] || complain "${folder%/}: has no README.md that says what lives there"
done

if [ $broken -gt 0 ]; then
  printf '%d broken rules\n' $broken
  exit 1
fi
echo "The arrows between the folders are as drawn"
