#!/usr/bin/env bash
# The same work done by backstay, rclone and restic, against a MinIO of its own.
#
#   benches/compare.sh [SMALL_FILES]      200000 by default
#
# Needs: cargo build --release; apt-get install rclone restic time curl; and the
# MinIO that tests/cluster/build makes. Writes one Markdown table for each tree.
# The work directory ($BENCH, default a new one in /tmp) needs about 15 GB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
source tests/cluster/lib/paths.sh
source tests/cluster/lib/processes.sh

small_files=${1:-200000}
work=${BENCH:-$(mktemp -d /tmp/backstay-bench.XXXXXX)}
backstay=${BACKSTAY:-$root/target/release/backstay}
port=29100
export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench-only-here AWS_REGION=us-east-1
unset AWS_CA_BUNDLE # The packaged rclone fails where it is set.
export RCLONE_CONFIG=/dev/null RESTIC_PASSWORD=bench
export RCLONE_CONFIG_S3_TYPE=s3 RCLONE_CONFIG_S3_PROVIDER=Minio RCLONE_CONFIG_S3_ENV_AUTH=true
export RCLONE_CONFIG_S3_ENDPOINT=http://127.0.0.1:$port

main() {
  trap clean EXIT
  mkdir -p "$work"
  start_minio
  for tree in small real; do
    make_tree "$tree"
    echo
    echo "### $tree: $(find "$work/tree" -type f | wc -l) files, $(du -sh --apparent-size "$work/tree" | cut -f1)"
    echo
    echo "| tool | run | wall s | CPU s | peak RSS MiB | requests |"
    echo "|---|---|---:|---:|---:|---:|"
    for tool in backstay rclone restic; do
      cp -a "$work/tree" "$work/source"
      sleep 2 # A change younger than two seconds is read again by a careful tool.
      "prepare_$tool" "$tree"
      measure "$tool" first "first_$tool" "$tree"
      measure "$tool" unchanged "next_$tool" "$tree"
      python3 benches/trees.py change "$work/source"
      sleep 2
      measure "$tool" "1 % changed" "next_$tool" "$tree"
      measure "$tool" restore "restore_$tool" "$tree"
      python3 benches/trees.py equal "$work/source" "$work/restored" || echo "(by $tool)" >&2
      rm -rf "$work/source" "$work/restored"
    done
    rm -rf "$work/tree"
  done
}

# --- the tools ---------------------------------------------------------------

prepare_backstay() {
  make_bucket "backstay-$1"
  request PUT "backstay-$1?versioning=" --data \
    '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  cat >"$work/policy.yaml" <<END
apiVersion: backstay.dev/v1alpha1
kind: BackupPolicy
metadata: {name: bench}
spec:
  schedule: "@daily"
  sources: [{name: $1, path: {directory: $work/source}}]
  categories: [{name: all, bucket: backstay-$1}]
  storage: {region: us-east-1, endpoint: "http://127.0.0.1:$port", encryption: {none: {}}}
  deletions: {maxPercent: 100}
END
}
first_backstay() { "$backstay" backup --policy "$work/policy.yaml"; }
next_backstay() { first_backstay; }
restore_backstay() { "$backstay" restore --policy "$work/policy.yaml" --to "$work/restored"; }

# As its manual advises for S3: one listing instead of a request for each object's own time.
prepare_rclone() { make_bucket "rclone-$1"; }
first_rclone() {
  rclone sync --links --transfers 8 --checkers 8 --fast-list --use-server-modtime --update \
    "$work/source" "s3:rclone-$1"
}
next_rclone() { first_rclone "$1"; }
restore_rclone() { rclone sync --links --transfers 8 --checkers 8 --fast-list "s3:rclone-$1" "$work/restored"; }

prepare_restic() {
  export RESTIC_REPOSITORY=s3:http://127.0.0.1:$port/restic-$1
  export RESTIC_CACHE_DIR=$work/restic-cache
  restic init --quiet
}
first_restic() { restic backup --quiet "$work/source"; }
next_restic() { first_restic; }
restore_restic() {
  restic restore latest --quiet --target "$work/restic"
  mv "$work/restic$work/source" "$work/restored"
}

# --- measuring ---------------------------------------------------------------

# measure TOOL RUN COMMAND…: one row of the table.
measure() {
  local tool=$1 run=$2 before after
  shift 2
  before=$(requests)
  # shellcheck disable=SC2163 # The function of that name, for the shell below.
  export -f "$1" first_backstay first_rclone first_restic
  export work backstay
  if ! /usr/bin/time -f '%e %U %S %M' -o "$work/time" bash -c '"$@"' bash "$@" >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    fail "$tool: $run failed"
  fi
  after=$(requests)
  awk -v row="| $tool | $run" -v requests="$((after - before))" \
    '{ printf "%s | %.1f | %.1f | %.0f | %d |\n", row, $1, $2 + $3, $4 / 1024, requests }' "$work/time"
}

# The requests that MinIO has had so far, but for those of this function: it keeps
# what it tells for ten seconds.
requests() {
  sleep 11
  curl -fsS "http://127.0.0.1:$port/minio/v2/metrics/cluster" |
    awk '/^minio_s3_requests_total/ { sum += $NF } END { printf "%d\n", sum }'
}

make_tree() {
  if [[ $1 == small ]]; then
    python3 benches/trees.py small "$work/tree" "$small_files"
  else
    python3 benches/trees.py real "$work/tree"
  fi
}

make_bucket() { request PUT "$1"; }

request() {
  local method=$1 path=$2
  shift 2
  curl -fsS --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
    -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -X "$method" "http://127.0.0.1:$port/$path" "$@"
}

start_minio() {
  tests/cluster/build
  start "$work/run" minio env MINIO_ROOT_USER=$AWS_ACCESS_KEY_ID \
    MINIO_ROOT_PASSWORD=$AWS_SECRET_ACCESS_KEY MINIO_PROMETHEUS_AUTH_TYPE=public \
    MINIO_BROWSER=off MINIO_UPDATE=off \
    "$bin/minio" server --address "127.0.0.1:$port" "$work/minio"
  retry 30 curl -fsS "http://127.0.0.1:$port/minio/health/live" || fail "minio does not answer"
}

clean() {
  end_recorded "$work/run" || true
  rm -rf "$work"
}

main
