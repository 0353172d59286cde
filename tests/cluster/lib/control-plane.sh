# The programs that make an API server and act on what it holds.
# shellcheck shell=bash disable=SC2154

make_credentials() {
  make_authority
  certificate apiserver /CN=kube-apiserver \
    "IP:$bridge_address,IP:127.0.0.1,IP:$first_service_address,DNS:kubernetes.default.svc"
  kubeconfig admin /O=system:masters/CN=admin
  kubeconfig controller-manager /CN=system:kube-controller-manager
  kubeconfig scheduler /CN=system:kube-scheduler
  kubeconfig proxy /CN=system:kube-proxy
  local node
  for node in "${nodes[@]}"; do
    kubeconfig "$node" "/O=system:nodes/CN=system:node:$node"
  done
}

# The data is gone with the cluster, so etcd need not wait for the disk. Its
# client port has no password: this is why it listens on the loopback only.
start_etcd() {
  start_program etcd "$bin/kubernetes" etcd \
    --name=backstay-test --data-dir="$dir/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls="$etcd" --advertise-client-urls="$etcd" \
    --listen-peer-urls=http://127.0.0.1:29003
}

start_apiserver() {
  start_program apiserver "$bin/kubernetes" kube-apiserver \
    --etcd-servers="$etcd" \
    --bind-address="$bridge_address" --advertise-address="$bridge_address" \
    --service-cluster-ip-range="$service_network" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --allow-privileged=true \
    --client-ca-file="$pki/ca.crt" \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --kubelet-preferred-address-types=InternalIP \
    --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$pki/service-accounts.key" \
    --service-account-signing-key-file="$pki/service-accounts.key"
}

# There is one of each, so nothing is gained by an election, and it takes seconds.
start_controllers() {
  start_program controller-manager "$bin/kubernetes" kube-controller-manager \
    --kubeconfig="$dir/controller-manager.kubeconfig" \
    --leader-elect=false --secure-port=0 --use-service-account-credentials=true \
    --service-account-private-key-file="$pki/service-accounts.key" \
    --root-ca-file="$pki/ca.crt" --flex-volume-plugin-dir="$dir/volume-plugins"
  start_program scheduler "$bin/kubernetes" kube-scheduler \
    --kubeconfig="$dir/scheduler.kubeconfig" --leader-elect=false --secure-port=0
}

# One for both nodes, since they share the machine's network. Both nodes' pods
# are on one bridge, where an answer would go straight back to the client and not
# through the rule that changed the question's address: hence masqueradeAll.
# The conntrack zeros leave the machine's own limits as they are.
start_proxy() {
  cat >"$dir/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: ${nodes[0]}
clusterCIDR: $pod_network
clientConnection: {kubeconfig: $dir/proxy.kubeconfig}
healthzBindAddress: $bridge_address:10256
metricsBindAddress: $bridge_address:10249
nftables: {masqueradeAll: true}
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END
  start_program proxy "$bin/kubernetes" kube-proxy --config="$dir/proxy.yaml"
}
