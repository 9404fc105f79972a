# The bare machine that freestanding code is compiled for: the one of the toolchain in a bare build (presets bare-*), this
# computer's own in a host build. Every target named *_bare is for it.
option(ORRERY_BARE "Build only the image of one bare machine" OFF)
set(ORRERY_MACHINES x86_64 riscv64 aarch64)
set(ORRERY_MACHINE "${CMAKE_SYSTEM_PROCESSOR}")
if(NOT ORRERY_MACHINE IN_LIST ORRERY_MACHINES)
  message(FATAL_ERROR "${ORRERY_MACHINE}: known machines are ${ORRERY_MACHINES}")
endif()

# Code generation: integer registers only; the image lies in the lowest 2 GiB or is addressed relative to itself.
set(ORRERY_MACHINE_FLAGS_x86_64 -mno-red-zone -mcmodel=small
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-mgeneral-regs-only>
  # Clang has no `long double` under that switch, and libstdc++'s headers name the type.
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-mno-sse -mno-mmx -mno-implicit-float>)
# Debian's C library headers know only the ABI with floating-point registers; the folder has the file they miss.
set(ORRERY_MACHINE_FLAGS_riscv64 -march=rv64imac_zicsr_zifencei -mabi=lp64 -mcmodel=medany
  "SHELL:-isystem ${CMAKE_SOURCE_DIR}/boot/freestanding/include")
set(ORRERY_MACHINE_FLAGS_aarch64 -mno-outline-atomics
  $<$<COMPILE_LANGUAGE:CXX>:-mgeneral-regs-only>)
set(ORRERY_MACHINE_FLAGS ${ORRERY_MACHINE_FLAGS_${ORRERY_MACHINE}})
