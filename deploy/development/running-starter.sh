# Sourced by the other scripts. running_starter <home> prints the process id of the run that holds this home, if one does:
# the number alone may have been given to another program since, so the start time (field 22 of /proc/<pid>/stat) counts too.
running_starter() {
  lock="$1/run/starter.json"
  [ -f "$lock" ] || return 0
  pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$lock")
  started=$(sed -n 's/.*"startTime":"\([0-9]*\)".*/\1/p' "$lock")
  [ -n "$pid" ] && [ -n "$started" ] && [ -r "/proc/$pid/stat" ] || return 0
  [ "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20)" != "$started" ] || printf '%s' "$pid"
}
