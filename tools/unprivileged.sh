#!/bin/bash
# unprivileged.sh COMMAND... — runs a command with no capability, unable to gain any, in a network of its own that reaches
# nobody. The suite runs so in ./check: a test that needs root, a counter or a network fails there.
set -euo pipefail
drop=(setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs --)
own_network=(unshare --net --)
[ "$(id -u)" = 0 ] || own_network=(unshare --user --map-current-user --net --)
if "${own_network[@]}" true 2> /dev/null; then
  exec "${own_network[@]}" "${drop[@]}" "$@"  # of root nothing is left but its files
fi
echo "unprivileged.sh: no network namespaces here: the network is as it is" >&2
exec setpriv --no-new-privs -- "$@"
