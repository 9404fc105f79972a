# What the toolchains of the bare machines share: no operating system, and nothing can be linked to try a compiler.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# bare_toolchain(<processor> <compiler prefix>): GCC for `processor`; the prefix is left out where it is the machine's own.
macro(bare_toolchain processor prefix)
  set(CMAKE_SYSTEM_PROCESSOR ${processor})
  cmake_host_system_information(RESULT host_processor QUERY OS_PLATFORM)
  set(tool_prefix "${prefix}-")
  if(host_processor STREQUAL "${processor}")
    set(tool_prefix "")
  endif()
  set(CMAKE_C_COMPILER "${tool_prefix}gcc")
  set(CMAKE_CXX_COMPILER "${tool_prefix}g++")
  set(CMAKE_ASM_COMPILER "${tool_prefix}gcc")
endmacro()
