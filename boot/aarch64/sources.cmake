set(BOOT_MACHINE_SOURCES
  context.S
  entry.S
  context.cpp
  gic.cpp
  interrupts.cpp
  mmu.cpp
  serial.cpp
  start.cpp
  trap.cpp
  ../shared/fdt.cpp)
# What runs before the first MMU map: memory without caches takes aligned accesses only.
set_source_files_properties(aarch64/mmu.cpp aarch64/start.cpp PROPERTIES COMPILE_OPTIONS -mstrict-align)
