# Starting programs, and ending those and no others.
# A process is known by its id AND its start time: an id alone is reused, and a
# name would also match what someone else started.
# shellcheck shell=bash disable=SC2154

# start DIR NAME COMMAND…: runs COMMAND with its output in DIR/log/NAME and
# records it in DIR/pids/NAME. Its own session: it outlives the terminal.
start() {
  local dir=$1 name=$2
  shift 2
  mkdir -p "$dir/log" "$dir/pids"
  setsid "$@" >"$dir/log/$name" 2>&1 </dev/null 9>&- &
  echo "$! $(start_time "$!")" >"$dir/pids/$name"
}

# running FILE: prints the id in a record if that very process still runs.
running() {
  local pid recorded
  read -r pid recorded <"$1" || return 1
  [[ -n $recorded && $(start_time "$pid") == "$recorded" ]] && echo "$pid"
}

# all_running DIR: true if something is recorded there and all of it runs.
all_running() {
  local file
  for file in "$1"/pids/*; do
    [[ -e $file ]] && running "$file" >/dev/null || return 1
  done
}

# end_recorded DIR: asks each recorded process to end, insists after 3 seconds
# (nothing here has data that outlives it), and forgets it.
end_recorded() {
  signal_recorded "$1" TERM
  retry 3 none_running "$1" || signal_recorded "$1" KILL
  retry 5 none_running "$1" || fail "a process recorded in $1/pids does not end"
  rm -rf "$1/pids"
}

signal_recorded() {
  local file pid
  for file in "$1"/pids/*; do
    [[ -e $file ]] || continue
    # It may end between the look and the signal.
    if pid=$(running "$file"); then kill "-$2" "$pid" 2>/dev/null || true; fi
  done
}

none_running() {
  local file
  for file in "$1"/pids/*; do
    [[ -e $file ]] && running "$file" && return 1
  done
  return 0
}

# The 22nd field of /proc/PID/stat, counted after the name, which may hold spaces.
# A zombie counts as ended: its parent has not looked yet, but nothing runs.
start_time() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != Z ]] && echo "${stat[19]}"
}
