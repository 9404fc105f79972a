#!/bin/bash
# tools/mutants.sh [name…] — chooses each planted defect kernel.<name> (base/planted.def) in a build that has them all and
# demands that the model and property tests find it. Exit status 0: every mutant was killed.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
folder=build/planted
# name → the tests that must fail with it; a filter of Catch2
declare -A filters=(
  [children-to-sibling]='[cdt]'
  [count-not-lowered]='[cdt]'
  [untyped-copy-watermark]='[cdt]'
  [generation-not-checked]='[vspace][model]'
  [early-join]='[budget-tree],[sched][model]'
  [no-reservation]='[budget-tree],[sched][model]'
  [partner-tail]='[priority],[ipc],[sched][model]'
  [cancel-cursor]='[revoke]'
  [word-replaced]='[notification],[ipc][model]'
)
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  mapfile -t names < <(printf '%s\n' "${!filters[@]}" | sort)
fi
mkdir -p "$folder"
{ cmake --preset planted && cmake --build "$folder" -j "$jobs" --target kernel_tests; } > "$folder/build.log" 2>&1 || {
  tail -20 "$folder/build.log" >&2
  exit 2
}
# passes <bug or nothing> <filter>
passes() { ORRERY_BUG="$1" timeout 900 "$folder/tests/kernel_tests" "$2" > "$folder/tests.log" 2>&1; }

# Without a defect the same tests pass: what fails below fails because of the mutant.
for name in "${names[@]}"; do
  [ -n "${filters[$name]:-}" ] || { echo "mutants: no mutant is called '$name'" >&2; exit 2; }
  passes "" "${filters[$name]}" || { echo "mutants: ${filters[$name]} fails without any mutant" >&2; exit 2; }
done
survivors=0
for name in "${names[@]}"; do
  if passes "kernel.$name" "${filters[$name]}"; then
    echo "SURVIVED  kernel.$name  (${filters[$name]})"
    survivors=$((survivors + 1))
  else
    echo "killed    kernel.$name"
  fi
done
[ "$survivors" -eq 0 ] || { echo "mutants: $survivors survived" >&2; exit 1; }
