# What podman needs beyond its defaults, to be sourced: . docker/podman.sh DIRECTORY
#
# DIRECTORY is for a configuration of its own, where one is needed: as root on a machine without systemd (a container,
# a CI machine). Nothing is written outside of it.

# The other format, OCI, has no place for a HEALTHCHECK.
export BUILDAH_FORMAT=docker

if [ "$(id -u)" -eq 0 ] && [ ! -d /run/systemd/system ]; then
  mkdir -p "$1"
  # Limits of our own, for podman's defaults may be more than this process is allowed to set. runc, as crun does not
  # take a machine with both versions of cgroups.
  cat > "$1/containers.conf" <<TEXT
[containers]
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=4096:4096"]
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
TEXT
  CONTAINERS_CONF=$(realpath "$1")/containers.conf
  # Health checks are run by hand (podman healthcheck run): there are no timers for them.
  export CONTAINERS_CONF BUILDAH_ISOLATION=chroot DISABLE_HC_SYSTEMD=true
fi
