#!/bin/sh
# Deletes everything that runs wrote. Says what is lost and asks; SALLYPORT_CLEAN=yes answers for scripts.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
home=${SALLYPORT_HOME:-$root/.dev}
if [ ! -d "$home" ]; then
  echo "Nothing to delete: $home does not exist."
  exit 0
fi
starter="$home/run/starter.json"
if [ -f "$starter" ]; then
  pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$starter")
  started=$(sed -n 's/.*"startTime":"\([0-9]*\)".*/\1/p' "$starter")
  if [ -n "$pid" ] && [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)" = "$started" ]; then
    echo "sallyport: it is running (process $pid): stop it with Ctrl-C or kill $pid, then run make clean again" >&2
    exit 1
  fi
fi
cat <<EOT
This deletes $home and with it, for ever:
  - the certificate authorities of this installation (the HSM tokens with their keys)
  - the database: users, devices, enrollment groups, telemetry, the audit trail
  - the demo manufacturer and its devices
Devices that were provisioned here will have to be provisioned again.
EOT
if [ "${SALLYPORT_CLEAN:-}" != yes ]; then
  printf 'Type yes to delete it: '
  read -r answer || answer=
  [ "$answer" = yes ] || { echo 'Nothing was deleted.'; exit 1; }
fi
elsewhere="$home/postgres-folder"
if [ -f "$elsewhere" ]; then
  folder=$(cat "$elsewhere")
  case "$folder" in */sallyport-*) rm -rf "$folder" ;; esac
fi
rm -rf "$home"
echo "Deleted $home."
