#include "idct.h"

#if defined(__x86_64__)

#include <immintrin.h>

// The whole transform has to live in registers.
#define FASTLOAD_INLINE __attribute__((always_inline)) inline

namespace fastload {
namespace {

using namespace idct_constants;

struct Rows {
  __m128i r[8];  // 8 int16 each
};

// Two int16 weights, for the pairs that `pairs` makes.
FASTLOAD_INLINE __m256i weights(int first, int second) {
  return _mm256_set1_epi32(second * 65536 + (first & 0xFFFF));
}

// a0 b0 a1 b1 ... a7 b7
FASTLOAD_INLINE __m256i pairs(__m128i a, __m128i b) {
  return _mm256_set_m128i(_mm_unpackhi_epi16(a, b), _mm_unpacklo_epi16(a, b));
}

template <int shift>
FASTLOAD_INLINE __m256i rounded(__m256i value) {
  return _mm256_srai_epi32(_mm256_add_epi32(value, _mm256_set1_epi32(1 << (shift - 1))), shift);
}

// Two vectors of 8 int32 in lane order -> two rows of 8 int16.
FASTLOAD_INLINE void pack(__m256i first, __m256i second, __m128i& row_first, __m128i& row_second) {
  const __m256i packed = _mm256_packs_epi32(first, second);  // f0-3 s0-3 | f4-7 s4-7
  const __m256i ordered = _mm256_permute4x64_epi64(packed, 0xD8);
  row_first = _mm256_castsi256_si128(ordered);
  row_second = _mm256_extracti128_si256(ordered, 1);
}

// `quarter`: rows 4 to 7 are zero.
template <int shift, bool quarter>
FASTLOAD_INLINE Rows pass(const Rows& in) {
  constexpr int one = 1 << fraction_bits;
  const __m128i zero = _mm_setzero_si128();
  const __m256i p04 = pairs(in.r[0], quarter ? zero : in.r[4]);
  const __m256i p26 = pairs(in.r[2], quarter ? zero : in.r[6]);
  const __m256i p13 = pairs(in.r[1], in.r[3]);
  const __m256i p57 = quarter ? _mm256_setzero_si256() : pairs(in.r[5], in.r[7]);
  const __m256i sum = _mm256_madd_epi16(p04, weights(one, one));
  const __m256i difference = quarter ? sum : _mm256_madd_epi16(p04, weights(one, -one));
  const __m256i even2 = _mm256_madd_epi16(p26, weights(even_26_from_2, even_26_from_6));
  const __m256i even3 = _mm256_madd_epi16(p26, weights(even_37_from_2, even_37_from_6));
  const __m256i even[4] = {_mm256_add_epi32(sum, even3), _mm256_add_epi32(difference, even2),
                           _mm256_sub_epi32(difference, even2), _mm256_sub_epi32(sum, even3)};
  __m256i out[8];
  for (int n = 0; n < 4; ++n) {
    const int* w = odd[3 - n];
    __m256i o = _mm256_madd_epi16(p13, weights(w[0], w[1]));
    if (!quarter) o = _mm256_add_epi32(o, _mm256_madd_epi16(p57, weights(w[2], w[3])));
    out[n] = rounded<shift>(_mm256_add_epi32(even[n], o));
    out[7 - n] = rounded<shift>(_mm256_sub_epi32(even[n], o));
  }
  Rows rows;
  for (int n = 0; n < 8; n += 2) pack(out[n], out[n + 1], rows.r[n], rows.r[n + 1]);
  return rows;
}

FASTLOAD_INLINE Rows transpose(const Rows& in) {
  __m128i a[8];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm_unpacklo_epi16(in.r[i], in.r[i + 4]);  // rows i, i + 4 interleaved
    a[2 * i + 1] = _mm_unpackhi_epi16(in.r[i], in.r[i + 4]);
  }
  // a: (0,4)lo (0,4)hi (1,5)lo (1,5)hi (2,6)lo (2,6)hi (3,7)lo (3,7)hi
  __m128i b[8];
  for (int half = 0; half < 2; ++half) {
    b[4 * half + 0] = _mm_unpacklo_epi16(a[half], a[4 + half]);  // rows 0 2 4 6
    b[4 * half + 1] = _mm_unpackhi_epi16(a[half], a[4 + half]);
    b[4 * half + 2] = _mm_unpacklo_epi16(a[2 + half], a[6 + half]);  // rows 1 3 5 7
    b[4 * half + 3] = _mm_unpackhi_epi16(a[2 + half], a[6 + half]);
  }
  Rows out;
  for (int half = 0; half < 2; ++half) {
    out.r[4 * half + 0] = _mm_unpacklo_epi16(b[4 * half], b[4 * half + 2]);
    out.r[4 * half + 1] = _mm_unpackhi_epi16(b[4 * half], b[4 * half + 2]);
    out.r[4 * half + 2] = _mm_unpacklo_epi16(b[4 * half + 1], b[4 * half + 3]);
    out.r[4 * half + 3] = _mm_unpackhi_epi16(b[4 * half + 1], b[4 * half + 3]);
  }
  return out;
}

FASTLOAD_INLINE void store_row(std::uint8_t* out, __m128i row) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out), row);
}

template <bool quarter>
FASTLOAD_INLINE void transform(const std::int16_t* coefficients, std::uint8_t* out,
                               std::ptrdiff_t stride) {
  Rows rows;
  for (int y = 0; y < (quarter ? 4 : 8); ++y) {
    rows.r[y] = _mm_load_si128(reinterpret_cast<const __m128i*>(coefficients + 8 * y));
  }
  rows = pass<fraction_bits - pass1_bits, quarter>(rows);
  rows = transpose(rows);
  rows = pass<fraction_bits + pass1_bits + 3, quarter>(rows);
  rows = transpose(rows);
  const __m128i center = _mm_set1_epi8(static_cast<char>(0x80));
  for (int y = 0; y < 8; y += 2) {
    const __m128i two = _mm_add_epi8(_mm_packs_epi16(rows.r[y], rows.r[y + 1]), center);
    store_row(out + y * stride, two);
    store_row(out + (y + 1) * stride, _mm_srli_si128(two, 8));
  }
}

}  // namespace

void idct_avx2(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride) {
  transform<false>(coefficients, out, stride);
}

void idct_quarter_avx2(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride) {
  transform<true>(coefficients, out, stride);
}

}  // namespace fastload

#else

namespace fastload {
void idct_avx2(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride) {
  idct_portable(coefficients, out, stride);
}
void idct_quarter_avx2(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride) {
  idct_portable(coefficients, out, stride);
}
}  // namespace fastload

#endif
