#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attngap {

/// An array read from or written to a file: its shape and its numbers in C order (last index fastest).
struct NumberArray {
  std::vector<std::size_t> shape;
  std::vector<double> values;  ///< as many as the product of `shape`
};

/// "(3, 7)", as numpy prints a shape.
std::string shape_text(std::span<const std::size_t> shape);

/// How one number is stored in a file.
struct ElementFormat {
  enum class Kind { floating, brain, integer, natural };
  Kind kind = Kind::floating;  ///< IEEE binary, bfloat16, two's complement, unsigned
  std::size_t bytes = 8;       ///< floating 2, 4, 8; brain 2; integer and natural 1, 2, 4, 8
  bool big_endian = false;
};

/// The numbers stored in `data`, whose size is a multiple of format.bytes. Every format but 64-bit integers
/// beyond 2⁵³ is converted exactly; NaN and infinity pass through.
std::vector<double> decode_numbers(std::span<const std::byte> data, const ElementFormat& format);

/// The number of bytes of an array of that shape, or nothing if it does not fit 64 bits.
std::optional<std::uint64_t> array_bytes(std::span<const std::size_t> shape, std::size_t element_bytes);

/// A file with named arrays.
class ArrayFile {
 public:
  virtual ~ArrayFile() = default;

  /// The names of the arrays.
  virtual std::vector<std::string> names() const = 0;

  /// One array. Throws BadInput naming the file and the array if it is absent (listing what is there),
  /// damaged or of an unsupported type.
  virtual NumberArray read(const std::string& name) const = 0;
};

/// The sentence for an array that is not there: `FILE: no array "NAME"; the file holds "a", "b"`.
std::string absent_array(std::string_view source, std::string_view name, std::span<const std::string> names);

}  // namespace attngap
