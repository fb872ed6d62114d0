// The passes with AVX2: the same sums, taken 16 bits at a time.
//
// Note [Exact 16-bit halves]
// A weight has up to 23 bits and a sign, and Pillow adds weight * pixel in 32 bits. Here each
// weight is high * 2^11 + low with low in 0..2047, so that both halves fit 16-bit
// multiply-add; the sums of the halves are put together modulo 2^32, as Pillow's are.
// Zero weights may meet any byte, so taps are padded to pairs and loads may reach beyond.
#include "resample.h"

#if defined(__AVX2__)

#include <immintrin.h>

namespace fastload {
namespace {

__m256i broadcast(std::int32_t value) { return _mm256_set1_epi32(value); }

// (high << 11 + low + half) >> 22; `high` already holds half >> 11.
__m256i finish(__m256i high, __m256i low) {
  const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low);
  return _mm256_srai_epi32(sum, kWeightBits);
}

__m256i initial_high() { return broadcast(1 << (kWeightBits - 1 - kLowBits)); }

__m256i load_two_rows(const std::uint8_t* first, const std::uint8_t* second) {
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(first));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(second));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

// Bytes of two neighbouring pixels -> 16-bit (R0 R1 G0 G1 B0 B1 X X), in each half.
template <int kPixelBytes>
__m256i pair_mask(int pair) {
  const char a = static_cast<char>(pair * 2 * kPixelBytes);
  const char b = static_cast<char>(a + kPixelBytes);
  const char z = -1;
  const __m128i mask =
      _mm_setr_epi8(a, z, b, z, static_cast<char>(a + 1), z, static_cast<char>(b + 1), z,
                    static_cast<char>(a + 2), z, static_cast<char>(b + 2), z, z, z, z, z);
  return _mm256_broadcastsi128_si256(mask);
}

struct RowPair {
  const std::uint8_t* first;
  const std::uint8_t* second;
};

// One output of four rows: 32-bit (R G B X) of rows 0 | 1 and of rows 2 | 3.
template <int kPixelBytes, int kPairs>
void one_output(const RowPair& near_rows, const RowPair& far_rows, std::ptrdiff_t offset,
                const std::int32_t* weights, int pairs, __m256i& near_sum, __m256i& far_sum) {
  const __m256i first_mask = pair_mask<kPixelBytes>(0);
  const __m256i second_mask = pair_mask<kPixelBytes>(1);
  __m256i near_high = initial_high();
  __m256i far_high = near_high;
  __m256i near_low = _mm256_setzero_si256();
  __m256i far_low = near_low;
  const int count = kPairs > 0 ? kPairs : pairs;
  const auto add = [&](__m256i near_bytes, __m256i far_bytes, __m256i mask) {
    const __m256i high = broadcast(weights[0]);
    const __m256i low = broadcast(weights[1]);
    const __m256i near_words = _mm256_shuffle_epi8(near_bytes, mask);
    const __m256i far_words = _mm256_shuffle_epi8(far_bytes, mask);
    near_high = _mm256_add_epi32(near_high, _mm256_madd_epi16(near_words, high));
    near_low = _mm256_add_epi32(near_low, _mm256_madd_epi16(near_words, low));
    far_high = _mm256_add_epi32(far_high, _mm256_madd_epi16(far_words, high));
    far_low = _mm256_add_epi32(far_low, _mm256_madd_epi16(far_words, low));
    weights += 2;
  };
  for (int pair = 0; pair < count; pair += 2, offset += 4 * kPixelBytes) {
    const __m256i near_bytes = load_two_rows(near_rows.first + offset, near_rows.second + offset);
    const __m256i far_bytes = load_two_rows(far_rows.first + offset, far_rows.second + offset);
    add(near_bytes, far_bytes, first_mask);
    if (pair + 1 < count) add(near_bytes, far_bytes, second_mask);
  }
  near_sum = finish(near_high, near_low);
  far_sum = finish(far_high, far_low);
}

