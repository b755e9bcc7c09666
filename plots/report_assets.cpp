#include "plots/report_assets.hpp"

// The assembler copies a file into the program; a literal of its size would be beyond what C++ promises.
// Before and after each lies a symbol. CMake names the files, and has this compiled again when one changes.
#define ATTNGAP_EMBED(name, file)                                                                         \
  asm(".pushsection .rodata\n.hidden attngap_" #name "\n.globl attngap_" #name "\nattngap_" #name         \
      ":\n"                                                                                               \
      ".incbin \"" file "\"\n.hidden attngap_" #name "_end\n.globl attngap_" #name "_end\nattngap_" #name \
      "_end:\n.popsection\n");                                                                            \
  extern "C" {                                                                                            \
  extern const char attngap_##name[] __attribute__((visibility("hidden")));                               \
  extern const char attngap_##name##_end[] __attribute__((visibility("hidden")));                         \
  }

ATTNGAP_EMBED(style, ATTNGAP_REPORT_STYLE)
ATTNGAP_EMBED(script, ATTNGAP_REPORT_SCRIPT)
ATTNGAP_EMBED(map_script, ATTNGAP_REPORT_MAP_SCRIPT)
ATTNGAP_EMBED(library, ATTNGAP_CHARTING_LIBRARY)
ATTNGAP_EMBED(licences, ATTNGAP_CHARTING_LICENCES)

namespace attngap {

std::string_view report_style() {
  return {attngap_style, attngap_style_end};
}
std::string_view report_script() {
  return {attngap_script, attngap_script_end};
}
std::string_view report_map_script() {
  return {attngap_map_script, attngap_map_script_end};
}
std::string_view charting_library() {
  return {attngap_library, attngap_library_end};
}
std::string_view charting_licences() {
  return {attngap_licences, attngap_licences_end};
}

}  // namespace attngap
