# Where everything lives. Sourced by every script here; $here is tests/cluster.
# shellcheck shell=bash disable=SC2034

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# State is outside the checkout, so that every checkout on a machine sees the
# same cluster: the addresses, cgroups and bridge are the machine's, not ours.
state=${BACKSTAY_STATE:-/run/backstay-test}
cache=${BACKSTAY_CACHE:-$HOME/.cache/backstay}

# Binaries are kept by what they are made from: a changed pin builds beside the
# old ones, and a running cluster keeps the files it was started from.
bin=$cache/bin-$(cd "$here" && LC_ALL=C &&
  cat build requirements.txt go/*/go.* go/*/*.go | sha256sum | cut -c1-12)

# The bridge has one address per node; pods get theirs from the same network.
bridge=backstay0
nodes=(node-a node-b)
declare -A node_address=([node-a]=10.222.0.1 [node-b]=10.222.0.2)
bridge_address=${node_address[node-a]}
pod_network=10.222.0.0/16
service_network=10.223.0.0/16
first_service_address=10.223.0.1

# Below both the node port range and the kernel's range for outgoing connections.
minio_port=29000
moto_port=29001

# Takes the one lock of these scripts, until this script ends. Programs that are
# started must not inherit descriptor 9, or they would hold it for good.
take_lock() {
  mkdir -p "$cache"
  exec 9<"$cache"
  flock 9
}

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# retry SECONDS COMMAND…: until it succeeds, or fails when the time is over.
retry() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}
