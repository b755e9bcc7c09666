#include "data_test_support.hpp"
#include "estimators/random_stream.hpp"
#include "experiments/data_source.hpp"
#include "experiments/npy.hpp"
#include "experiments/npz.hpp"

#include <functional>
#include <string_view>

#include <gtest/gtest.h>

namespace attngap {
namespace {

using testing::bad_input;
using testing::read_bytes;
using testing::run_numpy;
using testing::TemporaryDirectory;
using testing::write_bytes;

using Bytes = std::vector<std::byte>;

// Any other exception, and any report of a sanitizer, fails the test.
using Reader = std::function<void(const Bytes&)>;

std::vector<std::uint32_t> random_words(std::uint32_t cell, std::size_t count) {
  std::vector<std::uint32_t> words(count);
  RandomStream({20240, cell, 0}, Purpose::data).words(0, words);
  return words;
}

// Every truncation, and every byte replaced by a few others.
int refusals_of_damage(const Bytes& image, const Reader& reader) {
  int refused = 0;
  const auto attempt = [&](const Bytes& bytes) {
    refused += bad_input([&] { reader(bytes); }).empty() ? 0 : 1;
  };
  for (std::size_t size = 0; size < image.size(); ++size)
    attempt({image.begin(), image.begin() + static_cast<std::ptrdiff_t>(size)});
  for (std::size_t place = 0; place < image.size(); ++place)
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      Bytes damaged = image;
      damaged[place] ^= static_cast<std::byte>(flip);
      attempt(damaged);
    }
  return refused;
}

int refusals_of_noise(std::string_view start, const Reader& reader) {
  int refused = 0;
  for (std::uint32_t cell = 0; cell < 300; ++cell) {
    Bytes bytes;
    for (const char c : start) bytes.push_back(static_cast<std::byte>(c));
    for (const std::uint32_t word : random_words(cell, 1 + cell))
      bytes.push_back(static_cast<std::byte>(word & 0xff));
    refused += bad_input([&] { reader(bytes); }).empty() ? 0 : 1;
  }
  return refused;
}

class DamagedData : public ::testing::Test {
 protected:
  // Loads the bytes as a file of that name.
  Reader file_reader(const std::string& name) const {
    return [path = directory_ / name](const Bytes& bytes) {
      write_bytes(path, bytes);
      static_cast<void>(load_dataset(path));
    };
  }

  TemporaryDirectory directory_;
};

TEST_F(DamagedData, NpyImagesNeverCrash) {
  const Reader reader = [](const Bytes& bytes) { static_cast<void>(parse_npy(bytes, "fuzz")); };
  const Bytes image = npy_image({{3, 2}, {1, 2, 3, 4, 5, 6}});
  EXPECT_GE(refusals_of_damage(image, reader), static_cast<int>(image.size())) << "a truncation was accepted";
  EXPECT_EQ(refusals_of_noise("", reader), 300);
  refusals_of_noise(std::string_view("\x93NUMPY\x01\0\x20\0{", 11), reader);
}

TEST_F(DamagedData, NpzFilesNeverCrash) {
  write_npz(directory_ / "stored.npz",
            {{"q", {{1, 2}, {1, 2}}}, {"k", {{1, 2}, {1, 2}}}, {"v", {{1, 1}, {3}}}});
  const auto printed = run_numpy(directory_, "np.savez_compressed('deflated.npz', **np.load('stored.npz'))");
  ASSERT_TRUE(printed.done) << printed.text;
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const Bytes image = read_bytes(directory_ / name);
    EXPECT_GE(refusals_of_damage(image, file_reader("damaged.npz")), static_cast<int>(image.size())) << name;
  }
  EXPECT_EQ(refusals_of_noise("PK\x03\x04", file_reader("noise.npz")), 300);
}

TEST_F(DamagedData, SafetensorsFilesNeverCrash) {
  const std::string header = R"({"q":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                             R"("k":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]},)"
                             R"("v":{"dtype":"F64","shape":[1,1],"data_offsets":[12,20]}})";
  std::string text(8, '\0');
  text[0] = static_cast<char>(header.size());
  text += header + std::string(20, '\0');
  const auto bytes = std::as_bytes(std::span(text));
  const Bytes image(bytes.begin(), bytes.end());
  const Reader reader = file_reader("damaged.safetensors");
  EXPECT_EQ(bad_input([&] { reader(image); }), "");
  EXPECT_GE(refusals_of_damage(image, reader), static_cast<int>(image.size())) << "a truncation was accepted";
  EXPECT_EQ(refusals_of_noise("", reader), 300);
  refusals_of_noise(std::string_view("\x20\0\0\0\0\0\0\0{\"q\":", 13), reader);
}

TEST_F(DamagedData, RandomArgumentsNeverCrash) {
  write_npz(directory_ / "a.npz", {{"q", {{2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}}},
                                   {"k", {{2, 1, 2}, {1, 2, 3, 4}}},
                                   {"v", {{2, 1, 1}, {3, 4}}}});
  constexpr std::array<std::string_view, 30> kPieces{
      ":",        ",",         "=",      "/",      "mask", "causal",
      "none",     "head",      "scale",  "0",      "1",    "-1",
      "nan",      "1e999",     "q",      "k",      "name", " ",
      "gaussian", "ar1",       "norm",   "length", "dim",  "seed",
      "values",   "clustered", "linear", "rho",    "\xff", "18446744073709551616"};
  for (std::uint32_t cell = 0; cell < 4000; ++cell) {
    const auto words = random_words(cell, 1 + cell % 9);
    std::string argument = cell % 3 == 0 ? "synthetic:" : (cell % 3 == 1 ? directory_ / "a.npz" + ":" : "");
    for (const std::uint32_t word : words) argument += kPieces[word % kPieces.size()];
    static_cast<void>(bad_input([&] { static_cast<void>(load_dataset(argument)); }));
  }
}

}  // namespace
}  // namespace attngap
