#!/bin/bash
# tools/mutants.sh [name…] — plants each known defect of the kernel (-DORRERY_BUG=kernel.<name>) in a build folder of its
# own and demands that the model and property tests find it. Exit status 0: every mutant was killed.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
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
)
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  mapfile -t names < <(printf '%s\n' "${!filters[@]}" | sort)
fi
# build <folder> <defect or nothing>
build() {
  mkdir -p "$1"
  { cmake -S . -B "$1" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DORRERY_BUG="$2" &&
    cmake --build "$1" -j "$jobs" --target kernel_tests; } > "$1/build.log" 2>&1 || { tail -20 "$1/build.log" >&2; exit 2; }
}
# passes <folder> <filter>
passes() { timeout 900 "$1/tests/kernel_tests" "$2" > "$1/tests.log" 2>&1; }

# Without a defect the same tests pass: what fails below fails because of the mutant.
build build/mutant-none ""
for name in "${names[@]}"; do
  [ -n "${filters[$name]:-}" ] || { echo "mutants: no mutant is called '$name'" >&2; exit 2; }
  passes build/mutant-none "${filters[$name]}" || { echo "mutants: ${filters[$name]} fails without any mutant" >&2; exit 2; }
done
survivors=0
for name in "${names[@]}"; do
  build "build/mutant-$name" "kernel.$name"
  if passes "build/mutant-$name" "${filters[$name]}"; then
    echo "SURVIVED  kernel.$name  (${filters[$name]})"
    survivors=$((survivors + 1))
  else
    echo "killed    kernel.$name"
  fi
done
[ "$survivors" -eq 0 ] || { echo "mutants: $survivors survived" >&2; exit 1; }
