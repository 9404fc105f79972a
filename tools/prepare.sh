# shellcheck shell=bash disable=SC2034
# tools/prepare.sh — sourced by run and check: packages, configuration and builds. Everything it says goes to stderr.
# It never reads stdin: that belongs to the guest.

# What a build needs, and what the checks need besides. Names of Debian 12.
BUILD_PACKAGES=(build-essential cmake ninja-build ccache capnproto libcapnp-dev catch2 libboost-context-dev libuv1-dev
  libcli11-dev nlohmann-json3-dev libssl-dev liblua5.4-dev libsqlite3-dev python3)
CHECK_PACKAGES=(clang clang-format lld git libgmp-dev g++-riscv64-linux-gnu g++-aarch64-linux-gnu
  qemu-system-x86 qemu-system-misc opensbi qemu-system-arm)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# missing_packages NAME...: those that are not installed, one a line.
missing_packages() {
  local installed
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2> /dev/null | sed -n 's/^installed //p')
  local name
  for name in "$@"; do grep -qxF "$name" <<< "$installed" || echo "$name"; done
}

# install_packages NAME...: installs what is missing, as root or with sudo.
install_packages() {
  if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    local tool
    for tool in cmake ninja g++ capnp python3; do
      command -v "$tool" > /dev/null || die "this is not Debian, and $tool is missing; install what corresponds to: $*"
    done
    return 0
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo > /dev/null || die "missing packages (${missing[*]}), and neither root nor sudo to install them"
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  say "installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! "${as_root[@]}" apt-get update < /dev/null > "$log" 2>&1; then
    tail -n 5 "$log" >&2
    say "apt-get update failed (is there a network?); trying the package lists that are there"
  fi
  if ! "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}" < /dev/null > "$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "could not install ${missing[*]}: the messages of apt-get are above"
  fi
  rm -f "$log"
  mapfile -t missing < <(missing_packages "${missing[@]}")
  [ "${#missing[@]}" -eq 0 ] || die "still missing after installation: ${missing[*]}"
}

# configure PRESET: writes build/PRESET/build.ninja if it is not there. A build folder moved here from elsewhere is
# made anew: it holds absolute paths.
configure() {
  local dir="build/$1"
  if [ -f "$dir/CMakeCache.txt" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$dir/CMakeCache.txt"; then
    say "$dir was configured for another folder; starting it anew"
    rm -rf "$dir"
  fi
  [ -f "$dir/build.ninja" ] && return 0
  say "configuring $dir"
  mkdir -p "$dir"
  if ! cmake --preset "$1" < /dev/null > "$dir/configure.log" 2>&1; then
    tail -n 30 "$dir/configure.log" >&2
    rm -f "$dir/build.ninja"
    return 1
  fi
}

# build PRESET [TARGET]: shows progress on a terminal, else only what went wrong. One build at a time in a folder.
build() {
  local dir="build/$1"
  local target=()
  [ $# -lt 2 ] || target=(--target "$2")
  (
    flock 9
    if [ -t 2 ]; then
      NINJA_STATUS="$dir [%f/%t] " cmake --build "$dir" "${target[@]}" < /dev/null >&2
    elif ! cmake --build "$dir" "${target[@]}" < /dev/null > "$dir/build.log" 2>&1; then
      grep -v '^\[[0-9/]*\]' "$dir/build.log" | tail -n 60 >&2
      exit 1
    fi
  ) 9> "$dir/.lock"
}
