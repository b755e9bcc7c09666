#include "data_test_support.hpp"
#include "experiments/npy.hpp"
#include "experiments/npz.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include <gmock/gmock.h>

namespace attngap {
namespace {

using ::testing::AllOf;
using testing::bad_input;
using ::testing::HasSubstr;
using testing::read_bytes;
using testing::run_numpy;
using testing::TemporaryDirectory;
using testing::write_bytes;
using testing::write_text;

// Entry i in C order of every array below: exact in all the types.
double entry(std::size_t i) {
  return static_cast<double>(i * 7 % 23);
}

constexpr const char* kEntries = "entries = lambda n: np.arange(n) * 7 % 23\n";

void expect_entries(const NumberArray& array, const std::vector<std::size_t>& shape,
                    const std::string& what) {
  EXPECT_EQ(array.shape, shape) << what;
  for (std::size_t i = 0; i < array.values.size(); ++i)
    ASSERT_EQ(array.values[i], entry(i)) << what << " at " << i;
}

std::vector<std::byte> image(const std::string& header, std::size_t data_bytes, char version = 1) {
  std::string text = "\x93NUMPY";
  text += version;
  text += '\0';
  text += static_cast<char>(header.size() & 0xff);
  text += static_cast<char>(header.size() >> 8);
  if (version > 1) text.append(2, '\0');
  text += header;
  text.append(data_bytes, '\0');
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(NumpyFiles, EveryTypeOrderRankAndCompressionReadsBackExactly) {
  const TemporaryDirectory directory;
  const auto printed = run_numpy(directory, std::string(kEntries) + R"(
arrays = {}
for dtype in 'f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8'.split():
    for byte_order in '<>=':
        for order in 'CF':
            for shape in [(7,), (3, 7), (2, 3, 7), (5, 2, 3, 7)]:
                a = entries(np.prod(shape)).reshape(shape).astype(byte_order + dtype)
                arrays[f'{len(shape)} {dtype} {"big" if byte_order == ">" else byte_order} {order}'] = np.array(a, order=order)
np.savez('stored.npz', **arrays)
np.savez_compressed('deflated.npz', **arrays)
)");
  ASSERT_TRUE(printed.done) << printed.text;
  const std::vector<std::vector<std::size_t>> shapes{{7}, {3, 7}, {2, 3, 7}, {5, 2, 3, 7}};
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const auto file = open_npz(directory / name);
    const auto names = file->names();
    EXPECT_EQ(names.size(), 11u * 3 * 2 * 4);
    for (const std::string& array : names)
      expect_entries(file->read(array), shapes[static_cast<std::size_t>(array[0] - '1')], array);
  }
}

TEST(NumpyFiles, EveryFloat16AndTheLimitsOfOtherTypesReadBackExactly) {
  const TemporaryDirectory directory;
  const auto printed = run_numpy(directory, R"(
half = np.arange(65536, dtype=np.uint16).view(np.float16)
f4 = np.array([np.inf, -np.inf, np.nan, -0.0, 1e-45, 3.4028235e38], np.float32)
i8 = np.array([-2**53, 2**53, -1, -2**63], np.int64)
np.savez('special.npz', half=half, half_exact=half.astype(np.float64), f4=f4, f4_exact=f4.astype(np.float64),
         i8=i8, i8_exact=i8.astype(np.float64))
)");
  ASSERT_TRUE(printed.done) << printed.text;
  const auto file = open_npz(directory / "special.npz");
  for (const std::string name : {"half", "f4", "i8"}) {
    const NumberArray read = file->read(name);
    const NumberArray exact = file->read(name + "_exact");
    ASSERT_EQ(read.values.size(), exact.values.size());
    for (std::size_t i = 0; i < read.values.size(); ++i) {
      if (std::isnan(exact.values[i]))
        EXPECT_TRUE(std::isnan(read.values[i])) << name << " " << i;
      else
        ASSERT_EQ(std::bit_cast<std::uint64_t>(read.values[i]), std::bit_cast<std::uint64_t>(exact.values[i]))
            << name << " " << i;
    }
  }
}

TEST(NumpyFiles, HeaderVersionsOneTwoAndThreeAreRead) {
  const TemporaryDirectory directory;
  const auto printed = run_numpy(directory, std::string(kEntries) + R"(
for version in 1, 2, 3:
    with open(f'{version}.npy', 'wb') as f:
        np.lib.format.write_array(f, entries(21).reshape(3, 7).astype('f4'), version=(version, 0))
)");
  ASSERT_TRUE(printed.done) << printed.text;
  for (const char* name : {"1.npy", "2.npy", "3.npy"})
    expect_entries(parse_npy(read_bytes(directory / name), name), {3, 7}, name);
}

TEST(NumpyFiles, NumpyReadsWhatWeWrite) {
  const TemporaryDirectory directory;
  NumberArray matrix{{3, 7}, {}};
  for (std::size_t i = 0; i < 21; ++i) matrix.values.push_back(entry(i) + 0.1);
  const NumberArray special{{4}, {INFINITY, -INFINITY, -0.0, 5e-324}};
  write_npz(directory / "ours.npz", {{"o", matrix}, {"special", special}, {"empty", {{0, 5}, {}}}});
  const auto printed = run_numpy(directory, std::string(kEntries) + R"(
import zipfile
z = np.load('ours.npz', allow_pickle=False)
assert sorted(z.files) == ['empty', 'o', 'special'], z.files
assert z['o'].dtype == np.float64 and (z['o'] == entries(21).reshape(3, 7) + 0.1).all(), z['o']
assert z['o'].flags['C_CONTIGUOUS'] and z['empty'].shape == (0, 5)
assert z['special'].tobytes() == np.array([np.inf, -np.inf, -0.0, 5e-324]).tobytes()
archive = zipfile.ZipFile('ours.npz')
assert archive.testzip() is None
for name in archive.namelist():
    image = archive.read(name)
    assert (10 + image[8] + 256 * image[9]) % 64 == 0, name
)");
  EXPECT_TRUE(printed.done) << printed.text;
  const auto back = open_npz(directory / "ours.npz")->read("o");
  EXPECT_EQ(back.shape, matrix.shape);
  EXPECT_EQ(back.values, matrix.values);
}

TEST(NumpyFiles, WritingReplacesTheFileWholeAndGivesTheSameBytes) {
  const TemporaryDirectory directory;
  const std::string path = directory / "out.npz";
  write_text(path, "something else");
  write_npz(path, {{"a", {{2}, {1, 2}}}});
  const auto first = read_bytes(path);
  write_npz(path, {{"a", {{2}, {1, 2}}}});
  EXPECT_EQ(read_bytes(path), first);
  const std::filesystem::directory_iterator files(directory.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1) << "a temporary file was left behind";
}

TEST(NumpyFiles, APlaceThatCannotBeWrittenIsRefused) {
  const TemporaryDirectory directory;
  const NumberArray array{{2}, {1, 2}};
  EXPECT_THAT(bad_input([&] {
                write_npz(directory / "none/out.npz", {{"a", array}});
              }),
              AllOf(HasSubstr("none/out.npz"), HasSubstr("cannot be written"), HasSubstr("choose another")));
  EXPECT_THAT(bad_input([&] {
                write_npz(directory.path().string(), {{"a", array}});
              }),
              HasSubstr("is not a file"));
  EXPECT_THAT(bad_input([&] { write_npz("/dev/null", {{"a", array}}); }), HasSubstr("is not a file"));
}

TEST(NumpyFiles, DamagedNpyImagesAreNamed) {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 7), }";
  const auto refusal = [](const std::vector<std::byte>& bytes) {
    return bad_input([&] { static_cast<void>(parse_npy(bytes, "F: array \"q\"")); });
  };
  const auto header = [&](const std::string& text) { return refusal(image(text, 84)); };
  EXPECT_EQ(header(good), "");
  EXPECT_EQ(header("{'shape': (3L, 7L,), 'descr': \"<f4\", 'fortran_order': True}"), "");
  EXPECT_THAT(refusal({}), AllOf(HasSubstr("F: array \"q\""), HasSubstr("not a .npy array")));
  EXPECT_THAT(refusal(image(good, 84, 9)), HasSubstr("format version 9"));
  auto cut = image(good, 84);
  cut.resize(40);
  EXPECT_THAT(refusal(cut), AllOf(HasSubstr("truncated"), HasSubstr("header is 59 bytes")));
  cut.resize(9);
  EXPECT_THAT(refusal(cut), HasSubstr("truncated"));
  EXPECT_THAT(refusal(image(good, 83)), AllOf(HasSubstr("truncated"), HasSubstr("needs 84 bytes, but 83")));
  EXPECT_THAT(refusal(image(good, 85)), HasSubstr("damaged"));
  EXPECT_THAT(header("{'descr': '<f4', 'shape': (3, 7)}"), HasSubstr("no fortran_order"));
  EXPECT_THAT(header("{'fortran_order': False, 'shape': (3, 7)}"), HasSubstr("no descr"));
  EXPECT_THAT(header("{'fortran_order': False, 'descr': '<f4'}"), HasSubstr("no shape"));
  EXPECT_THAT(header("{'descr': '<c8', 'fortran_order': False, 'shape': (3, 7)}"),
              AllOf(HasSubstr("dtype \"<c8\""), HasSubstr("astype")));
  EXPECT_THAT(header("{'descr': '|O', 'fortran_order': False, 'shape': (3, 7)}"), HasSubstr("dtype \"|O\""));
  EXPECT_THAT(header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}"),
              HasSubstr("records"));
  EXPECT_THAT(header("{'descr': '<f4', 'fortran_order': False, 'shape': ()}"), HasSubstr("rank 0"));
  EXPECT_THAT(header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,3,7)}"), HasSubstr("rank 5"));
  EXPECT_THAT(header("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 7)}"),
              HasSubstr("tuple of integers"));
  EXPECT_THAT(header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"),
              HasSubstr("too large"));
  EXPECT_THAT(header("{'descr': '<f4', 'fortran_order': Maybe}"), HasSubstr("neither True nor False"));
  EXPECT_THAT(header("nonsense"), HasSubstr("'{' expected"));
}

