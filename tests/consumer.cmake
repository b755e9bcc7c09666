# Installs the build tree, moves what was installed, and configures, builds and runs a program that knows only
# find_package(attngap).
#   cmake -DBUILD=<build tree> -DSOURCE=<source tree> -DDIR=<scratch> -DGENERATOR= -DCOMPILER= -DFLAGS= -DTYPE= -P consumer.cmake
cmake_minimum_required(VERSION 3.22)

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGV}\nended with ${result}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${DIR})
file(MAKE_DIRECTORY ${DIR})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${DIR}/first)
# Whatever points to where it was installed first finds nothing there.
file(RENAME ${DIR}/first ${DIR}/moved)

file(GLOB_RECURSE package ${DIR}/moved/*.cmake)
if(NOT package)
  message(FATAL_ERROR "no package was installed below ${DIR}/moved")
endif()
foreach(file IN LISTS package)
  file(STRINGS ${file} absolute REGEX "[\"; ]/[a-z]+/|[>]/")
  if(absolute)
    message(FATAL_ERROR "${file} holds an absolute path: ${absolute}")
  endif()
endforeach()

# In the package every header stands alone: no file of the source tree is seen.
run(${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer -B ${DIR}/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${DIR}/moved
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${FLAGS} -DCMAKE_BUILD_TYPE=${TYPE}
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON)
run(${CMAKE_COMMAND} --build ${DIR}/build)
run(${DIR}/build/consumer)
if(NOT output MATCHES "bias .*variance .*key 0 adds")
  message(FATAL_ERROR "the consumer ran and said: ${output}")
endif()

# Eigen's objects are aligned as the architecture says, so the consumer has to be compiled for that of the library.
function(architecture commands result)
  file(READ ${commands} text)
  string(REGEX MATCH "-march=[^ ]+" found "${text}")
  set(${result} "${found}" PARENT_SCOPE)
endfunction()
architecture(${BUILD}/compile_commands.json ours)
architecture(${DIR}/build/compile_commands.json theirs)
if(NOT ours STREQUAL theirs)
  message(FATAL_ERROR "the library is compiled with '${ours}' and its consumer with '${theirs}'")
endif()

# All four floors at once, with everything they link.
file(MAKE_DIRECTORY ${DIR}/all)
file(WRITE ${DIR}/all/CMakeLists.txt "cmake_minimum_required(VERSION 3.22)\nproject(floors LANGUAGES CXX)\n"
     "find_package(attngap REQUIRED)\nadd_executable(floors main.cpp)\n"
     "target_link_libraries(floors PRIVATE attngap::experiments attngap::plots)\n")
file(WRITE ${DIR}/all/main.cpp "#include \"experiments/data_source.hpp\"\n#include \"plots/figure.hpp\"\n"
     "int main() {\n  const auto head = attngap::load_dataset(\"synthetic:gaussian,length=16\");\n"
     "  return head.problem.keys() == 16 && !attngap::figure_csv({}).empty() ? 0 : 1;\n}\n")
run(${CMAKE_COMMAND} -S ${DIR}/all -B ${DIR}/all/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${DIR}/moved
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS=${FLAGS} -DCMAKE_BUILD_TYPE=${TYPE})
run(${CMAKE_COMMAND} --build ${DIR}/all/build)
run(${DIR}/all/build/floors)

# A component that does not exist is a sentence, not half a package.
file(MAKE_DIRECTORY ${DIR}/wrong)
file(WRITE ${DIR}/wrong/CMakeLists.txt "cmake_minimum_required(VERSION 3.22)\nproject(wrong LANGUAGES CXX)\n"
     "find_package(attngap REQUIRED COMPONENTS nothing)\n")
execute_process(COMMAND ${CMAKE_COMMAND} -S ${DIR}/wrong -B ${DIR}/wrong/build -G ${GENERATOR}
                -DCMAKE_PREFIX_PATH=${DIR}/moved -DCMAKE_CXX_COMPILER=${COMPILER}
                RESULT_VARIABLE result OUTPUT_QUIET ERROR_VARIABLE output)
if(result EQUAL 0 OR NOT output MATCHES "no component 'nothing'")
  message(FATAL_ERROR "find_package accepted the component 'nothing': ${output}")
endif()
file(REMOVE_RECURSE ${DIR})
message(STATUS "an installed attngap can be used")
