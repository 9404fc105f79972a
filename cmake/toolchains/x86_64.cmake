# GCC for the bare x86_64 machine. Debian: g++-x86-64-linux-gnu.
include("${CMAKE_CURRENT_LIST_DIR}/bare.cmake")
bare_toolchain(x86_64 x86_64-linux-gnu)
