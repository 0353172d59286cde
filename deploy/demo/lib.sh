# What both demos need. Sourced; $root is the repository.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# All that the demos write, besides what is in the cluster and in the stores.
work=$root/target/demo

if [[ -t 1 ]]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi

# step TEXT: what is going to be shown, and why.
step() {
  printf '\n%s== %s%s\n' "$bold" "$*" "$plain"
}

# show COMMAND…: a command as a reader would type it, and its output.
show() {
  printf '%s$ %s%s\n' "$bold" "${*/#"$root"\//}" "$plain"
  "$@"
}

fail() {
  echo "demo: $*" >&2
  exit 1
}

require() {
  [[ $EUID == 0 ]] || fail "this must run as root: it installs packages and starts services"
  [[ -e /etc/debian_version ]] || fail "this needs Debian: it installs packages with apt-get"
  local tool
  for tool in cargo:"Rust, https://rustup.rs" go:"Go 1.26, https://go.dev/dl" python3:"the package python3" apt-get:apt; do
    command -v "${tool%%:*}" >/dev/null || fail "${tool%%:*} is missing: install ${tool#*:}"
  done
}

# Ends the demo where the stores or the cluster cannot be had; their scripts say why.
bring_up() {
  "$root/tests/cluster/$1" up
  eval "$("$root/tests/cluster/cluster" env)"
  eval "$("$root/tests/cluster/stores" env)"
  python=$(dirname "$(readlink -f "$(command -v moto_server)")")/python3
}

store() {
  AWS_DEFAULT_REGION=$AWS_REGION "$python" "$root/deploy/demo/store" "$@"
}

# real_files DIR: documents, photos and tables that are on every such machine.
real_files() {
  mkdir -p "$1/contracts" "$1/photos/2026" "$1/database" "$1/empty folder"
  cp -a /usr/share/doc/[a-g]* "$1/contracts/"
  cp -a "$(go env GOROOT)"/src/image/testdata/*.{png,jpeg,gif} "$1/photos/2026/"
  dpkg-query --show --showformat '"${Package}","${Version}",${Installed-Size}\n' >"$1/database/packages.csv"
  printf 'create table packages (name text, version text, size integer);\n' >"$1/database/packages.sql"
  ln -s contracts "$1/newest"
  touch -d '2019-03-04 05:06:07.123456789' "$1/database/packages.csv"
}

# tree DIR: every entry with its type, mode, owner, size, time, link and content.
tree() {
  (cd "$1" && find . -mindepth 1 \( -type f -printf '%P %y %m %U:%G %s %T@\n' -o -printf '%P %y %m %U:%G %T@ %l\n' \) | sort &&
    find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

# same_tree A B
same_tree() {
  diff <(tree "$1") <(tree "$2") >"$work/difference" ||
    fail "the trees differ: $(head -5 "$work/difference")"
  echo "identical: $(find "$2" -mindepth 1 | wc -l) entries, by content, type, mode, owner, time and link"
}
