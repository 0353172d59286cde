# One authority, one key pair per component, and kubeconfigs that embed them.
# Everything is made anew with each cluster: nothing here is worth keeping.
# shellcheck shell=bash disable=SC2154

make_authority() {
  mkdir -p "$pki"
  new_key ca
  openssl req -x509 -new -key "$pki/ca.key" -subj /CN=backstay-test -days 30 -out "$pki/ca.crt"
  # The pair that signs the tokens of service accounts; only the key is used.
  new_key service-accounts
}

new_key() {
  openssl ecparam -genkey -noout -name prime256v1 -out "$pki/$1.key"
}

# certificate NAME SUBJECT [SAN]. Kubernetes reads the user from CN, groups from O.
certificate() {
  local name=$1 subject=$2 san=${3:-DNS:$1}
  new_key "$name"
  openssl req -new -key "$pki/$name.key" -subj "$subject" |
    openssl x509 -req -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 30 \
      -extfile <(echo "subjectAltName=$san") -out "$pki/$name.crt" 2>/dev/null
}

# kubeconfig NAME SUBJECT: a certificate, and $dir/NAME.kubeconfig that uses it.
kubeconfig() {
  local name=$1
  certificate "$name" "$2"
  (umask 077 && cat >"$dir/$name.kubeconfig") <<END
apiVersion: v1
kind: Config
current-context: backstay-test
clusters:
  - name: backstay-test
    cluster:
      server: https://$bridge_address:6443
      certificate-authority-data: $(base64 -w0 "$pki/ca.crt")
users:
  - name: $name
    user:
      client-certificate-data: $(base64 -w0 "$pki/$name.crt")
      client-key-data: $(base64 -w0 "$pki/$name.key")
contexts:
  - name: backstay-test
    context: {cluster: backstay-test, user: $name}
END
}
