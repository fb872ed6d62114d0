#include "hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fastload {

std::uint64_t xxh3_64(ByteSpan bytes) { return XXH3_64bits(bytes.data, bytes.size); }

std::uint64_t xxh3_64(ByteSpan bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}

std::uint64_t xxh3_64(ByteSpan first, ByteSpan second) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, first.data, first.size);
  XXH3_64bits_update(&state, second.data, second.size);
  return XXH3_64bits_digest(&state);
}

std::array<std::uint8_t, 16> xxh3_128(ByteSpan bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data, bytes.size));
  std::array<std::uint8_t, 16> digest;
  std::memcpy(digest.data(), canonical.digest, digest.size());
  return digest;
}

}  // namespace fastload