TEST(NumpyFiles, ArchivesThatAreNoneAreNamed) {
  const TemporaryDirectory directory;
  write_npz(directory / "good.npz", {{"q", {{2}, {1, 2}}}, {"key", {{2}, {1, 2}}}});
  const auto refusal = [&](const std::string& name, const std::string& array) {
    return bad_input([&] { static_cast<void>(open_npz(directory / name)->read(array)); });
  };
  EXPECT_THAT(refusal("absent.npz", "q"), AllOf(HasSubstr("absent.npz"), HasSubstr("no such file")));
  EXPECT_THAT(refusal("good.npz", "k"), AllOf(HasSubstr("no array \"k\""), HasSubstr("\"key\", \"q\"")));
  write_text(directory / "text.npz", "These are not the arrays you are looking for.");
  EXPECT_THAT(refusal("text.npz", "q"), AllOf(HasSubstr("text.npz"), HasSubstr("not a .npz archive")));
  auto bytes = read_bytes(directory / "good.npz");
  write_bytes(directory / "truncated.npz", std::span(bytes).first(bytes.size() / 2));
  EXPECT_THAT(refusal("truncated.npz", "q"), AllOf(HasSubstr("truncated.npz"), HasSubstr("truncated one")));
  // Local header 30 + "key.npy", header 128, then the numbers: one flipped bit must not pass the checksum.
  bytes[30 + 7 + 128 + 3] ^= std::byte{1};
  write_bytes(directory / "flipped.npz", bytes);
  EXPECT_THAT(refusal("flipped.npz", "key"), AllOf(HasSubstr("array \"key\""), HasSubstr("damaged")));
  EXPECT_EQ(refusal("flipped.npz", "q"), "");
}