// Four outputs' sums -> bytes (RRRR GGGG BBBB XXXX), each half one row.
__m256i planar_bytes(const __m256i* sums) {
  const __m256i words_low = _mm256_packs_epi32(sums[0], sums[1]);
  const __m256i words_high = _mm256_packs_epi32(sums[2], sums[3]);
  const __m256i bytes = _mm256_packus_epi16(words_low, words_high);
  const __m256i mask = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  return _mm256_shuffle_epi8(bytes, mask);
}

void store_row(__m128i red_green, __m128i blue, std::uint8_t* plane, std::ptrdiff_t stride) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(plane), red_green);
  _mm_storeh_pd(reinterpret_cast<double*>(plane + stride), _mm_castsi128_pd(red_green));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(plane + 2 * stride), blue);
}

void store_two_rows(__m256i first_four, __m256i last_four, std::uint8_t* upper, std::uint8_t* lower,
                    std::ptrdiff_t stride) {
  const __m256i red_green = _mm256_unpacklo_epi32(first_four, last_four);
  const __m256i blue = _mm256_unpackhi_epi32(first_four, last_four);
  store_row(_mm256_castsi256_si128(red_green), _mm256_castsi256_si128(blue), upper, stride);
  store_row(_mm256_extracti128_si256(red_green, 1), _mm256_extracti128_si256(blue, 1), lower,
            stride);
}

template <int kPixelBytes, int kPairs>
void horizontal(const PairTaps& taps, const std::uint8_t* const* rows, std::uint8_t* const* planes,
                std::ptrdiff_t plane_stride) {
  const RowPair near_rows = {rows[0], rows[1]};
  const RowPair far_rows = {rows[2], rows[3]};
  const std::ptrdiff_t weights_stride = 2 * (kPairs > 0 ? kPairs : taps.pairs);
  const std::int32_t* offsets = taps.offsets.data();
  const std::int32_t* weights = taps.weights.data();
  for (int column = 0; column < taps.outputs; column += kOutputsAtOnce) {
    __m256i near_bytes[2];
    __m256i far_bytes[2];
    for (int half = 0; half < 2; ++half) {
      __m256i near_sums[4];
      __m256i far_sums[4];
      for (int i = 0; i < 4; ++i) {
        one_output<kPixelBytes, kPairs>(near_rows, far_rows, offsets[column + half * 4 + i],
                                        weights, taps.pairs, near_sums[i], far_sums[i]);
        weights += weights_stride;
      }
      near_bytes[half] = planar_bytes(near_sums);
      far_bytes[half] = planar_bytes(far_sums);
    }
    store_two_rows(near_bytes[0], near_bytes[1], planes[0] + column, planes[1] + column,
                   plane_stride);
    store_two_rows(far_bytes[0], far_bytes[1], planes[2] + column, planes[3] + column,
                   plane_stride);
  }
}

template <int kPixelBytes>
void horizontal_of(const PairTaps& taps, const std::uint8_t* const* rows,
                   std::uint8_t* const* planes, std::ptrdiff_t plane_stride) {
  switch (taps.pairs) {
    case 1:
      return horizontal<kPixelBytes, 1>(taps, rows, planes, plane_stride);
    case 2:
      return horizontal<kPixelBytes, 2>(taps, rows, planes, plane_stride);
    case 3:
      return horizontal<kPixelBytes, 3>(taps, rows, planes, plane_stride);
    case 4:
      return horizontal<kPixelBytes, 4>(taps, rows, planes, plane_stride);
    default:
      return horizontal<kPixelBytes, 0>(taps, rows, planes, plane_stride);
  }
}

// Two weights as the (high, high) and (low, low) halves that multiply interleaved rows.
struct WeightPair {
  __m256i high;
  __m256i low;

  WeightPair(std::int32_t first, std::int32_t second) {
    const WeightHalves halves = split_weights(first, second);
    high = broadcast(halves.high);
    low = broadcast(halves.low);
  }
};

// Sums of kRowAlign bytes, as four vectors in the order that unpacking leaves.
struct BlockSums {
  __m256i high[4];
  __m256i low[4];

