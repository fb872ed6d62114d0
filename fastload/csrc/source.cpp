#include "source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "hash.h"
#include "picture.h"
#include "read_exactly.h"

namespace fastload {
namespace {

constexpr std::uint64_t max_sample_bytes = std::uint64_t{4} << 30;

Status failed(const char* what, int error) {
  return Status::error(Code::record, std::string(what) + ": " + std::strerror(error));
}

Status read_sample(int descriptor, std::uint64_t offset, std::size_t size, std::uint8_t* out) {
  const int error = read_exactly(descriptor, offset, size, out);
  if (error == 0) return Status::success();
  if (error == file_too_short) {
    return Status::error(Code::record, "the file is shorter than expected");
  }
  return failed("reading failed", error);
}

std::uint8_t* reserve(ReadBuffer& buffer, std::size_t size) {
  if (buffer.bytes.size() < size + ReadBuffer::slack) buffer.bytes.resize(size + ReadBuffer::slack);
  return buffer.bytes.data();
}

// A descriptor that is closed on every way out.
struct OpenFile {
  int descriptor;
  explicit OpenFile(const char* path)
      : descriptor(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~OpenFile() {
    if (descriptor >= 0) ::close(descriptor);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
};

}  // namespace

StoreSource::StoreSource(int descriptor, std::vector<std::uint64_t> offsets,
                         std::vector<std::uint64_t> lengths)
    : descriptor_(descriptor),
      offsets_(std::move(offsets)),
      lengths_(std::move(lengths)),
      verified_((offsets_.size() + 7) / 8) {}

StoreSource::~StoreSource() { ::close(descriptor_); }

Status StoreSource::read(std::size_t index, ReadBuffer& buffer, Record& record,
                         std::size_t& bytes_read) {
  const std::uint64_t length = lengths_[index];
  if (length < record_header_size || length > max_sample_bytes) {
    return Status::error(Code::record, "a length of " + std::to_string(length) + " bytes");
  }
  const auto size = static_cast<std::size_t>(length);
  std::uint8_t* bytes = reserve(buffer, size);
  Status status = read_sample(descriptor_, offsets_[index], size, bytes);
  if (!status.ok()) return status;
  bytes_read += size;
  status = parse_record({bytes, size}, record);
  if (!status.ok()) return status;
  if (record.index != index) {
    return Status::error(Code::record, "it says that it is sample " + std::to_string(record.index));
  }
  std::atomic<std::uint8_t>& checked = verified_[index / 8];
  const auto bit = static_cast<std::uint8_t>(1u << (index % 8));
  if ((checked.load(std::memory_order_relaxed) & bit) == 0) {
    if (!body_is_intact(record)) {
      return Status::error(Code::record, "damaged record: the checksum of its body does not match");
    }
    checked.fetch_or(bit, std::memory_order_relaxed);
  }
  if (record.codec == Codec::other) return Status::error(Code::unsupported, "left to Pillow");
  return Status::success();
}

void StoreSource::announce(std::size_t index) {
#ifdef POSIX_FADV_WILLNEED
  posix_fadvise(descriptor_, static_cast<off_t>(offsets_[index]),
                static_cast<off_t>(lengths_[index]), POSIX_FADV_WILLNEED);
#else
  (void)index;
#endif
}

Status FileSource::read(std::size_t index, ReadBuffer& buffer, Record& record,
                        std::size_t& bytes_read) {
  const OpenFile file(paths_[index].c_str());
  struct stat info{};
  if (file.descriptor < 0 || fstat(file.descriptor, &info) != 0) {
    return failed("the file cannot be opened", errno);
  }
  if (!S_ISREG(info.st_mode)) return Status::error(Code::record, "it is not a regular file");
  if (static_cast<std::uint64_t>(info.st_size) > max_sample_bytes) {
    return Status::error(Code::limit, "a file of more than 4 GiB");
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  std::uint8_t* bytes = reserve(buffer, size);
  Status status = read_sample(file.descriptor, 0, size, bytes);
  if (!status.ok()) return status;
  bytes_read += size;
  return record_of_file({bytes, size}, record);
}

// Content, names and rights of a file cannot change without its ctime, which nobody can set. But
// clocks of file systems go in steps: a file that changed this very moment may change once more
// without its times telling, so it has no fingerprint yet.
std::uint64_t FileSource::fingerprint(std::size_t index) const {
  constexpr std::int64_t second = 1'000'000'000;
  struct stat info{};
  timespec clock{};
  if (stat(paths_[index].c_str(), &info) != 0 || !S_ISREG(info.st_mode) ||
      clock_gettime(CLOCK_REALTIME, &clock) != 0) {
    return 0;
  }
#ifdef __APPLE__
  const timespec &modified = info.st_mtimespec, &changed = info.st_ctimespec;
#else
  const timespec &modified = info.st_mtim, &changed = info.st_ctim;
#endif
  const auto nanoseconds = [](const timespec& t) { return t.tv_sec * second + t.tv_nsec; };
  // Steps are of at most 10 ms, or of whole seconds where nothing finer is kept.
  const std::int64_t step = changed.tv_nsec == 0 ? 2 * second : second / 10;
  if (nanoseconds(changed) + step > nanoseconds(clock)) return 0;
  const std::int64_t seen[] = {static_cast<std::int64_t>(info.st_ino),
                               static_cast<std::int64_t>(info.st_size), nanoseconds(modified),
                               nanoseconds(changed)};
  return xxh3_64({reinterpret_cast<const std::uint8_t*>(seen), sizeof seen}) | 1;
}

}  // namespace fastload
