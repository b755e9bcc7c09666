# What `cmake --install` leaves: the program, and one exported library a floor, attngap::estimators … attngap::plots.
# docs/library.md says how to use them; tests/consumer does.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/attngap)
install(TARGETS attngap RUNTIME)

# An export file a floor: who wants the estimators alone need not have SQLite.
install(TARGETS attngap_flags EXPORT attngap-flags)
install(EXPORT attngap-flags NAMESPACE attngap:: DESTINATION ${package_dir})
foreach(floor estimators analysis experiments plots)
  set_target_properties(attngap_${floor} PROPERTIES EXPORT_NAME ${floor})
  if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.24)
    install(TARGETS attngap_${floor} EXPORT attngap-${floor} ARCHIVE
            FILE_SET HEADERS DESTINATION include/attngap)
  else()
    install(TARGETS attngap_${floor} EXPORT attngap-${floor} ARCHIVE)
    file(GLOB headers CONFIGURE_DEPENDS ${floor}/*.hpp)
    install(FILES ${headers} DESTINATION include/attngap/${floor})
  endif()
  install(EXPORT attngap-${floor} NAMESPACE attngap:: DESTINATION ${package_dir})
endforeach()
set_target_properties(attngap_flags PROPERTIES EXPORT_NAME flags)

# Before 1.0 another minor version may change any signature.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/attngap-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/attngap-config-version.cmake ${CMAKE_CURRENT_LIST_DIR}/attngap-config.cmake
        DESTINATION ${package_dir})
