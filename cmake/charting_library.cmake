# The charting library of `attngap report`, made into one file and its licences into another, both in the build
# tree. Without it they are empty and reports hold still pictures. quickstart.sh and test.sh fetch it
# (install_charting_library in packages.sh); configuring and building never do.
set(ATTNGAP_CHARTING_DIR ${PROJECT_SOURCE_DIR}/build/charting CACHE PATH
    "Where `npm ci` was run with the package files of cmake/, for the charts of attngap report")

set(modules ${ATTNGAP_CHARTING_DIR}/node_modules)
set(scripts ${modules}/vega/build/vega.min.js ${modules}/vega-lite/build/vega-lite.min.js
            ${modules}/vega-embed/build/vega-embed.min.js)
set(ATTNGAP_CHARTING_LIBRARY ${CMAKE_BINARY_DIR}/charting_library.js)
set(ATTNGAP_CHARTING_LICENCES ${CMAKE_BINARY_DIR}/charting_licences.txt)

set(missing "")
foreach(script IN LISTS scripts)
  if(NOT EXISTS ${script})
    list(APPEND missing ${script})
  endif()
endforeach()
# The licences of what they bundle: their own parts, d3 and topojson.
file(GLOB notices LIST_DIRECTORIES false ${modules}/vega/LICENSE ${modules}/vega-lite/LICENSE
     ${modules}/vega-embed/LICENSE ${modules}/vega-tooltip/LICENSE ${modules}/vega-themes/LICENSE
     ${modules}/d3-*/LICENSE ${modules}/topojson-client/LICENSE ${modules}/internmap/LICENSE
     ${modules}/delaunator/LICENSE ${modules}/robust-predicates/LICENSE ${modules}/semver/LICENSE
     ${modules}/fast-json-patch/LICENSE* ${modules}/json-stringify-pretty-compact/LICENSE)
if(missing)
  message(STATUS "No charting library in ${ATTNGAP_CHARTING_DIR}: reports will hold still pictures. "
                 "`. cmake/packages.sh; install_charting_library` fetches it (with npm).")
  set(scripts "")
  set(notices "")
endif()

# Written only when they differ, so that nothing is compiled again for nothing.
function(attngap_join target)
  file(WRITE ${target}.new "")
  if(ARGN)
    execute_process(COMMAND ${CMAKE_COMMAND} -E cat ${ARGN} OUTPUT_FILE ${target}.new COMMAND_ERROR_IS_FATAL ANY)
  endif()
  configure_file(${target}.new ${target} COPYONLY)
  file(REMOVE ${target}.new)
  if(ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  endif()
endfunction()
attngap_join(${ATTNGAP_CHARTING_LIBRARY} ${scripts})
attngap_join(${ATTNGAP_CHARTING_LICENCES} ${notices})

set(assets ${PROJECT_SOURCE_DIR}/plots/report.css ${PROJECT_SOURCE_DIR}/plots/report.js
           ${PROJECT_SOURCE_DIR}/plots/report_map.js ${ATTNGAP_CHARTING_LIBRARY} ${ATTNGAP_CHARTING_LICENCES})
set_source_files_properties(plots/report_assets.cpp PROPERTIES
  OBJECT_DEPENDS "${assets}"
  COMPILE_DEFINITIONS "ATTNGAP_REPORT_STYLE=\"${PROJECT_SOURCE_DIR}/plots/report.css\";\
ATTNGAP_REPORT_SCRIPT=\"${PROJECT_SOURCE_DIR}/plots/report.js\";\
ATTNGAP_REPORT_MAP_SCRIPT=\"${PROJECT_SOURCE_DIR}/plots/report_map.js\";\
ATTNGAP_CHARTING_LIBRARY=\"${ATTNGAP_CHARTING_LIBRARY}\";\
ATTNGAP_CHARTING_LICENCES=\"${ATTNGAP_CHARTING_LICENCES}\"")
