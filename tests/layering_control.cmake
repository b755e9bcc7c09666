# Shows that layering.cmake can fail: made-up trees with one include each, which it must refuse or accept.
#   cmake -DTREES=<scratch folder> -P layering_control.cmake
cmake_minimum_required(VERSION 3.22)

set(failures 0)

# Runs layering.cmake on a tree that holds only `file` with `include`; `expected` is a piece of the complaint, or
# "accepted".
function(check file include expected)
  file(REMOVE_RECURSE ${TREES})
  file(WRITE ${TREES}/${file} "#pragma once\n#include ${include}\n")
  execute_process(COMMAND ${CMAKE_COMMAND} -DROOT=${TREES} -P ${CMAKE_CURRENT_LIST_DIR}/layering.cmake
                  RESULT_VARIABLE code OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(expected STREQUAL "accepted")
    set(right FALSE)
    if(code EQUAL 0)
      set(right TRUE)
    endif()
  else()
    string(FIND "${said}" "${expected}" found)
    set(right FALSE)
    if(NOT code EQUAL 0 AND NOT found EQUAL -1)
      set(right TRUE)
    endif()
  endif()
  if(NOT right)
    message(NOTICE "${file} with #include ${include}: expected \"${expected}\", got code ${code} and\n${said}")
    math(EXPR failures "${failures} + 1")
    set(failures ${failures} PARENT_SCOPE)
  endif()
endfunction()

# Arrows that point up or sideways.
check(estimators/a.hpp "\"analysis/moments.hpp\"" "estimators/a.hpp includes analysis/moments.hpp: the floor estimators")
check(estimators/a.cpp "\"experiments/sweep.hpp\"" "estimators/a.cpp includes experiments/sweep.hpp: the floor estimators")
check(estimators/a.cpp "<plots/figure.hpp>" "estimators/a.cpp includes plots/figure.hpp: the floor estimators")
check(analysis/a.hpp "\"experiments/result_row.hpp\"" "the floor analysis")
check(experiments/a.cpp "\"plots/figure.hpp\"" "the floor experiments")
check(experiments/verbose.cpp "\"plots/figure.hpp\"" "the floor experiments")
check(experiments/verb_plot.hpp "\"plots/figure.hpp\"" "the floor experiments")
check(experiments/result_row.hpp "\"estimators/matrix.hpp\"" "plots includes this file")
check(plots/a.cpp "\"experiments/run_store.hpp\"" "the floor plots")
check(plots/a.cpp "\"estimators/matrix.hpp\"" "the floor plots")
check(analysis/a.cpp "\"tests/statistical_assertions.hpp\"" "the floor analysis")

# Paths that would slip past a test of folder names.
check(estimators/a.cpp "\"../experiments/sweep.hpp\"" "the floor estimators")
check(estimators/a.cpp "\"matrix.hpp\"" "the floor estimators")

# Libraries a floor must never see.
check(estimators/a.cpp "<thread>" "not in the floor estimators")
check(estimators/a.cpp "<boost/program_options.hpp>" "not in the floor estimators")
check(analysis/a.cpp "<tbb/parallel_for.h>" "not in the floor analysis")
check(analysis/a.cpp "<oneapi/tbb/parallel_for.h>" "not in the floor analysis")
check(analysis/a.cpp "<fstream>" "not in the floor analysis")
check(analysis/a.cpp "<filesystem>" "not in the floor analysis")
check(analysis/a.cpp "<chrono>" "not in the floor analysis")
check(plots/a.cpp "<Eigen/Core>" "not in the floor plots")

# What the rules allow.
check(analysis/a.cpp "\"estimators/matrix.hpp\"" accepted)
check(analysis/a.cpp "<Eigen/Core>" accepted)
check(experiments/a.cpp "\"analysis/moments.hpp\"" accepted)
check(experiments/a.cpp "<tbb/parallel_for.h>" accepted)
check(experiments/attngap.cpp "\"plots/figure.hpp\"" accepted)
check(experiments/verb_plot.cpp "\"plots/figure.hpp\"" accepted)
check(plots/a.cpp "\"experiments/result_row.hpp\"" accepted)
check(plots/a.cpp "<fstream>" accepted)

# A wrong path must not pass for a clean tree.
check(elsewhere/a.cpp "<vector>" "nothing was checked")

file(REMOVE_RECURSE ${TREES})
if(NOT failures EQUAL 0)
  message(FATAL_ERROR "${failures} control(s) failed")
endif()
