# Compiler settings shared by every target, and the switches of a build.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON)  # statement expressions, for TRY and MUST
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(ORRERY_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
set(ORRERY_LEAK "" CACHE STRING "Planted non-determinism that `orrery verify` must locate; empty for none")
option(ORRERY_PLANTED "Planted bugs (base/planted.def), one chosen at run time by the environment variable ORRERY_BUG" OFF)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(orrery_flags INTERFACE)
target_compile_options(orrery_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Werror
  -ffp-contract=off -fno-strict-aliasing -fno-common
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-missing-field-initializers>
  # Clang sees a shadowed field where a friend function defined in its class has a parameter of that name.
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-missing-field-initializers -Wno-gnu-statement-expression -Wno-invalid-offsetof -Wno-shadow>)
if(ORRERY_SANITIZE)
  target_compile_options(orrery_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
    -fno-sanitize=vptr  # needs type information, which the core is built without
    # GCC warns of uninitialised members inside libstdc++ (std::regex) in instrumented code only.
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>)
  target_link_options(orrery_flags INTERFACE -fsanitize=address,undefined)
endif()
# Planted bugs are in host and freestanding code alike; a planted leak needs the host (sim/host/leaks.cpp).
set(ORRERY_DEFECT_MACROS "")
if(ORRERY_LEAK)
  target_compile_definitions(orrery_flags INTERFACE "ORRERY_LEAK=\"${ORRERY_LEAK}\"")
endif()
if(ORRERY_PLANTED)
  list(APPEND ORRERY_DEFECT_MACROS ORRERY_PLANTED)
endif()
target_compile_definitions(orrery_flags INTERFACE ${ORRERY_DEFECT_MACROS})
