#pragma once

#include <filesystem>
#include <string>

namespace attngap {

/// Which figure of a paper a run makes again: what every picture of the run says above its title.
struct FigureOrigin {
  std::string heading;  ///< what the figure shows; empty: of no paper
  std::string source;   ///< the paper, and whether the protocol is the paper's or ours
};

/// Leaves `directory`/origin.txt, a line for each text, for whoever draws the run again; nothing without a
/// heading. Throws std::runtime_error where it cannot be written.
void write_origin(const FigureOrigin& origin, const std::filesystem::path& directory);

/// What `write_origin` left in the directory of a run; both texts empty where it left nothing.
FigureOrigin read_origin(const std::filesystem::path& directory);

}  // namespace attngap
