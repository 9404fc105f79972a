#!/bin/bash
# tools/format.sh [--check] — formats every tracked C++ file by .clang-format, or says which ones are not formatted.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v clang-format > /dev/null || { echo "format: clang-format is not installed" >&2; exit 1; }
mapfile -t files < <(git ls-files --cached --others --exclude-standard -- '*.h' '*.cpp' ':!third_party' ':!tests/layering')
if [ "${1:-}" = --check ]; then
  exec clang-format --dry-run -Werror "${files[@]}"
fi
exec clang-format -i "${files[@]}"
