#!/bin/sh
# Deletes everything that runs wrote. Says what is lost and asks; SALLYPORT_CLEAN=yes answers for scripts.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
home=${SALLYPORT_HOME:-$root/.dev}
if [ ! -d "$home" ]; then
  echo "Nothing to delete: $home does not exist."
  exit 0
fi
. "$root/deploy/development/running-starter.sh"
starter=$(running_starter "$home")
if [ -n "$starter" ]; then
  echo "sallyport: it is running (process $starter): stop it with Ctrl-C or kill $starter, then run make clean again" >&2
  exit 1
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
