// XXH3, the checksum of records and columns and the content hash of files.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "bytes.h"

namespace fastload {

std::uint64_t xxh3_64(ByteSpan bytes);
std::uint64_t xxh3_64(ByteSpan bytes, std::uint64_t seed);
// The checksum of two stretches as if they were one.
std::uint64_t xxh3_64(ByteSpan first, ByteSpan second);
// Canonical (big-endian) form, as xxhsum prints it.
std::array<std::uint8_t, 16> xxh3_128(ByteSpan bytes);

// The same of bytes that come piece by piece.
class Xxh3Hasher {
 public:
  Xxh3Hasher();
  ~Xxh3Hasher();
  Xxh3Hasher(const Xxh3Hasher&) = delete;
  Xxh3Hasher& operator=(const Xxh3Hasher&) = delete;

  void update(ByteSpan bytes);
  std::array<std::uint8_t, 16> digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fastload
