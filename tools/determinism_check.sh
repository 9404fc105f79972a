#!/bin/bash
# tools/determinism_check.sh [SEED...] — the same script with the same seed must print the same bytes, digest included, in
# every build: optimised and not, with and without sanitizers, GCC and Clang; and a second time in the same build.
# Another seed must give another digest, or the digest would prove nothing. Default seeds: 1 7 4711, and 1 to 50 for the
# scripts that take little time. A line `# flags: FLAG...` of a script is for `orrery run`.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1

builds=(host debug asan clang)
seeds=("$@")
many_seeds=("${seeds[@]}")
if [ "${#seeds[@]}" -eq 0 ]; then
  seeds=(1 7 4711)
  many_seeds=($(seq 50) 4711)
fi
quick=" files processes "  # scripts for the many seeds
shopt -s nullglob
scripts=(tests/determinism/*.fsh)
limit_s=300  # wall clock of one run; the slowest build needs seconds

fail() {
  printf 'determinism: %s\n' "$*" >&2
  failures=$((failures + 1))
}

failures=0
runs=0
[ "${#scripts[@]}" -gt 0 ] || fail "no script in tests/determinism"
for build in "${builds[@]}"; do
  [ -x "build/$build/orrery" ] || fail "build/$build/orrery is missing: cmake --preset $build && cmake --build build/$build --target orrery"
done
[ "$failures" -eq 0 ] || exit 1

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# run BUILD SCRIPT SEED FILE: stdout of one run, with its exit status as the last line.
run() {
  local flags
  read -ra flags <<< "$(sed -n 's/^# flags: //p' "$2")"
  timeout "$limit_s" "build/$1/orrery" run "$2" "${flags[@]}" --seed "$3" --digest < /dev/null > "$4" 2> "$4.errors"
  echo "exit status $?" >> "$4"
  runs=$((runs + 1))
}

# compare WHAT EXPECTED ACTUAL
compare() {
  cmp -s "$2" "$3" && return
  fail "$1: the output differs"
  diff "$2" "$3" | head -n 12 >&2
  tail -n 5 "$3.errors" >&2
}

digest_of() { grep -oE '[0-9a-f]{32}' "$1" | tail -n 1; }

for script in "${scripts[@]}"; do
  name=$(basename "$script" .fsh)
  declare -A seed_of_digest=()
  chosen=("${seeds[@]}")
  [[ $quick == *" $name "* ]] && chosen=("${many_seeds[@]}")
  for seed in "${chosen[@]}"; do
    reference="$out/$name.$seed"
    run host "$script" "$seed" "$reference"
    digest=$(digest_of "$reference")
    if [ -z "$digest" ] || ! grep -qx 'exit status 0' "$reference"; then
      fail "$script, seed $seed: no digest, or it did not end with status 0"
      tail -n 5 "$reference" "$reference.errors" >&2
      continue
    fi
    if [ -n "${seed_of_digest[$digest]:-}" ]; then
      fail "$script: seeds ${seed_of_digest[$digest]} and $seed have one digest"
    fi
    seed_of_digest[$digest]=$seed
    run host "$script" "$seed" "$reference.again"
    compare "$script, seed $seed, host a second time" "$reference" "$reference.again"
    for build in "${builds[@]:1}"; do
      run "$build" "$script" "$seed" "$reference.$build"
      compare "$script, seed $seed, host against $build" "$reference" "$reference.$build"
    done
  done
  unset seed_of_digest
done

echo "determinism: ${#scripts[@]} scripts, ${#seeds[@]} to ${#many_seeds[@]} seeds, ${#builds[@]} builds, $runs runs, $failures failures"
[ "$failures" -eq 0 ]
