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

namespace {

std::array<std::uint8_t, 16> canonical_form(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  std::array<std::uint8_t, 16> digest;
  std::memcpy(digest.data(), canonical.digest, digest.size());
  return digest;
}

}  // namespace

std::array<std::uint8_t, 16> xxh3_128(ByteSpan bytes) {
  return canonical_form(XXH3_128bits(bytes.data, bytes.size));
}

struct Xxh3Hasher::State {
  XXH3_state_t xxh3;
};

Xxh3Hasher::Xxh3Hasher() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh3); }

Xxh3Hasher::~Xxh3Hasher() = default;

void Xxh3Hasher::update(ByteSpan bytes) {
  XXH3_128bits_update(&state_->xxh3, bytes.data, bytes.size);
}

std::array<std::uint8_t, 16> Xxh3Hasher::digest() const {
  return canonical_form(XXH3_128bits_digest(&state_->xxh3));
}

}  // namespace fastload
