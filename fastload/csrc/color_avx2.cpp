#include "color.h"

#if defined(__x86_64__)

#include <immintrin.h>

namespace fastload {
namespace {

// Note [fixed point in 16 bits]
// The constants have 17 bits, so a whole multiple of the sample is taken out of each:
// 1.402 = 1 + 26345 / 65536, 1.772 = 2 - 14942 / 65536, -0.71414 = -1 + 18734 / 65536.
// floor(x * c / 65536 + 1/2) is had from the high half of 2x * c as (high + 1) >> 1, and for
// green, which sums two products before rounding, from a 32-bit multiply-add.
__m256i rounded_product(__m256i x, int constant) {
  const __m256i high =
      _mm256_mulhi_epi16(_mm256_slli_epi16(x, 1), _mm256_set1_epi16(static_cast<short>(constant)));
  return _mm256_srai_epi16(_mm256_add_epi16(high, _mm256_set1_epi16(1)), 1);
}

__m256i load_16(const std::uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// Sixteen pixels.
struct Planes {
  __m128i of[3];
};

Planes load_planes_of_rgb(const __m128i* at) {
  const __m128i first = _mm_loadu_si128(at);
  const __m128i second = _mm_loadu_si128(at + 1);
  const __m128i third = _mm_loadu_si128(at + 2);
  const auto gather = [&](__m128i from_first, __m128i from_second, __m128i from_third) {
    return _mm_or_si128(
        _mm_or_si128(_mm_shuffle_epi8(first, from_first), _mm_shuffle_epi8(second, from_second)),
        _mm_shuffle_epi8(third, from_third));
  };
  constexpr char z = -1;
  return {{gather(_mm_setr_epi8(0, 3, 6, 9, 12, 15, z, z, z, z, z, z, z, z, z, z),
                  _mm_setr_epi8(z, z, z, z, z, z, 2, 5, 8, 11, 14, z, z, z, z, z),
                  _mm_setr_epi8(z, z, z, z, z, z, z, z, z, z, z, 1, 4, 7, 10, 13)),
           gather(_mm_setr_epi8(1, 4, 7, 10, 13, z, z, z, z, z, z, z, z, z, z, z),
                  _mm_setr_epi8(z, z, z, z, z, 0, 3, 6, 9, 12, 15, z, z, z, z, z),
                  _mm_setr_epi8(z, z, z, z, z, z, z, z, z, z, z, 2, 5, 8, 11, 14)),
           gather(_mm_setr_epi8(2, 5, 8, 11, 14, z, z, z, z, z, z, z, z, z, z, z),
                  _mm_setr_epi8(z, z, z, z, z, 1, 4, 7, 10, 13, z, z, z, z, z, z),
                  _mm_setr_epi8(z, z, z, z, z, z, z, z, z, z, 0, 3, 6, 9, 12, 15))}};
}

Planes load_planes_of_rgbx(const __m128i* at) {
  const __m128i by_channel = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const auto load = [&](int i) {
    return _mm_shuffle_epi8(_mm_loadu_si128(at + i), by_channel);  // R R R R G G G G B B B B
  };
  const __m128i a = load(0);
  const __m128i b = load(1);
  const __m128i c = load(2);
  const __m128i d = load(3);
  const __m128i front = _mm_unpacklo_epi32(a, b);  // R of a, R of b, G of a, G of b
  const __m128i back = _mm_unpacklo_epi32(c, d);
  return {{_mm_unpacklo_epi64(front, back), _mm_unpackhi_epi64(front, back),
           _mm_unpacklo_epi64(_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d))}};
}

template <Planes (*kLoad)(const __m128i*), int kPixelBytes>
int split(const std::uint8_t* pixels, int width, bool reversed, std::uint8_t* planes,
          std::ptrdiff_t plane_stride) {
  const __m128i backwards = _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  int i = 0;
  for (; i + 16 <= width; i += 16) {
    const Planes loaded = kLoad(reinterpret_cast<const __m128i*>(pixels + kPixelBytes * i));
    std::uint8_t* out = planes + (reversed ? width - 16 - i : i);
    for (const __m128i plane : loaded.of) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                       reversed ? _mm_shuffle_epi8(plane, backwards) : plane);
      out += plane_stride;
    }
  }
  return i;
}

