# Links estibad and estiba with nothing but the kernel below them, for an image without a C library. Included where
# ESTIBA_STATIC is on, beside proto/archives.cmake. For Debian 13, whose packages have an archive of everything.

# Nothing in a program may depend on when it was built (our own sources: -Werror).
add_compile_options(-Wdate-time)

# Position independent all the same, so that addresses stay random.
add_link_options(-static-pie -Wl,--gc-sections -Wl,-z,pack-relative-relocs)

# gRPC would ask pkg-config for this one, which takes it most of a minute to follow abseil's many files. Not if it is
# there already.
find_library(ESTIBA_RE2 libre2.a REQUIRED)
add_library(re2::re2 STATIC IMPORTED)
set_target_properties(re2::re2 PROPERTIES IMPORTED_LOCATION ${ESTIBA_RE2} INTERFACE_LINK_LIBRARIES
  "absl::absl_check;absl::absl_log;absl::flags;absl::flat_hash_map;absl::flat_hash_set;absl::str_format;absl::synchronization")

# Headers of others are most of what an image's build compiles: read them once. One set for all targets, and another for
# the commands, half of which begin with two that take longer than all the rest.
function(estiba_precompile_headers)
  set(headers ${PROJECT_SOURCE_DIR}/docker/precompiled.h)
  target_precompile_headers(estiba_base PRIVATE ${headers})
  foreach(target estiba_queue estiba_engine estiba_runtime estiba_ops estiba_rpc estibad estiba_client)
    target_precompile_headers(${target} REUSE_FROM estiba_base)
  endforeach()
  # And compile once what CLI11 has in headers.
  find_package(CLI11 REQUIRED)
  add_library(estiba_cli11 STATIC ${PROJECT_SOURCE_DIR}/docker/cli11.cc)
  target_link_libraries(estiba_cli11 PRIVATE CLI11::CLI11)
  target_compile_definitions(estiba_cli11 PUBLIC CLI11_COMPILE)
  target_compile_options(estiba_cli11 PRIVATE -O1 -ffunction-sections)
  target_link_libraries(estiba_ops PRIVATE estiba_cli11)
  target_link_libraries(estiba_cli PUBLIC estiba_cli11)
  target_precompile_headers(estiba_cli PRIVATE ${headers} <CLI/CLI.hpp> <nlohmann/json.hpp>)
  # They wait for the network; what is quick is the client library.
  target_compile_options(estiba_cli PRIVATE -O1)
endfunction()
