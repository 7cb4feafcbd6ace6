#!/bin/bash
# The container images as their users meet them: what is in them, and that they run, with podman. Needs root.
#
#   tests/image/run.sh BUILD_DIRECTORY BROKER_IMAGE CLI_IMAGE
#
# The build has image_crowd, made from crowd.cc. Counts its checks: the last line is "N passed, N failed".
set -uo pipefail
build=$(realpath "$1")
image=$2
cli_image=$3
crowd=$build/tests/bin/image_crowd
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
chmod 755 "$work"
. docker/podman.sh "$work"
container=estiba-image-test-$$
crowd_pid=
passed=0
failed=0

end_crowd() {
  [ -n "$crowd_pid" ] || return 0
  kill -KILL "$crowd_pid"
  wait "$crowd_pid"
  crowd_pid=
} 2> /dev/null
remove() {
  end_crowd
  podman rm --force --time 0 --ignore "$container" > /dev/null 2>&1
}
project=
compose() { timeout 60 podman-compose --project-name "$project" --file "$PWD/docker/compose.yaml" "$@" < /dev/null; }
end_compose() {
  [ -n "$project" ] || return 0
  compose down > /dev/null 2>&1
  # Which older versions leave behind.
  podman network rm --force "${project}_default" > /dev/null 2>&1
  project=
}
trap 'remove; end_compose; rm -rf "$work"' EXIT

section() { printf '\n--- %s\n' "$*"; }
say() { printf '    %s\n' "$*"; }

# check SENTENCE COMMAND...: the sentence is true if the command succeeds.
check() {
  local sentence=$1
  shift
  if "$@" > "$work/output" 2>&1; then
    passed=$((passed + 1))
    printf 'ok      %s\n' "$sentence"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$sentence"
    printf '        %s\n' "$*"
    tail -n 20 "$work/output" | sed 's/^/        /'
  fi
}

equal() { [ "$1" = "$2" ] || { printf 'expected: %s\nfound:    %s\n' "$2" "$1"; false; }; }
at_most() { [ "$1" -le "$2" ] || { printf '%s is more than %s\n' "$1" "$2"; false; }; }
contains() { [[ $1 == *"$2"* ]] || { printf 'not in it: %s\nall of it: %s\n' "$2" "$1"; false; }; }
fails() { ! "$@"; }

# --- what is in an image ----------------------------------------------------------------------------

of_image() { podman image inspect --format "$2" "$1"; }
megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }

# Copies what is in the image $1 to the directory $2.
unpack() {
  cp -a "$(podman image mount "$1")" "$2"
  podman image unmount "$1" > /dev/null
}
files_in() { (cd "$1" && find . -not -type d | sort | tr '\n' ' '); }

look_into() {
  local name=$1 program=$2 root=$work/$2 size
  section "The image $name"
  unpack "$name" "$root"
  size=$(of_image "$name" '{{.Size}}')
  say "$(megabytes "$size"), $program $(stat -c %s "$root/usr/bin/$program") bytes, sha256 $(sha256sum < "$root/usr/bin/$program" | cut -d' ' -f1)"
  check "is at most 25 MB" at_most "$size" 25000000
  check "holds the program and the certificates of authorities: no shell, no package manager, no library" \
    equal "$(files_in "$root")" "./etc/ssl/certs/ca-certificates.crt ./usr/bin/$program "
  check "has certificates that a program can read" grep -q 'BEGIN CERTIFICATE' "$root/etc/ssl/certs/ca-certificates.crt"
  check "has a program that needs no loader" fails grep -qa '/ld-linux' "$root/usr/bin/$program"
  check "names nothing of the place where it was built" fails grep -qaE '/source/|/ccache' "$root/usr/bin/$program"
  check "has no program that is more than its user" equal "$(find "$root" -perm /6000)" ''
  check "runs as user and group 65532" equal "$(of_image "$name" '{{.User}}')" 65532:65532
  check "starts $program, not by a shell" equal "$(of_image "$name" '{{.Config.Entrypoint}} {{.Config.Cmd}}')" "[/usr/bin/$program] []"
  check "is labelled with the program's version" \
    equal "$program $(of_image "$name" '{{index .Labels "org.opencontainers.image.version"}}')" "$("$root/usr/bin/$program" --version | grep -oE 'estiba.*' || true)"
  check "is labelled with its source's revision, title and licence" \
    equal "$(of_image "$name" '{{index .Labels "org.opencontainers.image.revision"}} {{index .Labels "org.opencontainers.image.title"}} {{index .Labels "org.opencontainers.image.licenses"}}')" \
    "$(git rev-parse HEAD 2> /dev/null || echo unknown) $program Apache-2.0"
  check "has no shell to start" fails podman run --rm --entrypoint /bin/sh "$name" -c true
}

