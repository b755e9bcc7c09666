# Fails when an #include points up a floor, or brings in what its floor must never see.
#   cmake -DROOT=<source tree> -P layering.cmake
cmake_minimum_required(VERSION 3.22)

# What of ours a floor may include, and which libraries it must never see (and why not).
set(estimators_may "estimators/")
set(analysis_may "(analysis|estimators)/")
set(experiments_may "(experiments|analysis|estimators)/")
set(plots_may "(plots/|experiments/result_row\\.hpp$)")

set(scheduling "thread|stop_token|mutex|future|chrono|fstream|filesystem|(oneapi/)?tbb/|mpi\\.h|boost/program_options")
set(estimators_never "${scheduling}")
set(analysis_never "${scheduling}")
set(experiments_never "")
set(plots_never "(unsupported/)?Eigen/|mpi\\.h")

set(estimators_reason "one draw knows nothing of threads, files, clocks or program options")
set(analysis_reason "statistics know nothing of threads, files, clocks or program options")
set(plots_reason "figures are drawn from stored rows and never recompute")

set(ours "^(estimators|analysis|experiments|plots|notebooks-cpp|tests)/")
set(seen 0)
set(complaints "")
foreach(floor estimators analysis experiments plots)
  file(GLOB files RELATIVE ${ROOT} ${ROOT}/${floor}/*.hpp ${ROOT}/${floor}/*.cpp)
  foreach(file IN LISTS files)
    math(EXPR seen "${seen} + 1")
    set(may "${${floor}_may}")
    set(rule "the floor ${floor} may include ${${floor}_may}")
    if(file MATCHES "^experiments/(attngap|verb_[a-z_]+)\\.cpp$")
      set(may "(experiments|analysis|estimators|plots)/")  # the executable joins measuring and drawing
    elseif(file STREQUAL "experiments/result_row.hpp")
      set(may "$^")  # plots includes it, so whatever it included plots would see
      set(rule "plots includes this file, so it may include nothing of ours")
    endif()

    file(STRINGS ${ROOT}/${file} lines REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[ \t]*#[ \t]*include[ \t]*[<\"]([^>\"]*).*" "\\1" included "${line}")
      # A quoted path is always ours and starts at the root: a relative one would slip past this test.
      if((included MATCHES "${ours}" OR line MATCHES "\"") AND NOT included MATCHES "^${may}")
        list(APPEND complaints "${file} includes ${included}: ${rule}")
      elseif(${floor}_never AND included MATCHES "^(${${floor}_never})")
        list(APPEND complaints "${file} includes ${included}: not in the floor ${floor}, ${${floor}_reason}")
      endif()
    endforeach()
  endforeach()
endforeach()

if(seen EQUAL 0)
  message(FATAL_ERROR "nothing was checked: no sources under '${ROOT}'")
endif()
foreach(complaint IN LISTS complaints)
  message(NOTICE "${complaint}")  # before the error, which would wrap the sentence
endforeach()
if(complaints)
  list(LENGTH complaints count)
  message(FATAL_ERROR "${count} include(s) break the order of the floors (see CONTRIBUTING.md)")
endif()
message(STATUS "${seen} files keep the order of the floors")
