# A node: a containerd and a kubelet. Both nodes are on this machine, so each
# has its own directory, sockets, cgroup root and address.
# shellcheck shell=bash disable=SC2154

pause_image=backstay.test/pause:1

# Pods of both nodes share one bridge and one list of addresses in use.
write_network() {
  mkdir -p "$dir/cni"
  cat >"$dir/cni/backstay.conflist" <<END
{
  "cniVersion": "1.0.0",
  "name": "backstay-test",
  "plugins": [{
    "type": "bridge",
    "bridge": "$bridge",
    "isGateway": true,
    "hairpinMode": true,
    "ipam": {
      "type": "host-local",
      "dataDir": "$dir/addresses",
      "ranges": [[{
        "subnet": "$pod_network",
        "rangeStart": "${pod_network%.*.*}.1.1",
        "gateway": "$bridge_address"
      }]],
      "routes": [{"dst": "0.0.0.0/0"}]
    }
  }]
}
END
}

# restrict_oom_score_adj: without CAP_SYS_RESOURCE no score may be lowered, and
# the sandbox fails with "can't get final child's PID".
start_containerd() {
  local node=$1
  local root=$dir/$node/containerd
  mkdir -p "$root"
  cat >"$root/config.toml" <<END
version = 2
root = "$root/root"
state = "$root/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "$root/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "$root/runc"
END
  start_program "containerd-$node" containerd --config "$root/config.toml" --log-level warn
}

# containers NODE ARGUMENT…: ctr in the namespace that kubelet looks in.
containers() {
  ctr --address "$dir/$1/containerd/containerd.sock" --namespace k8s.io "${@:2}"
}

# The two programs with fixed default ports, kubelet's API and its health check,
# listen on the node's own address, so the ports are the usual ones.
# The iptables chains are for kube-proxy's iptables mode; ours uses nftables.
start_kubelet() {
  local node=$1
  local root=$dir/$node/kubelet address=${node_address[$node]}
  mkdir -p "$root"
  cat >"$root/config.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
healthzBindAddress: $address
containerRuntimeEndpoint: unix://$dir/$node/containerd/containerd.sock
cgroupRoot: /$cgroup/$node
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
podLogsDir: $dir/$node/pod-logs
volumePluginDir: $root/volume-plugins
authentication:
  x509: {clientCAFile: $pki/ca.crt}
# The machine's disk is shared and may be nearly full: that is no reason to evict.
evictionHard: {memory.available: 100Mi, nodefs.available: "0%", imagefs.available: "0%"}
imageGCHighThresholdPercent: 100
END
  start_program "kubelet-$node" "$bin/kubernetes" kubelet \
    --config="$root/config.yaml" --kubeconfig="$dir/$node.kubeconfig" \
    --root-dir="$root" --cert-dir="$root/pki" \
    --hostname-override="$node" --node-ip="$address"
}