TEST(NumpyFiles, DeclaredSizesAreNotBelieved) {
  const TemporaryDirectory directory;
  const auto printed = run_numpy(directory, R"(
import io, struct, zlib
def archive(path, size):
    data = zlib.compress(b'\0' * 1000)[2:-4]
    crc = zlib.crc32(b'\0' * 1000)
    local = struct.pack('<4s5H3I2H', b'PK\3\4', 45, 0, 8, 0, 33, crc, len(data), 1000, 5, 0) + b'q.npy' + data
    extra = struct.pack('<2HQ', 1, 8, size)
    central = struct.pack('<4s6H3I5H2I', b'PK\1\2', 45, 45, 0, 8, 0, 33, crc, len(data), 0xffffffff, 5, len(extra),
                          0, 0, 0, 0, 0) + b'q.npy' + extra
    end = struct.pack('<4s4H2IH', b'PK\5\6', 0, 0, 1, 1, len(central), len(local), 0)
    open(path, 'wb').write(local + central + end)
archive('huge.npz', 2**36 + 1)
archive('lying.npz', 2**33)
archive('small.npz', 10)
)");
  ASSERT_TRUE(printed.done) << printed.text;
  const auto refusal = [&](const std::string& name) {
    return bad_input([&] { static_cast<void>(open_npz(directory / name)->read("q")); });
  };
  EXPECT_THAT(refusal("huge.npz"), AllOf(HasSubstr("68719476737 bytes"), HasSubstr("at most 68719476736")));
  EXPECT_THAT(refusal("lying.npz"), AllOf(HasSubstr("damaged")));
  EXPECT_THAT(refusal("small.npz"), AllOf(HasSubstr("damaged")));
}

}  // namespace
}  // namespace attngap