# --- a container ------------------------------------------------------------------------------------

# The way it should be run anywhere: nothing to write to, no rights, limits. More options may follow.
limits=(--read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges --pids-limit 128
  --memory 128m --memory-swap 128m)
create() {
  podman create --name "$container" --publish 127.0.0.1::8085 "$@" > /dev/null
}
# Starts it, and returns when it is serving.
start() {
  podman start "$container" > /dev/null || return 1
  server=127.0.0.1:$(podman port "$container" 8085/tcp | sed 's/.*://')
  serving
}
serving() {
  local i
  for ((i = 0; i < 3000; i++)); do
    ! health 2> /dev/null || return 0
    sleep 0.002
  done
  podman logs "$container"
  return 1
}
health() { "$work/estibad/usr/bin/estibad" health --server "$server" "$@" > /dev/null; }
estiba() { podman run --rm --network host --read-only --cap-drop all --volume "$work:/input:ro" "$cli_image" --server "$server" "$@"; }
of_container() { podman inspect --format "$1" "$container"; }
of_process() { awk -v field="$1:" '$1 == field { print $2 }' "/proc/$(of_container '{{.State.Pid}}')/status"; }
log_field() { podman logs "$container" 2>&1 | grep -oE "\"$1\":[^,}]*" | head -n 1 | cut -d: -f2-; }

# The cgroup's own account, of version 1 or 2.
cgroup_file() {
  local path name
  path=$(of_container '{{.State.CgroupPath}}')
  for name in "$@"; do
    for name in "/sys/fs/cgroup/memory$path/$name" "/sys/fs/cgroup$path/$name"; do
      if [ -e "$name" ]; then cat "$name"; return; fi
    done
  done
}
killed_for_memory() { cgroup_file memory.oom_control memory.events | awk '$1 == "oom_kill" { print $2 }'; }
mebibytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'; }

free_port() {
  local port
  for ((port = 20000 + RANDOM % 10000; ; port++)); do
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || break
  done
  echo $port
}

# Milliseconds from the start of a container (of podman, which takes most of it) to its first SERVING:
# the best of five. With the machine's own network: to set up another is podman's work, and slow.
start_time() {
  local i begin ms best=1000000 all= port
  port=$(free_port)
  server=127.0.0.1:$port
  podman create --name "$container" --network host --env "ESTIBA_PORT=$port" "${limits[@]}" "$image" > /dev/null
  for ((i = 0; i < 5; i++)); do
    begin=${EPOCHREALTIME/[.,]/}
    podman start "$container" > /dev/null && serving >&2 || break
    ms=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
    all+=" $ms"
    [ $ms -ge $best ] || best=$ms
    podman stop --time 30 "$container" > /dev/null
  done
  remove
  say "start to first SERVING:$all ms; load of the machine $(cut -d' ' -f1 /proc/loadavg)" >&2
  echo $best
}

