#pragma once

#include "experiments/number_array.hpp"

#include <map>
#include <memory>
#include <string>

namespace attngap {

/// Opens a .npz archive: a zip of .npy images, stored or deflated, with or without zip64 fields.
///
/// Throws BadInput naming the file if it is missing, no zip, or truncated. Reading one array throws if it is
/// absent, encrypted, compressed in another way, damaged (by its checksum), or larger than 64 GiB or than the
/// memory of the machine.
std::unique_ptr<ArrayFile> open_npz(const std::string& path);

/// Writes the arrays, each as float64 in C order, as an uncompressed .npz that numpy.load reads. The same
/// arrays give the same bytes. The file appears whole or not at all: it is written beside `path` and renamed.
///
/// Throws BadInput if the place cannot be written, or is something other than a file.
void write_npz(const std::string& path, const std::map<std::string, NumberArray>& arrays);

}  // namespace attngap
