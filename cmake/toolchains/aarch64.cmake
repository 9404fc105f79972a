# GCC for the bare aarch64 machine. Debian: g++-aarch64-linux-gnu.
include("${CMAKE_CURRENT_LIST_DIR}/bare.cmake")
bare_toolchain(aarch64 aarch64-linux-gnu)
