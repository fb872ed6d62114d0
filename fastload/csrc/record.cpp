#include "record.h"

#include "hash.h"

namespace fastload {
namespace {

Status damaged(const std::string& what) {
  return Status::error(Code::record, "damaged record: " + what);
}

}  // namespace

Status parse_record(ByteSpan bytes, Record& record) {
  if (bytes.size < record_header_size) {
    return damaged("expected at least 64 bytes, found " + std::to_string(bytes.size));
  }
  const std::uint8_t* p = bytes.data;
  if (std::memcmp(p, "FLRC", 4) != 0) return damaged("it does not start with FLRC");
  if (p[4] != 1) {
    return damaged("version 1 was expected, " + std::to_string(p[4]) +
                   " found; a newer fastload may read it");
  }
  if (p[5] < 1 || p[5] > 4) return damaged("codec " + std::to_string(p[5]) + " is not known");
  const std::size_t head_size = load_le<std::uint32_t>(p + 24);
  const std::uint64_t body_size = load_le<std::uint64_t>(p + 32);
  const std::size_t rest = bytes.size - record_header_size;
  if (head_size > rest || body_size != rest - head_size) {
    return damaged("its sizes do not add up to its " + std::to_string(bytes.size) + " bytes");
  }
  record.codec = static_cast<Codec>(p[5]);
  record.index = load_le<std::uint64_t>(p + 8);
  const std::uint32_t height = load_le<std::uint32_t>(p + 16);
  const std::uint32_t width = load_le<std::uint32_t>(p + 20);
  record.body_hash = load_le<std::uint64_t>(p + 40);
  record.head = bytes.slice(record_header_size, head_size);
  record.body = bytes.slice(record_header_size + head_size, static_cast<std::size_t>(body_size));
  if (load_le<std::uint64_t>(p + 56) != xxh3_64(bytes.slice(0, 56), record.head)) {
    return damaged("the checksum of its header does not match");
  }
  constexpr std::uint32_t max_side = 1u << 24;
  if (height < 1 || width < 1 || height > max_side || width > max_side) {
    return damaged("a picture of " + std::to_string(width) + " x " + std::to_string(height));
  }
  record.height = static_cast<int>(height);
  record.width = static_cast<int>(width);
  return Status::success();
}

bool body_is_intact(const Record& record) { return xxh3_64(record.body) == record.body_hash; }

}  // namespace fastload
