// The header of a record in a store; docs/format.md specifies it byte by byte.
#pragma once

#include "bytes.h"
#include "status.h"

namespace fastload {

enum class Codec : std::uint8_t { tiles = 1, jpeg = 2, raw = 3, other = 4 };

constexpr std::size_t record_header_size = 64;

struct Record {
  Codec codec = Codec::other;
  std::uint64_t index = 0;
  int height = 0;
  int width = 0;
  std::uint64_t body_hash = 0;
  ByteSpan head;
  ByteSpan body;
};

// Checks the header, its checksum over header and head, and the sizes. Not the body's
// checksum: see body_is_intact. The record points into `bytes`.
Status parse_record(ByteSpan bytes, Record& record);
bool body_is_intact(const Record& record);

}  // namespace fastload