serve_and_stop() {
  section "A container of $image, with nothing to write to, no rights, 128 MiB"
  local start_ms
  start_ms=$(start_time)
  # A busy machine is not to be judged.
  if awk -v cores="$(nproc)" '{ exit $1 > 1.5 * cores }' /proc/loadavg; then
    check "is serving within 300 ms of its start (the best of five)" at_most "$start_ms" 300
  else
    say "not judged: other work keeps this machine busy"
  fi
  create "${limits[@]}" "$image"
  check "is serving after its start" start
  check "runs as user 65532" equal "$(of_process Uid)" 65532
  check "has no capabilities" equal "$(of_process CapEff) $(of_process CapBnd)" '0000000000000000 0000000000000000'
  check "can get no new rights" equal "$(of_process NoNewPrivs)" 1
  check "has a budget of half its memory limit" equal "$(log_field memory_budget_bytes)" $((64 << 20))
  check "logs JSON, as nobody watches" contains "$(podman logs "$container" 2>&1)" '{"time":"'
  check "is healthy, by its own HEALTHCHECK" podman healthcheck run "$container"
  check "is ready, asked by name from inside" podman exec "$container" estibad health --service readiness
  check "is not healthy where the service is unknown" fails podman exec "$container" estibad health --service nothing

  estiba pub hello 'my first message' --quiet
  check "keeps a message for the consumer to come" \
    equal "$(estiba sub hello --subscription hello --count 1 --raw)" 'my first message'
  seq 1 100000 > "$work/lines"
  estiba pub lines --file /input/lines --quiet
  check "gives 100000 lines back, unchanged and in order" \
    cmp "$work/lines" <(estiba sub lines --subscription lines --count 100000 --raw)

  kill -STOP "$(of_container '{{.State.Pid}}')"
  check "is not healthy while its process stands still" fails podman healthcheck run "$container"
  kill -CONT "$(of_container '{{.State.Pid}}')"
  serving
  check "is healthy again when it goes on" podman healthcheck run "$container"

  estiba pub left 'nobody wants this' --quiet
  podman kill --signal TERM "$container" > /dev/null
  check "ends by itself on SIGTERM, with exit code 0" equal "$(podman wait "$container")" 0
  check "said what had not been consumed" contains "$(podman logs "$container" 2>&1)" '"topic":"left","messages":1'
  remove

  section "A container of $image with podman's defaults"
  create "$image"
  check "is all that a developer needs" start
  check "has a budget from the machine's memory" \
    equal "$(log_field memory_budget_bytes)" "$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 / 2 }' /proc/meminfo)"
  check "stops when it is told to" podman stop --time 30 "$container"
  check "has exit code 0 then" equal "$(of_container '{{.State.ExitCode}}')" 0
  remove
}

# --- compose ----------------------------------------------------------------------------------------

# What docker/compose.yaml says at its top, with the images that are there.
bring_up_compose() {
  local own=$container profile=()
  section "docker/compose.yaml, by podman-compose"
  project=estiba-image-test-$$
  ESTIBA_HOST_PORT=$(free_port)
  export ESTIBA_HOST_PORT
  server=127.0.0.1:$ESTIBA_HOST_PORT
  check "comes up" compose up --detach --no-build
  check "serves on the port of this machine that it is told" serving
  # The command line is in a profile, of which Docker Compose knows by itself. Newer versions of podman-compose are to
  # be told; older ones know no profiles.
  ! podman-compose --help 2>&1 | grep -q -e --profile || profile=(--profile cli)
  compose "${profile[@]}" run --rm --no-deps -T cli pub hello 'my first message' > /dev/null 2>&1
  check "has a command line that finds the broker by its name" \
    contains "$(compose "${profile[@]}" run --rm --no-deps -T cli sub hello --subscription s --count 1 --raw 2>&1)" 'my first message'
  container=$(podman ps --quiet --filter "label=com.docker.compose.project=$project" --filter label=com.docker.compose.service=broker)
  check "limits the broker's memory, of which it takes half" \
    equal "$(of_container '{{.HostConfig.Memory}}') $(log_field memory_budget_bytes)" "$((256 << 20)) $((128 << 20))"
  check "gives it nothing to write to and no rights" \
    equal "$(of_container '{{.HostConfig.ReadonlyRootfs}} {{.EffectiveCaps}}') $(of_process NoNewPrivs)" 'true [] 1'
  container=$own
  end_compose
  check "goes down again" equal "$(podman ps --all --quiet --filter "label=com.docker.compose.project=estiba-image-test-$$")" ''
}

# --- memory -----------------------------------------------------------------------------------------

say_resident() { say "resident before the flood: $(($(of_process VmRSS) / 1024)) MiB"; }

