# orrery_schema(<file>.capnp): generates <folder>/<file>.capnp.h and .cpp below <build>/generated, included as
# "<folder>/<file>.capnp.h" with the folder's path in the source tree, and appends the source to the caller's
# ORRERY_SCHEMA_SOURCES. A schema depends on all schemas of the project: they import each other.
set(ORRERY_GENERATED_DIR "${CMAKE_BINARY_DIR}/generated")
file(MAKE_DIRECTORY "${ORRERY_GENERATED_DIR}")

function(orrery_schema file)
  file(GLOB all_schemas CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/schema/*.capnp")
  file(RELATIVE_PATH path "${CMAKE_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
  set(source "${ORRERY_GENERATED_DIR}/${path}.cpp")
  add_custom_command(
    OUTPUT "${ORRERY_GENERATED_DIR}/${path}.h" "${source}"
    COMMAND ${CMAKE_COMMAND} -E env "ORRERY_SCHEMA_ROOT=${CMAKE_SOURCE_DIR}"
      ${CAPNP_EXECUTABLE} compile "--src-prefix=${CMAKE_SOURCE_DIR}"
      "-o$<TARGET_FILE:capnpc_orrery>:${ORRERY_GENERATED_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}/${file}"
    DEPENDS capnpc_orrery ${all_schemas} "${CMAKE_CURRENT_SOURCE_DIR}/${file}"
    COMMENT "Generating ${path}.h"
    VERBATIM)
  set(ORRERY_SCHEMA_SOURCES ${ORRERY_SCHEMA_SOURCES} "${source}" PARENT_SCOPE)
endfunction()
