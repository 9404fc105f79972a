# GCC for the bare riscv64 machine. Debian: g++-riscv64-linux-gnu.
include("${CMAKE_CURRENT_LIST_DIR}/bare.cmake")
bare_toolchain(riscv64 riscv64-linux-gnu)
