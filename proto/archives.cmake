# Has the packages' imported targets name the archives that lie beside their shared libraries. gRPC calls
# through so many small functions in so many libraries that linking them in takes a sixth off the latency
# of a message, and as much off what a small one costs (broker/docs/adr/2026-11-22-archives.md).
#
# Call it where the packages were found.
function(estiba_use_archives)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target ${targets})
    get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
    foreach(suffix "" ${configurations})
      string(REGEX REPLACE "^(.+)$" "_\\1" suffix "${suffix}")
      get_target_property(library ${target} IMPORTED_LOCATION${suffix})
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${library}")
      if(library MATCHES "\\.so[.0-9]*$" AND EXISTS ${archive})
        set_target_properties(${target} PROPERTIES IMPORTED_LOCATION${suffix} ${archive})
        # What has a soname is a shared library to CMake.
        set_property(TARGET ${target} PROPERTY IMPORTED_SONAME${suffix})
      endif()
    endforeach()
  endforeach()
  # What Debian 13's libcrypto.a needs and does not tell.
  find_library(ESTIBA_ZSTD libzstd.a)
  if(ESTIBA_ZSTD)
    target_link_libraries(OpenSSL::Crypto INTERFACE ZLIB::ZLIB ${ESTIBA_ZSTD})
  endif()
endfunction()
