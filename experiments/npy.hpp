#pragma once

#include "experiments/number_array.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace attngap {

/// Parses one .npy image: numpy's format versions 1, 2 and 3; float16, float32, float64 and integers of 1 to
/// 8 bytes, little or big endian; C or Fortran order; rank 1 to 4.
///
/// `source` (the file and the array) opens every message. Throws BadInput on anything else: no magic string,
/// an unknown version, a header longer than the data, a header without descr, fortran_order or shape, another
/// type, a shape that disagrees with the size of the data. Format: numpy.lib.format.
NumberArray parse_npy(std::span<const std::byte> image, const std::string& source);

/// The array as a .npy image that numpy.load reads: version 1, '<f8', C order, data aligned to 64 bytes.
/// `values` must have as many numbers as the shape says.
std::vector<std::byte> npy_image(const NumberArray& array);

}  // namespace attngap