  BlockSums() {
    for (int i = 0; i < 4; ++i) {
      high[i] = initial_high();
      low[i] = _mm256_setzero_si256();
    }
  }

  void add(const std::uint8_t* first, const std::uint8_t* second, const WeightPair& weights) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(second));
    const __m256i even = _mm256_unpacklo_epi8(a, b);
    const __m256i odd = _mm256_unpackhi_epi8(a, b);
    const __m256i words[4] = {_mm256_unpacklo_epi8(even, zero), _mm256_unpackhi_epi8(even, zero),
                              _mm256_unpacklo_epi8(odd, zero), _mm256_unpackhi_epi8(odd, zero)};
    for (int i = 0; i < 4; ++i) {
      high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(words[i], weights.high));
      low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(words[i], weights.low));
    }
  }

  void store(std::uint8_t* output) const {
    const __m256i first = _mm256_packs_epi32(finish(high[0], low[0]), finish(high[1], low[1]));
    const __m256i last = _mm256_packs_epi32(finish(high[2], low[2]), finish(high[3], low[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(output), _mm256_packus_epi16(first, last));
  }
};

template <int kPairs>
void vertical_few(const std::uint8_t* const* rows, const WeightPair* weights, int width_bytes,
                  std::uint8_t* output) {
  for (int x = 0; x < width_bytes; x += kRowAlign) {
    BlockSums sums;
    for (int pair = 0; pair < kPairs; ++pair) {
      sums.add(rows[2 * pair] + x, rows[2 * pair + 1] + x, weights[pair]);
    }
    sums.store(output + x);
  }
}

void vertical_many(const std::uint8_t* const* rows, const std::int32_t* weights, int count,
                   int width_bytes, std::uint8_t* output) {
  for (int x = 0; x < width_bytes; x += kRowAlign) {
    BlockSums sums;
    for (int t = 0; t < count; t += 2) {
      const bool last = t + 1 == count;
      sums.add(rows[t] + x, rows[last ? t : t + 1] + x,
               WeightPair(weights[t], last ? 0 : weights[t + 1]));
    }
    sums.store(output + x);
  }
}

}  // namespace

void horizontal_avx2(const PairTaps& taps, const std::uint8_t* const* rows, int pixel_bytes,
                     std::uint8_t* const* planes, std::ptrdiff_t plane_stride) {
  if (pixel_bytes == 4) return horizontal_of<4>(taps, rows, planes, plane_stride);
  horizontal_of<3>(taps, rows, planes, plane_stride);
}

void vertical_avx2(const std::uint8_t* const* rows, const std::int32_t* weights, int count,
                   int width_bytes, std::uint8_t* output) {
  constexpr int kFew = 6;
  if (count > kFew) return vertical_many(rows, weights, count, width_bytes, output);
  const std::uint8_t* few_rows[kFew];
  std::int32_t few_weights[kFew] = {};
  for (int t = 0; t < kFew; ++t) few_rows[t] = rows[t < count ? t : 0];
  for (int t = 0; t < count; ++t) few_weights[t] = weights[t];
  const WeightPair pairs[3] = {{few_weights[0], few_weights[1]},
                               {few_weights[2], few_weights[3]},
                               {few_weights[4], few_weights[5]}};
  if (count <= 2) return vertical_few<1>(few_rows, pairs, width_bytes, output);
  if (count <= 4) return vertical_few<2>(few_rows, pairs, width_bytes, output);
  vertical_few<3>(few_rows, pairs, width_bytes, output);
}

bool avx2_compiled() { return true; }

}  // namespace fastload

#else

namespace fastload {

void horizontal_avx2(const PairTaps&, const std::uint8_t* const*, int, std::uint8_t* const*,
                     std::ptrdiff_t) {}
void vertical_avx2(const std::uint8_t* const*, const std::int32_t*, int, int, std::uint8_t*) {}
bool avx2_compiled() { return false; }

}  // namespace fastload

#endif  // __AVX2__