template <Planes (*kLoad)(const __m128i*), int kPixelBytes>
int luma(const std::uint8_t* pixels, int width, std::uint8_t* out) {
  // Green's weight has 16 bits: half of it goes with red, half with blue.
  const auto weights = [](int first, int second) {
    return _mm256_set1_epi32((second << 16) | first);
  };
  const __m256i red_green = weights(luma_red, luma_green / 2);
  const __m256i green_blue = weights(luma_green / 2, luma_blue);
  const __m256i half = _mm256_set1_epi32(1 << 15);
  const auto sum = [&](__m256i rg, __m256i gb) {
    const __m256i products =
        _mm256_add_epi32(_mm256_madd_epi16(rg, red_green), _mm256_madd_epi16(gb, green_blue));
    return _mm256_srli_epi32(_mm256_add_epi32(products, half), 16);
  };
  int i = 0;
  for (; i + 16 <= width; i += 16) {
    const Planes loaded = kLoad(reinterpret_cast<const __m128i*>(pixels + kPixelBytes * i));
    const __m256i r = _mm256_cvtepu8_epi16(loaded.of[0]);
    const __m256i g = _mm256_cvtepu8_epi16(loaded.of[1]);
    const __m256i b = _mm256_cvtepu8_epi16(loaded.of[2]);
    const __m256i words = _mm256_packs_epi32(  // the order of unpacking is that of packing
        sum(_mm256_unpacklo_epi16(r, g), _mm256_unpacklo_epi16(g, b)),
        sum(_mm256_unpackhi_epi16(r, g), _mm256_unpackhi_epi16(g, b)));
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(out + i),
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
  }
  return i;
}

}  // namespace

int ycbcr_to_rgbx_avx2(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr,
                       int width, std::uint8_t* out) {
  const __m256i center = _mm256_set1_epi16(128);
  const __m256i green_weights = _mm256_set1_epi32((18734 << 16) | (-22554 & 0xFFFF));
  const __m256i half = _mm256_set1_epi32(1 << 15);
  int i = 0;
  for (; i + 16 <= width; i += 16) {
    const __m256i luma = load_16(y + i);
    const __m256i blue = _mm256_sub_epi16(load_16(cb + i), center);
    const __m256i red = _mm256_sub_epi16(load_16(cr + i), center);

    const __m256i r = _mm256_add_epi16(luma, _mm256_add_epi16(red, rounded_product(red, 26345)));
    const __m256i b = _mm256_add_epi16(
        luma, _mm256_add_epi16(_mm256_slli_epi16(blue, 1), rounded_product(blue, -14942)));
    const auto green_part = [&](__m256i pairs) {
      return _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(pairs, green_weights), half), 16);
    };
    const __m256i chroma = _mm256_packs_epi32(green_part(_mm256_unpacklo_epi16(blue, red)),
                                              green_part(_mm256_unpackhi_epi16(blue, red)));
    const __m256i g = _mm256_sub_epi16(_mm256_add_epi16(luma, chroma), red);

    // In each half: 8 pixels. r8 = R0..R7 R0..R7 and so on, then interleaved to R G B 255.
    const __m256i rb = _mm256_packus_epi16(r, b);                       // R0-7 B0-7
    const __m256i gx = _mm256_packus_epi16(g, _mm256_set1_epi16(255));  // G0-7 X
    const __m256i rg = _mm256_unpacklo_epi8(rb, gx);                    // R G pairs
    const __m256i bx = _mm256_unpackhi_epi8(rb, gx);                    // B X pairs
    const __m256i low = _mm256_unpacklo_epi16(rg, bx);                  // pixels 0-3 | 8-11
    const __m256i high = _mm256_unpackhi_epi16(rg, bx);                 // pixels 4-7 | 12-15
    auto* target = reinterpret_cast<__m256i*>(out + 4 * i);
    _mm256_storeu_si256(target, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256(target + 1, _mm256_permute2x128_si256(low, high, 0x31));
  }
  return i;
}

int pack_rgb_avx2(const std::uint8_t* rgbx, int width, std::uint8_t* rgb) {
  const __m128i keep = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  int i = 0;
  // 4 pixels each; the 4 bytes too many belong to the next two pixels, which are yet to come.
  for (; i + 6 <= width; i += 4) {
    const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rgbx + 4 * i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb + 3 * i), _mm_shuffle_epi8(four, keep));
  }
  return i;
}

int split_pixels_avx2(const std::uint8_t* pixels, int pixel_bytes, int width, bool reversed,
                      std::uint8_t* planes, std::ptrdiff_t plane_stride) {
  return pixel_bytes == 3
             ? split<load_planes_of_rgb, 3>(pixels, width, reversed, planes, plane_stride)
             : split<load_planes_of_rgbx, 4>(pixels, width, reversed, planes, plane_stride);
}

int to_luma_avx2(const std::uint8_t* pixels, int pixel_bytes, int width, std::uint8_t* out) {
  return pixel_bytes == 3 ? luma<load_planes_of_rgb, 3>(pixels, width, out)
                          : luma<load_planes_of_rgbx, 4>(pixels, width, out);
}

}  // namespace fastload

#else

namespace fastload {
int ycbcr_to_rgbx_avx2(const std::uint8_t*, const std::uint8_t*, const std::uint8_t*, int,
                       std::uint8_t*) {
  return 0;
}
int pack_rgb_avx2(const std::uint8_t*, int, std::uint8_t*) { return 0; }
int split_pixels_avx2(const std::uint8_t*, int, int, bool, std::uint8_t*, std::ptrdiff_t) {
  return 0;
}
int to_luma_avx2(const std::uint8_t*, int, int, std::uint8_t*) { return 0; }
}  // namespace fastload

#endif
