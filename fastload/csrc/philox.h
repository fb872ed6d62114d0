// Philox4x32-10, a counter-based generator: every number is a pure function of a key and a
// counter (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).
#pragma once

#include <array>
#include <cstdint>

namespace fastload {

inline std::array<std::uint32_t, 4> philox(std::uint64_t key,
                                           std::array<std::uint32_t, 4> counter) {
  auto k0 = static_cast<std::uint32_t>(key);
  auto k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ k1,
               static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

// The random numbers of one operation on one sample: the same whoever draws them, and when.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t position, std::uint32_t operation)
      : seed_(seed), position_(position), operation_(operation) {}

  // In [0, 1), 53 bits.
  double uniform() { return static_cast<double>(word() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // In [0, count), count at least 1. Off from even by less than count / 2^64.
  int below(int count) {
    return static_cast<int>(
        (static_cast<unsigned __int128>(word()) * static_cast<unsigned __int128>(count)) >> 64);
  }

 private:
  std::uint64_t word() {
    if (used_ == 2) {
      block_ = philox(seed_, {static_cast<std::uint32_t>(position_),
                              static_cast<std::uint32_t>(position_ >> 32), operation_, index_++});
      used_ = 0;
    }
    const std::size_t at = 2 * used_++;
    return (static_cast<std::uint64_t>(block_[at + 1]) << 32) | block_[at];
  }

  std::uint64_t seed_;
  std::uint64_t position_;
  std::uint32_t operation_;
  std::uint32_t index_ = 0;
  std::array<std::uint32_t, 4> block_{};
  std::size_t used_ = 2;
};

}  // namespace fastload
