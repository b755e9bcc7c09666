# Fails when doxygen warns about the public interface: a thing without a comment, a reference to something that is gone.
# Members are exempt from having comments, not from having right ones: where a name says it all there is none.
#   cmake -DDOXYGEN=<doxygen> -DROOT=<source tree> -DDIR=<scratch> -P reference.cmake
cmake_minimum_required(VERSION 3.22)

# The complaints about the files of `input`.
function(complaints input result)
  file(REMOVE_RECURSE ${DIR})
  file(MAKE_DIRECTORY ${DIR})
  file(READ ${ROOT}/docs/Doxyfile settings)
  file(WRITE ${DIR}/Doxyfile "${settings}\nOUTPUT_DIRECTORY = ${DIR}\n${input}\n")
  execute_process(COMMAND ${DOXYGEN} ${DIR}/Doxyfile WORKING_DIRECTORY ${ROOT} RESULT_VARIABLE code
                  OUTPUT_QUIET ERROR_VARIABLE said)
  if(NOT code EQUAL 0 OR NOT EXISTS ${DIR}/html/index.html)
    message(FATAL_ERROR "${DOXYGEN} wrote no reference (${code}); it is the package doxygen. ${said}")
  endif()
  string(REGEX REPLACE "[^\n]*Member [^\n]* of (struct|class) [^\n]* is not documented\\.\n" "" said "${said}")
  set(${result} "${said}" PARENT_SCOPE)
endfunction()

complaints("" found)
if(found)
  message(FATAL_ERROR "the reference has warnings:\n${found}")
endif()
file(GLOB pages ${DIR}/html/*.html)
list(LENGTH pages count)
if(count LESS 100)
  message(FATAL_ERROR "the reference has ${count} pages only")
endif()

# The test itself is tested: on a function without a comment, and on a reference to nothing.
foreach(line "int uncommented();" "/// As \\ref nothing_of_this_name says.\nint astray();")
  file(WRITE ${DIR}.control/control.hpp "/// \\namespace attngap\n/// Ours.\nnamespace attngap {\n${line}\n}\n")
  complaints("INPUT = ${DIR}.control" found)
  if(NOT found MATCHES "control.hpp")
    message(FATAL_ERROR "doxygen has nothing to say against: ${line}")
  endif()
endforeach()
message(STATUS "${count} pages of reference without a warning")
