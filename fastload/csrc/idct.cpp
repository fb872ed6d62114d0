#include "idct.h"

#include <algorithm>
#include <cstring>

namespace fastload {
namespace {

using namespace idct_constants;

std::uint8_t sample(int value) {
  return static_cast<std::uint8_t>(std::clamp(value + 128, 0, 255));
}

// One pass over 8 lanes: in[k][lane] are the coefficients, out[n][lane] the results.
template <int shift>
void pass(const std::int32_t in[8][8], std::int32_t out[8][8]) {
  constexpr std::int32_t rounding = 1 << (shift - 1);
  for (int i = 0; i < 8; ++i) {
    const std::int32_t even_sum = (in[0][i] + in[4][i]) * (1 << fraction_bits);
    const std::int32_t even_difference = (in[0][i] - in[4][i]) * (1 << fraction_bits);
    const std::int32_t even2 = in[2][i] * even_26_from_2 + in[6][i] * even_26_from_6;
    const std::int32_t even3 = in[2][i] * even_37_from_2 + in[6][i] * even_37_from_6;
    const std::int32_t even[4] = {even_sum + even3, even_difference + even2,
                                  even_difference - even2, even_sum - even3};
    for (int n = 0; n < 4; ++n) {
      const int* weights = odd[3 - n];
      const std::int32_t o = in[1][i] * weights[0] + in[3][i] * weights[1] + in[5][i] * weights[2] +
                             in[7][i] * weights[3];
      out[n][i] = (even[n] + o + rounding) >> shift;
      out[7 - n][i] = (even[n] - o + rounding) >> shift;
    }
  }
}

void transpose(const std::int32_t in[8][8], std::int32_t out[8][8]) {
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) out[x][y] = in[y][x];
  }
}

}  // namespace

void idct_portable(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride) {
  std::int32_t a[8][8];
  std::int32_t b[8][8];
  for (int i = 0; i < 64; ++i) a[i / 8][i % 8] = coefficients[i];
  pass<fraction_bits - pass1_bits>(a, b);
  transpose(b, a);
  pass<fraction_bits + pass1_bits + 3>(a, b);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) out[y * stride + x] = sample(b[x][y]);
  }
}

void idct_flat(int dc, std::uint8_t* out, std::ptrdiff_t stride) {
  const std::uint8_t value = sample((dc + 4) >> 3);
  for (int y = 0; y < 8; ++y) std::memset(out + y * stride, value, 8);
}

}  // namespace fastload
