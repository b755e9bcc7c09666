#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace attngap {

/// The executable of this name on the PATH, if there is one. Empty entries of the PATH are skipped: a program
/// in the working directory is not meant.
std::optional<std::filesystem::path> find_program(const std::string& name);

/// Runs gnuplot on a script in `directory`, without a shell and without the settings of whoever is logged in.
/// Throws std::runtime_error with gnuplot's message, or the signal that stopped it, when it fails.
void run_gnuplot(const std::filesystem::path& program, const std::filesystem::path& directory,
                 const std::string& script);

}  // namespace attngap
