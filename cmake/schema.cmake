# orrery_schema(<file>.capnp): generates schema/<file>.capnp.h and .cpp below <build>/generated and appends the source
# to ORRERY_SCHEMA_SOURCES of the caller. Every schema depends on all of them: they import each other.
set(ORRERY_GENERATED_DIR "${CMAKE_BINARY_DIR}/generated")

function(orrery_schema file)
  file(GLOB all_schemas CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.capnp")
  set(header "${ORRERY_GENERATED_DIR}/schema/${file}.h")
  set(source "${ORRERY_GENERATED_DIR}/schema/${file}.cpp")
  file(MAKE_DIRECTORY "${ORRERY_GENERATED_DIR}")
  add_custom_command(
    OUTPUT "${header}" "${source}"
    COMMAND ${CMAKE_COMMAND} -E env "ORRERY_SCHEMA_ROOT=${CMAKE_SOURCE_DIR}"
      ${CAPNP_EXECUTABLE} compile --src-prefix=${CMAKE_SOURCE_DIR}
      "-o$<TARGET_FILE:capnpc_orrery>:${ORRERY_GENERATED_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}/${file}"
    DEPENDS capnpc_orrery ${all_schemas}
    COMMENT "Generating schema/${file}.h"
    VERBATIM)
  set(ORRERY_SCHEMA_SOURCES ${ORRERY_SCHEMA_SOURCES} "${source}" PARENT_SCOPE)
  set_property(GLOBAL APPEND PROPERTY ORRERY_SCHEMA_FILES "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
endfunction()
