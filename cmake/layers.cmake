# Layers are libraries that can only see the include paths of the layers below them. Sources include
# "<layer>/file.h"; each layer publishes a folder holding nothing but a link to itself, so that an include of a
# layer above does not resolve.

# layer_include_dir(<layer> <out>): the folder through which <layer>'s headers are found.
function(layer_include_dir layer out)
  string(REPLACE "/" "_" flat "${layer}")
  set(dir "${CMAKE_BINARY_DIR}/layers/${flat}")
  if(NOT EXISTS "${dir}/${layer}")
    get_filename_component(parent "${dir}/${layer}" DIRECTORY)
    file(MAKE_DIRECTORY "${parent}")
    file(CREATE_LINK "${CMAKE_SOURCE_DIR}/${layer}" "${dir}/${layer}" SYMBOLIC)
  endif()
  set(${out} "${dir}" PARENT_SCOPE)
endfunction()

# core_library(<name> LAYER <folder> SOURCES … [DEPENDS core libraries …])
# Two targets from one list: `<name>` for the host, `<name>_bare` freestanding for the bare machines.
function(core_library name)
  cmake_parse_arguments(arg "" "LAYER" "SOURCES;DEPENDS" ${ARGN})
  layer_include_dir(${arg_LAYER} include_dir)
  set(kinds host bare)
  if(ORRERY_BARE)
    set(kinds bare)
  elseif(ORRERY_SANITIZE)
    set(kinds host)  # sanitizers do not reach freestanding code: it would only be the one of the other builds again
  endif()
  foreach(kind ${kinds})
    set(target ${name})
    set(suffix "")
    if(kind STREQUAL "bare")
      set(target ${name}_bare)
      set(suffix "_bare")
    endif()
    if(arg_SOURCES)
      add_library(${target} STATIC ${arg_SOURCES})
      set(scope PUBLIC)
      target_compile_options(${target} PRIVATE -fno-exceptions -fno-rtti -fno-threadsafe-statics)
    else()
      add_library(${target} INTERFACE)
      set(scope INTERFACE)
    endif()
    target_include_directories(${target} ${scope} ${include_dir})
    foreach(dependency ${arg_DEPENDS})
      target_link_libraries(${target} ${scope} ${dependency}${suffix})
    endforeach()
    if(kind STREQUAL "host")
      target_link_libraries(${target} ${scope} orrery_flags)
    elseif(arg_SOURCES)
      target_link_libraries(${target} PRIVATE orrery_bare_flags)
      set_property(GLOBAL APPEND PROPERTY ORRERY_BARE_LIBRARIES ${target})
    endif()
  endforeach()
endfunction()

# Flags of the freestanding build. No sanitizers, no stack protector, no PIC; integer registers only.
add_library(orrery_bare_flags INTERFACE)
target_compile_options(orrery_bare_flags INTERFACE
  -O2 -ffreestanding -fno-stack-protector -fno-pic -fno-asynchronous-unwind-tables -fno-unwind-tables
  -U_FORTIFY_SOURCE -U_GLIBCXX_ASSERTIONS ${ORRERY_MACHINE_FLAGS}
  -Wall -Wextra -Wshadow -Werror -Wno-missing-field-initializers -fno-strict-aliasing -ffunction-sections -fdata-sections
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-gnu-statement-expression -Wno-invalid-offsetof -Wno-shadow>)
target_compile_definitions(orrery_bare_flags INTERFACE ORRERY_BARE=1 ${ORRERY_DEFECT_MACROS})
