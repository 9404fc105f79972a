# Programs that run during a bare build are built by this computer's own compiler, in a build of their own.
include(ExternalProject)
find_program(CAPNP_EXECUTABLE capnp REQUIRED)
set(host_tools_dir "${CMAKE_BINARY_DIR}/host-tools")
set(host_tools_launcher "")
if(CCACHE_PROGRAM)
  set(host_tools_launcher -DCMAKE_CXX_COMPILER_LAUNCHER=${CCACHE_PROGRAM} -DCMAKE_C_COMPILER_LAUNCHER=${CCACHE_PROGRAM})
endif()
ExternalProject_Add(capnpc_orrery_build
  SOURCE_DIR "${CMAKE_SOURCE_DIR}/tools/capnpc-orrery"
  BINARY_DIR "${host_tools_dir}"
  CMAKE_GENERATOR Ninja
  CMAKE_ARGS -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_STANDARD=20 -DCMAKE_C_COMPILER=cc -DCMAKE_CXX_COMPILER=c++ ${host_tools_launcher}
  BUILD_ALWAYS ON
  BUILD_BYPRODUCTS "${host_tools_dir}/capnpc_orrery"
  INSTALL_COMMAND "")
add_executable(capnpc_orrery IMPORTED GLOBAL)
set_target_properties(capnpc_orrery PROPERTIES IMPORTED_LOCATION "${host_tools_dir}/capnpc_orrery")
add_dependencies(capnpc_orrery capnpc_orrery_build)
