// Compiled twice, for the baseline processor and for AVX2; plain loops that compilers
// vectorize, so that both give the same bits by construction.
// clang-format off
#include "upsample.h"
// clang-format on

namespace fastload {
namespace {

void blend_rows(const std::uint8_t* __restrict near, const std::uint8_t* __restrict far, int count,
                int bias, std::uint8_t* __restrict out) {
  const auto b = static_cast<std::uint16_t>(bias);
  for (int i = 0; i < count; ++i) {
    out[i] = static_cast<std::uint8_t>(static_cast<std::uint16_t>(3 * near[i] + far[i] + b) >> 2);
  }
}

void sum_rows(const std::uint8_t* __restrict near, const std::uint8_t* __restrict far, int count,
              std::uint16_t* __restrict out) {
  for (int i = 0; i < count; ++i) out[i] = static_cast<std::uint16_t>(3 * near[i] + far[i]);
}

void spread(const std::uint8_t* __restrict in, int count, std::uint8_t* __restrict out) {
  for (int i = 0; i < count; ++i) {
    const auto center = static_cast<std::uint16_t>(3 * in[i]);
    out[2 * i] = static_cast<std::uint8_t>(static_cast<std::uint16_t>(center + in[i - 1] + 1) >> 2);
    out[2 * i + 1] =
        static_cast<std::uint8_t>(static_cast<std::uint16_t>(center + in[i + 1] + 2) >> 2);
  }
}

void spread_sums(const std::uint16_t* __restrict in, int count, std::uint8_t* __restrict out) {
  for (int i = 0; i < count; ++i) {
    const auto center = static_cast<std::uint16_t>(3 * in[i]);
    out[2 * i] = static_cast<std::uint8_t>(static_cast<std::uint16_t>(center + in[i - 1] + 8) >> 4);
    out[2 * i + 1] =
        static_cast<std::uint8_t>(static_cast<std::uint16_t>(center + in[i + 1] + 7) >> 4);
  }
}

constexpr UpsampleKernels kernels = {blend_rows, sum_rows, spread, spread_sums};

}  // namespace
}  // namespace fastload