# Publishes more than there is room for, to the topic $1; then looks at what became of the broker.
flood() {
  local status=0
  estiba pub "$1" --file /input/flood --retry 1s > "$work/flood.log" 2>&1 || status=$?
  say "$(head -n 1 "$work/flood.log" | cut -c1-150)"
  check "a flood is refused: exit code 5, RESOURCE_EXHAUSTED" equal "$status" 5
  [ -z "$crowd_pid" ] || check "the subscribers are still there" kill -0 "$crowd_pid"
  look_at_memory
}
look_at_memory() {
  say "most memory of the container: $(mebibytes "$(cgroup_file memory.max_usage_in_bytes memory.peak)") of 128 MiB; resident now: $(($(of_process VmRSS) / 1024)) MiB, at most $(($(of_process VmHWM) / 1024)) MiB"
  check "the container was not killed for memory" equal "$(of_container '{{.State.Status}} {{.State.OOMKilled}}') $(killed_for_memory)" 'running false 0'
  check "the broker is serving" serving
}

# Subscribers of the topic $1, each with its own connection, that take nothing.
subscribers() {
  # Opened here and not in the child, which may come to it late; and nothing of the crowd before.
  mkfifo "$work/end"
  exec {crowd_input}<> "$work/end"
  rm -f "$work/end" "$work/crowd"
  : > "$work/crowd"
  "$crowd" "$server" "$1" "$2" <&"$crowd_input" > "$work/crowd" 2> "$work/crowd.log" &
  crowd_pid=$!
  local i
  for ((i = 0; i < 600; i++)); do
    ! grep -q ready "$work/crowd" || break
    kill -0 $crowd_pid 2> /dev/null || { cat "$work/crowd.log"; return 1; }
    sleep 0.1
  done
  grep -q ready "$work/crowd" && kill -0 $crowd_pid
}

# Publishers that send the largest messages all at once, more than there is room for while they are on
# their way.
crush() {
  local i codes='' publishers=()
  head -c 10000000 /dev/zero > "$work/large"
  for ((i = 0; i < 12; i++)); do
    "$work/estiba/usr/bin/estiba" --server "$server" pub "large-$i" --whole --file "$work/large" --repeat 20 --retry 0s \
      > /dev/null 2>&1 &
    publishers+=($!)
  done
  for i in "${publishers[@]}"; do
    wait "$i"
    codes+=" $?"
  done
  say "exit codes of the publishers:$codes"
  look_at_memory
}

stay_within_memory() {
  yes 'A line of a log that nobody has read yet, a hundred and some bytes long, as they are in most places, once more.' |
    head -n 2000000 > "$work/flood"

  section "A flood of $(mebibytes "$(stat -c %s "$work/flood")") without a consumer, in 128 MiB"
  create "${limits[@]}" "$image"
  start
  say_resident
  flood flood
  check "what was taken comes back" \
    cmp <(head -n 100000 "$work/flood") <(estiba sub flood --subscription s --count 100000 --raw)
  remove

  section "Twelve publishers of messages of 10 MB, in 128 MiB"
  create "${limits[@]}" "$image"
  start
  crush
  remove

  section "The flood beside 500 subscribers that wait for another topic"
  create "${limits[@]}" "$image"
  start
  check "500 subscribers are connected" subscribers quiet 500
  say_resident
  flood flood
  remove

  section "The same to 500 subscribers that take nothing"
  create "${limits[@]}" "$image"
  start
  check "500 subscribers are connected" subscribers flood 500
  say_resident
  flood flood
  remove

  section "The same to 500 subscribers whose process stands still"
  create "${limits[@]}" "$image"
  start
  check "500 subscribers are connected" subscribers flood 500
  say_resident
  kill -STOP $crowd_pid
  flood flood
  kill -CONT $crowd_pid
  remove
}

printf 'With %s, %s, cgroups %s\n' "$(podman --version)" "$(podman info --format '{{.Host.OCIRuntime.Name}} {{.Host.Kernel}}' 2> /dev/null)" \
  "$(podman info --format '{{.Host.CgroupsVersion}}' 2> /dev/null)"
section "docker/Dockerfile"
check "has no mistake that a linter knows" tests/image/lint/run.sh "$build" docker/Dockerfile
look_into "$image" estibad
look_into "$cli_image" estiba
serve_and_stop
bring_up_compose
stay_within_memory
printf '\n%d passed, %d failed\n' $passed $failed
[ $failed -eq 0 ] && [ $passed -gt 0 ]
