#!/bin/bash
# scenarios.sh [SEEDS [SCENARIO...]] — every scenario of scenarios/ over the seeds 1..SEEDS (default 200), at low priority. What
# was run is kept in build/scenarios/*.db, so that it goes on where it was stopped. One line a scenario; ends with 0 only if
# none failed. It takes hours for thousands of seeds, so ./check does not run it.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
seeds=${1:-200}
[ $# -gt 0 ] && shift
scenarios=("$@")
[ ${#scenarios[@]} -gt 0 ] || scenarios=(scenarios/*.lua)
orrery=${ORRERY:-build/host/orrery}
[ -x "$orrery" ] || { echo "scenarios.sh: $orrery is not built: cmake --build build/host" >&2; exit 1; }
mkdir -p build/scenarios
failed=0
for scenario in "${scenarios[@]}"; do
  name=$(basename "$scenario" .lua)
  log=build/scenarios/$name.log
  nice -n 19 "$orrery" campaign "$scenario" --seeds "1..$seeds" --out "build/scenarios/$name.db" > "$log" 2>&1
  status=$?
  printf '%-20s %s%s\n' "$name" "$(grep -m 1 -E '^  [0-9]+ runs' "$log" | sed 's/^ *//')" \
    "$([ $status = 0 ] || echo "   exit $status: $log")"
  [ $status = 0 ] || failed=1
done
exit $failed
