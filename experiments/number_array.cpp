#include "experiments/number_array.hpp"

#include "estimators/error.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include <Eigen/Core>

namespace attngap {
namespace {

template <typename Bits>
Bits read_bits(const std::byte* bytes, bool big_endian) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof(Bits); ++i)
    bits = (bits << 8) | std::to_integer<std::uint64_t>(bytes[big_endian ? i : sizeof(Bits) - 1 - i]);
  return static_cast<Bits>(bits);
}

template <typename Bits, typename Convert>
std::vector<double> decode_as(std::span<const std::byte> data, bool big_endian, Convert convert) {
  std::vector<double> values(data.size() / sizeof(Bits));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>(convert(read_bits<Bits>(data.data() + i * sizeof(Bits), big_endian)));
  return values;
}

template <typename Bits>
std::vector<double> decode_integers(std::span<const std::byte> data, const ElementFormat& format) {
  if (format.kind == ElementFormat::Kind::natural)
    return decode_as<Bits>(data, format.big_endian, [](Bits bits) { return bits; });
  return decode_as<Bits>(data, format.big_endian,
                         [](Bits bits) { return static_cast<std::make_signed_t<Bits>>(bits); });
}

std::vector<double> decode_floating(std::span<const std::byte> data, const ElementFormat& format) {
  switch (format.bytes) {
    case 2:
      return decode_as<std::uint16_t>(data, format.big_endian, [](std::uint16_t bits) {
        return static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(bits));
      });
    case 4:
      return decode_as<std::uint32_t>(data, format.big_endian,
                                      [](std::uint32_t bits) { return std::bit_cast<float>(bits); });
    default:
      return decode_as<std::uint64_t>(data, format.big_endian,
                                      [](std::uint64_t bits) { return std::bit_cast<double>(bits); });
  }
}

}  // namespace

std::string shape_text(std::span<const std::size_t> shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

std::vector<double> decode_numbers(std::span<const std::byte> data, const ElementFormat& format) {
  if (format.kind == ElementFormat::Kind::floating) return decode_floating(data, format);
  if (format.kind == ElementFormat::Kind::brain)
    return decode_as<std::uint16_t>(data, format.big_endian, [](std::uint16_t bits) {
      return std::bit_cast<float>(std::uint32_t{bits} << 16);
    });
  switch (format.bytes) {
    case 1:
      return decode_integers<std::uint8_t>(data, format);
    case 2:
      return decode_integers<std::uint16_t>(data, format);
    case 4:
      return decode_integers<std::uint32_t>(data, format);
    default:
      return decode_integers<std::uint64_t>(data, format);
  }
}

std::optional<std::uint64_t> array_bytes(std::span<const std::size_t> shape, std::size_t element_bytes) {
  if (std::find(shape.begin(), shape.end(), std::size_t{0}) != shape.end()) return 0;
  std::uint64_t total = element_bytes;
  for (const std::size_t extent : shape) {
    if (extent > std::numeric_limits<std::uint64_t>::max() / total) return std::nullopt;
    total *= extent;
  }
  return total;
}

std::string absent_array(std::string_view source, std::string_view name, std::span<const std::string> names) {
  if (names.empty()) return fmt::format("{}: no array \"{}\"; the file holds no arrays at all", source, name);
  // A checkpoint can hold thousands of tensors; a sentence cannot.
  constexpr std::size_t kListed = 12;
  const auto listed = names.first(std::min(kListed, names.size()));
  return fmt::format("{}: no array \"{}\"; the file holds \"{}\"{} (choose others with q=, k=, v=)", source,
                     name, fmt::join(listed, "\", \""),
                     names.size() > kListed ? fmt::format(" and {} more", names.size() - kListed) : "");
}

}  // namespace attngap
