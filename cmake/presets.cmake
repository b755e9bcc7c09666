# The presets of `attngap reproduce`, experiments/presets/*.json, as a table in a source file of the build tree: the
# program needs no file to know them.
file(GLOB presets CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/experiments/presets/*.json)
set(rows "")
foreach(preset IN LISTS presets)
  cmake_path(GET preset STEM name)
  file(READ ${preset} text)
  string(APPEND rows "    PresetText{\"${name}\", R\"preset(${text})preset\"},\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${preset})
endforeach()
set(source ${CMAKE_BINARY_DIR}/preset_texts.cpp)
file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
#include "experiments/preset.hpp"

#include <array>

namespace attngap {

std::span<const PresetText> preset_texts() {
  static constexpr std::array kTexts{
@rows@  };
  return kTexts;
}

}  // namespace attngap
]])
target_sources(attngap_experiments PRIVATE ${source})
