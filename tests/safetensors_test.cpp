#include "experiments/safetensors.hpp"

#include "data_test_support.hpp"

#include <cstdint>

#include <gmock/gmock.h>

namespace attngap {
namespace {

using ::testing::AllOf;
using testing::bad_input;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryDirectory;
using testing::write_text;

std::string length_bytes(std::uint64_t length) {
  std::string text;
  for (int shift = 0; shift < 64; shift += 8) text += static_cast<char>((length >> shift) & 0xff);
  return text;
}

std::string image(const std::string& header, const std::string& data) {
  return length_bytes(header.size()) + header + data;
}

TEST(Safetensors, EveryFloatingTypeIsRead) {
  const TemporaryDirectory directory;
  // -1.5 in each type, by the IEEE 754 definition, after a leading 1.
  const std::string data = std::string("\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\xf8\xbf", 16) +
                           std::string("\0\0\x80\x3f\0\0\xc0\xbf", 8) + std::string("\0\x3c\0\xbe", 4) +
                           std::string("\x80\x3f\xc0\xbf", 4);
  write_text(directory / "all.safetensors", image(R"({"__metadata__":{"format":"pt"},
        "a":{"dtype":"F64","shape":[1,2],"data_offsets":[0,16]}, "b":{"dtype":"F32","shape":[2,1],"data_offsets":[16,24]},
        "c":{"dtype":"F16","shape":[2],"data_offsets":[24,28]},  "d":{"dtype":"BF16","shape":[1,1,2],"data_offsets":[28,32]},
        "e":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})",
                                                  data));
  const auto file = open_safetensors(directory / "all.safetensors");
  EXPECT_THAT(file->names(), ElementsAre("a", "b", "c", "d", "e"));
  for (const char* name : {"a", "b", "c", "d"})
    EXPECT_THAT(file->read(name).values, ElementsAre(1.0, -1.5)) << name;
  EXPECT_THAT(file->read("d").shape, ElementsAre(1, 1, 2));
  EXPECT_THAT(bad_input([&] { static_cast<void>(file->read("e")); }),
              AllOf(HasSubstr("array \"e\""), HasSubstr("dtype I64")));
  EXPECT_THAT(bad_input([&] { static_cast<void>(file->read("q")); }),
              AllOf(HasSubstr("no array \"q\""), HasSubstr("\"a\", \"b\"")));
}

TEST(Safetensors, DamagedFilesAreNamed) {
  const TemporaryDirectory directory;
  const auto refusal = [&](const std::string& text) {
    write_text(directory / "bad.safetensors", text);
    return bad_input([&] { static_cast<void>(open_safetensors(directory / "bad.safetensors")->read("q")); });
  };
  const auto tensor = [&](const std::string& entry) {
    return refusal(image("{\"q\":" + entry + "}", std::string(16, '\0')));
  };
  EXPECT_EQ(tensor(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,16]})"), "");
  EXPECT_THAT(refusal("abc"), AllOf(HasSubstr("bad.safetensors"), HasSubstr("3 bytes are too few")));
  EXPECT_THAT(refusal(length_bytes(100) + "{}"), HasSubstr("header is 100 bytes long, but the file has 10"));
  EXPECT_THAT(refusal(length_bytes(~std::uint64_t{0}) + "{}"), HasSubstr("but the file has 10"));
  EXPECT_THAT(refusal(image("{\"q\":", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal(image("[1, 2]", "")), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal(image("{}", "")), HasSubstr("no arrays at all"));
  EXPECT_THAT(tensor("7"), HasSubstr("no dtype, shape and data_offsets"));
  EXPECT_THAT(tensor(R"({"dtype":"F32","shape":[2,2]})"), HasSubstr("no dtype, shape and data_offsets"));
  EXPECT_THAT(tensor(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,17]})"),
              AllOf(HasSubstr("array \"q\""), HasSubstr("leave the 16 bytes")));
  EXPECT_THAT(tensor(R"({"dtype":"F32","shape":[2,2],"data_offsets":[16,0]})"),
              HasSubstr("leave the 16 bytes"));
  EXPECT_THAT(tensor(R"({"dtype":"F32","shape":[2,3],"data_offsets":[0,16]})"),
              HasSubstr("shape (2, 3) of F32"));
  EXPECT_THAT(tensor(R"({"dtype":"F32","shape":[-2,2],"data_offsets":[0,16]})"),
              HasSubstr("not a whole number"));
  EXPECT_THAT(tensor(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]})"),
              HasSubstr("does not take the 16 bytes"));
  EXPECT_THAT(bad_input([&] { static_cast<void>(open_safetensors(directory / "absent.safetensors")); }),
              HasSubstr("no such file"));
}

}  // namespace
}  // namespace attngap
