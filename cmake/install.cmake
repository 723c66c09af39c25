# What `cmake --install` lays down: library, headers, pkg-config file, CMake package, program, man page,
# completion of three shells, configs. All of it can be moved to another prefix.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/csctrl)
install(TARGETS csctrl EXPORT csctrlTargets)
if(TARGET csctrl_mpi)
  install(TARGETS csctrl_mpi LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET csctrl_cuda)
  install(TARGETS csctrl_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  if(TARGET csctrl_nccl)
    install(TARGETS csctrl_nccl LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endif()
install(DIRECTORY include/csctrl DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT csctrlTargets NAMESPACE csctrl:: DESTINATION ${package_dir})
configure_package_config_file(cmake/csctrlConfig.cmake.in ${CMAKE_BINARY_DIR}/csctrlConfig.cmake
                              INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/csctrlConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/csctrlConfig.cmake ${CMAKE_BINARY_DIR}/csctrlConfigVersion.cmake
              cmake/dependencies.cmake
        DESTINATION ${package_dir})

# Static linking needs what the shared library has already linked.
set(pc_requires_private "yaml-0.1 jansson zlib")
if(CSCTRL_WITH_IMAGES)
  string(APPEND pc_requires_private " libjpeg libpng libarchive")
endif()
if(CSCTRL_WITH_TENSORBOARD)
  string(APPEND pc_requires_private " libprotobuf-c")
endif()
if(CSCTRL_WITH_LAPACK)
  string(APPEND pc_requires_private " openblas lapacke")
endif()
set(pc_libs_private "${OpenMP_C_FLAGS} -pthread -lm")
if(CSCTRL_WITH_CPU)
  string(PREPEND pc_libs_private "-ldnnl ")
endif()
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
configure_file(cmake/csctrl.pc.in ${CMAKE_BINARY_DIR}/csctrl.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/csctrl.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/csctrl FILES_MATCHING PATTERN "*.yaml")

if(TARGET csctrl_program)
  file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(csctrl_program PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
  install(TARGETS csctrl_program)

  # The program writes its own man page and completion from the table of commands and of options.
  add_custom_command(OUTPUT csctrl.1 COMMAND csctrl_program options --man > csctrl.1
                     DEPENDS csctrl_program VERBATIM)
  add_custom_command(OUTPUT csctrl.bash COMMAND csctrl_program completion bash > csctrl.bash
                     DEPENDS csctrl_program VERBATIM)
  add_custom_command(OUTPUT _csctrl COMMAND csctrl_program completion zsh > _csctrl
                     DEPENDS csctrl_program VERBATIM)
  add_custom_command(OUTPUT csctrl.fish COMMAND csctrl_program completion fish > csctrl.fish
                     DEPENDS csctrl_program VERBATIM)
  add_custom_target(csctrl_pages ALL DEPENDS csctrl.1 csctrl.bash _csctrl csctrl.fish)
  # All that gets installed, without tests and examples.
  add_custom_target(csctrl_product)
  foreach(part csctrl_program csctrl_pages csctrl_mpi csctrl_cuda csctrl_nccl)
    if(TARGET ${part})
      add_dependencies(csctrl_product ${part})
    endif()
  endforeach()
  install(FILES ${CMAKE_BINARY_DIR}/csctrl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${CMAKE_BINARY_DIR}/csctrl.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
          RENAME csctrl)
  install(FILES ${CMAKE_BINARY_DIR}/_csctrl DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${CMAKE_BINARY_DIR}/csctrl.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

# Inception weights for csctrl score, stats and eval (docs/evaluation.md).
install(PROGRAMS scripts/convert_inception.py DESTINATION ${CMAKE_INSTALL_DATADIR}/csctrl)
