#include "experiments/npz.hpp"

#include "estimators/error.hpp"
#include "experiments/npy.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <new>
#include <utility>
#include <vector>

#include <zip.h>

namespace attngap {
namespace {

constexpr std::uint64_t kMaxArrayBytes = std::uint64_t{64} << 30;
constexpr std::string_view kSuffix = ".npy";

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Entry = std::unique_ptr<zip_file_t, CloseEntry>;

std::string message_of(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

class NpzFile : public ArrayFile {
 public:
  explicit NpzFile(const std::string& path) : path_(path) {
    int code = 0;
    archive_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
    require(archive_ != nullptr, "{}: not a .npz archive, or a truncated one ({}); copy or save it again",
            path, message_of(code));
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> result;
    const zip_int64_t entries = zip_get_num_entries(archive_.get(), 0);
    for (zip_int64_t i = 0; i < entries; ++i) {
      const char* raw = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), 0);
      const std::string_view name = raw ? raw : "";
      if (name.ends_with(kSuffix)) result.emplace_back(name.substr(0, name.size() - kSuffix.size()));
    }
    return result;
  }

  NumberArray read(const std::string& name) const override {
    const std::string source = fmt::format("{}: array \"{}\"", path_, name);
    const zip_int64_t place = zip_name_locate(archive_.get(), (name + std::string(kSuffix)).c_str(), 0);
    if (place < 0) throw BadInput(absent_array(path_, name, names()));
    try {
      return parse_npy(entry_bytes(static_cast<zip_uint64_t>(place), source), source);
    } catch (const std::bad_alloc&) {
      throw BadInput(fmt::format("{}: does not fit the memory of this machine; save a part of it", source));
    }
  }

 private:
  std::vector<std::byte> entry_bytes(zip_uint64_t place, const std::string& source) const {
    zip_stat_t stat;
    zip_stat_init(&stat);
    require(zip_stat_index(archive_.get(), place, 0, &stat) == 0 && (stat.valid & ZIP_STAT_SIZE) != 0,
            "{}: the archive does not say its size; save it again", source);
    require(stat.size <= kMaxArrayBytes, "{}: {} bytes when unpacked, at most {} are read; save a part of it",
            source, stat.size, kMaxArrayBytes);
    const Entry entry(zip_fopen_index(archive_.get(), place, 0));
    require(entry != nullptr, "{}: cannot be unpacked ({}); save it with numpy.savez", source,
            zip_strerror(archive_.get()));
    return unpack(entry.get(), stat.size, source);
  }

  // The declared size is the archive's word; memory is taken as bytes really arrive.
  static std::vector<std::byte> unpack(zip_file_t* entry, std::uint64_t size, const std::string& source) {
    constexpr std::size_t kChunk = std::size_t{1} << 20;
    std::vector<std::byte> bytes;
    std::size_t filled = 0;
    while (true) {
      // Reading past the declared end makes libzip compare the checksum.
      const std::size_t room = std::min<std::uint64_t>(std::max(kChunk, filled), size + 1 - filled);
      bytes.resize(filled + room);
      const zip_int64_t got = zip_fread(entry, bytes.data() + filled, room);
      require(got >= 0, "{}: damaged ({}); copy or save the file again", source, zip_file_strerror(entry));
      filled += static_cast<std::size_t>(got);
      if (got == 0 || filled > size) break;
    }
    require(filled == size, "{}: damaged: {} {} bytes where the archive says {}; copy or save the file again",
            source, filled > size ? "more than" : "only", std::min<std::uint64_t>(filled, size), size);
    bytes.resize(filled);
    return bytes;
  }

  std::string path_;
  Archive archive_;
};

void add_entry(zip_t* archive, const std::string& name, const std::vector<std::byte>& image,
               const std::string& path) {
  zip_source_t* source = zip_source_buffer(archive, image.data(), image.size(), 0);
  const zip_int64_t place =
      source ? zip_file_add(archive, (name + std::string(kSuffix)).c_str(), source, ZIP_FL_ENC_UTF_8) : -1;
  if (source && place < 0) zip_source_free(source);
  require(place >= 0, "{}: cannot add array \"{}\" ({})", path, name, zip_strerror(archive));
  const auto index = static_cast<zip_uint64_t>(place);
  // 1980-01-01, the first day a zip knows and the one numpy writes: the same arrays give the same bytes.
  constexpr zip_uint16_t kFirstDay = (1 << 5) | 1;
  zip_set_file_compression(archive, index, ZIP_CM_STORE, 0);
  zip_file_set_dostime(archive, index, 0, kFirstDay, 0);
}

}  // namespace

std::unique_ptr<ArrayFile> open_npz(const std::string& path) {
  std::error_code ignored;
  require(std::filesystem::is_regular_file(path, ignored), "{}: no such file; check the path", path);
  return std::make_unique<NpzFile>(path);
}

void write_npz(const std::string& path, const std::map<std::string, NumberArray>& arrays) {
  std::error_code ignored;
  // Renaming over a device would replace it.
  require(!std::filesystem::exists(path, ignored) || std::filesystem::is_regular_file(path, ignored),
          "{}: is not a file; choose another name for the archive", path);
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  require(archive != nullptr, "{}: cannot be written ({}); choose another place", path, message_of(code));
  std::vector<std::vector<std::byte>> images;
  images.reserve(arrays.size());
  for (const auto& [name, array] : arrays)
    add_entry(archive.get(), name, images.emplace_back(npy_image(array)), path);
  // zip_close writes a temporary file beside `path` and renames it; on failure the archive is still ours.
  errno = 0;
  const bool written = zip_close(archive.get()) == 0;
  // On a full disk libzip 1.7 fails with "No error"; the system knows better.
  const std::string reason = errno != 0 ? std::strerror(errno) : zip_strerror(archive.get());
  require(written, "{}: cannot be written ({}); choose another place", path, reason);
  static_cast<void>(archive.release());
}

}  // namespace attngap
