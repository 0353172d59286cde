# What the cluster changes on the machine outside its state directory, and how
# each of these changes is taken back.
# shellcheck shell=bash disable=SC2154

cgroup=backstay-test
# One hierarchy is enough to find our programs again.
# shellcheck disable=SC2034 # Used where they are started.
program_cgroup=/sys/fs/cgroup/pids/$cgroup/programs

# Written by kubelet and by the bridge plugin when they start.
sysctls=(
  kernel/keys/root_maxbytes kernel/keys/root_maxkeys kernel/panic kernel/panic_on_oops
  net/ipv4/ip_forward vm/overcommit_memory vm/panic_on_oom
)

# Paths that are fixed in the programs; no setting moves them.
fixed_paths=(
  /run/containerd /var/lib/cni /var/lib/kubelet /var/log/containers /run/mount
)

# Must run before anything starts; the record outlives a crash of this script.
remember_machine() {
  local path
  for path in "${fixed_paths[@]}"; do
    [[ -e $path ]] || echo "$path"
  done >"$dir/absent-paths"
  for path in "${sysctls[@]}"; do
    [[ ! -e /proc/sys/$path ]] || echo "$path $(<"/proc/sys/$path")"
  done >"$dir/sysctls"
}

restore_machine() {
  [[ -e $dir/sysctls ]] || return 0
  local path value
  while read -r path; do rm -rf "$path"; done <"$dir/absent-paths"
  while read -r path value; do echo "$value" >"/proc/sys/$path"; done <"$dir/sysctls"
}

# A node's address must be on an interface of the machine before its kubelet
# starts. The bridge plugin wants the pods' gateway to be the bridge's first
# address. The hardware address is fixed, or it would change with each pod that
# comes and goes and leave the other pods with a stale neighbour.
make_bridge() {
  local node
  ip link add "$bridge" address 02:62:61:63:6b:01 type bridge
  for node in "${nodes[@]}"; do
    ip address add "${node_address[$node]}/${pod_network#*/}" dev "$bridge"
  done
  ip link set "$bridge" up
}

remove_bridge() {
  local port
  for port in /sys/class/net/"$bridge"/brif/*; do
    [[ ! -e $port ]] || ip link delete "${port##*/}" 2>/dev/null || true
  done
  ip link delete "$bridge" 2>/dev/null || true
}

# Each kubelet needs a cgroup root of its own, or it removes the other's pods as
# orphans. A new cpuset holds no processor and no memory until they are written.
make_cgroups() {
  [[ -e /sys/fs/cgroup/pids/cgroup.procs ]] ||
    fail "this cluster was made for cgroup v1, which this machine does not have"
  local hierarchy name file
  for hierarchy in /sys/fs/cgroup/*/; do
    for name in "$cgroup" "$cgroup/programs" "${nodes[@]/#/$cgroup/}"; do
      mkdir -p "$hierarchy$name"
      for file in cpuset.cpus cpuset.mems; do
        [[ ! -e $hierarchy$file ]] || cat "$hierarchy$file" >"$hierarchy$name/$file"
      done
    done
  done
}

# Ends what is in our cgroups: containers, their shims, and programs of an `up`
# that died before it could record them.
empty_cgroups() {
  retry 10 kill_in_cgroups || fail "processes in cgroup $cgroup do not end"
}

kill_in_cgroups() {
  local pids
  mapfile -t pids < <(cgroup_processes)
  ((${#pids[@]})) || return 0
  kill -KILL "${pids[@]}" 2>/dev/null
  return 1
}

cgroup_processes() {
  [[ ! -e /sys/fs/cgroup/pids/$cgroup ]] ||
    find "/sys/fs/cgroup/pids/$cgroup" -name cgroup.procs -exec cat {} +
}

remove_cgroups() {
  retry 5 remove_empty_cgroups || fail "cgroup $cgroup cannot be removed"
}

remove_empty_cgroups() {
  local roots=(/sys/fs/cgroup/*/"$cgroup")
  [[ ! -e ${roots[0]} ]] || find "${roots[@]}" -depth -type d -exec rmdir {} +
}

# Deepest first. Sandboxes' network namespaces are mounts here as well.
unmount_state() {
  local mounts
  mapfile -t mounts < <(awk -v dir="$dir/" 'index($2, dir) == 1 {print $2}' /proc/mounts | sort -r)
  ((${#mounts[@]} == 0)) || umount --no-canonicalize "${mounts[@]}"
}

remove_service_rules() {
  local family
  for family in ip ip6; do
    nft delete table "$family" kube-proxy 2>/dev/null || true
  done
}
