// Note [Gathers]
// Tables are read by scalar loads and put together in registers: on Zen 3 that takes 0.6
// of the time of vpgatherdd (and most Intel processors got a slower gather with microcode
// updates), and 0.7 of that of one store a value.
#include "output_avx2.h"

#if defined(__AVX2__)

#include <immintrin.h>

#include <cstring>

namespace fastload {
namespace {

constexpr int kTable = 256;

std::uint64_t load_eight(const std::uint8_t* bytes) {
  std::uint64_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

template <int kByte>
std::uint8_t byte_of(std::uint64_t value) {
  return static_cast<std::uint8_t>(value >> (8 * kByte));
}

// The table of each of eight neighbouring bytes: the same one, or three in turn.
template <typename T>
struct OneTable {
  const T* table;
  template <int kByte>
  T at(std::uint64_t bytes) const {
    return table[byte_of<kByte>(bytes)];
  }
};

template <typename T, int kPhase>
struct TurningTables {
  const T* tables;
  template <int kByte>
  T at(std::uint64_t bytes) const {
    return tables[(kPhase + kByte) % 3 * kTable + byte_of<kByte>(bytes)];
  }
};

template <typename Tables>
void store_eight(const Tables& tables, std::uint64_t bytes, std::uint32_t* out) {
  const auto value = [](std::uint32_t bits) { return static_cast<int>(bits); };
  __m128i low = _mm_cvtsi32_si128(value(tables.template at<0>(bytes)));
  low = _mm_insert_epi32(low, value(tables.template at<1>(bytes)), 1);
  low = _mm_insert_epi32(low, value(tables.template at<2>(bytes)), 2);
  low = _mm_insert_epi32(low, value(tables.template at<3>(bytes)), 3);
  __m128i high = _mm_cvtsi32_si128(value(tables.template at<4>(bytes)));
  high = _mm_insert_epi32(high, value(tables.template at<5>(bytes)), 1);
  high = _mm_insert_epi32(high, value(tables.template at<6>(bytes)), 2);
  high = _mm_insert_epi32(high, value(tables.template at<7>(bytes)), 3);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), low);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 4), high);
}

template <typename Tables>
void store_eight(const Tables& tables, std::uint64_t bytes, std::uint16_t* out) {
  __m128i values = _mm_cvtsi32_si128(tables.template at<0>(bytes));
  values = _mm_insert_epi16(values, tables.template at<1>(bytes), 1);
  values = _mm_insert_epi16(values, tables.template at<2>(bytes), 2);
  values = _mm_insert_epi16(values, tables.template at<3>(bytes), 3);
  values = _mm_insert_epi16(values, tables.template at<4>(bytes), 4);
  values = _mm_insert_epi16(values, tables.template at<5>(bytes), 5);
  values = _mm_insert_epi16(values, tables.template at<6>(bytes), 6);
  values = _mm_insert_epi16(values, tables.template at<7>(bytes), 7);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), values);
}

template <typename T>
void look_up(const std::uint8_t* plane, int width, const T* table, T* out) {
  int x = 0;
  for (; x + 8 <= width; x += 8) store_eight(OneTable<T>{table}, load_eight(plane + x), out + x);
  for (; x < width; ++x) out[x] = table[plane[x]];
}

// Sixteen pixels of three planes -> 48 interleaved bytes.
void interleave_sixteen(const std::uint8_t* const* planes, int x, std::uint8_t* out) {
  constexpr char z = -1;
  const auto load = [&](int c) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(planes[c] + x));
  };
  const auto pick = [](__m128i a, __m128i b, __m128i c, __m128i from_a, __m128i from_b,
                       __m128i from_c) {
    return _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, from_a), _mm_shuffle_epi8(b, from_b)),
                        _mm_shuffle_epi8(c, from_c));
  };
  const __m128i red = load(0);
  const __m128i green = load(1);
  const __m128i blue = load(2);
  // Each mask moves one plane's bytes to every third place, from place 0, 1 or 2 on.
  const __m128i at0 = _mm_setr_epi8(0, z, z, 1, z, z, 2, z, z, 3, z, z, 4, z, z, 5);
  const __m128i at1 = _mm_setr_epi8(z, 0, z, z, 1, z, z, 2, z, z, 3, z, z, 4, z, z);
  const __m128i at2 = _mm_setr_epi8(z, z, 0, z, z, 1, z, z, 2, z, z, 3, z, z, 4, z);
  // A place without a source byte must stay negative whatever is added.
  const auto from = [](__m128i mask, char first) {
    return _mm_or_si128(_mm_add_epi8(mask, _mm_set1_epi8(first)),
                        _mm_cmpgt_epi8(_mm_setzero_si128(), mask));
  };
  const __m128i first = pick(red, green, blue, at0, at1, at2);
  const __m128i second = pick(red, green, blue, from(at2, 6), from(at0, 5), from(at1, 5));
  const __m128i third = pick(red, green, blue, from(at1, 11), from(at2, 11), from(at0, 10));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), first);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16), second);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 32), third);
}

template <typename T>
void look_up_interleaved(const std::uint8_t* const* planes, int width, const T* tables, T* out) {
  int x = 0;
  for (; x + 16 <= width; x += 16, out += 48) {
    std::uint8_t bytes[48];
    interleave_sixteen(planes, x, bytes);
    for (int i = 0; i < 48; i += 24) {
      store_eight(TurningTables<T, 0>{tables}, load_eight(bytes + i), out + i);
      store_eight(TurningTables<T, 2>{tables}, load_eight(bytes + i + 8), out + i + 8);
      store_eight(TurningTables<T, 1>{tables}, load_eight(bytes + i + 16), out + i + 16);
    }
  }
  for (; x < width; ++x, out += 3) {
    for (int c = 0; c < 3; ++c) out[c] = tables[c * kTable + planes[c][x]];
  }
}

}  // namespace

void look_up_avx2(const std::uint8_t* plane, int width, const std::uint16_t* table,
                  std::uint16_t* out) {
  look_up(plane, width, table, out);
}

void look_up_avx2(const std::uint8_t* plane, int width, const std::uint32_t* table,
                  std::uint32_t* out) {
  look_up(plane, width, table, out);
}

void interleave_avx2(const std::uint8_t* const* planes, int width, std::uint8_t* out) {
  int x = 0;
  for (; x + 16 <= width; x += 16) interleave_sixteen(planes, x, out + 3 * x);
  for (; x < width; ++x) {
    for (int c = 0; c < 3; ++c) out[3 * x + c] = planes[c][x];
  }
}

void look_up_interleaved_avx2(const std::uint8_t* const* planes, int width,
                              const std::uint16_t* tables, std::uint16_t* out) {
  look_up_interleaved(planes, width, tables, out);
}

void look_up_interleaved_avx2(const std::uint8_t* const* planes, int width,
                              const std::uint32_t* tables, std::uint32_t* out) {
  look_up_interleaved(planes, width, tables, out);
}

}  // namespace fastload

#else

namespace fastload {

void look_up_avx2(const std::uint8_t*, int, const std::uint16_t*, std::uint16_t*) {}
void look_up_avx2(const std::uint8_t*, int, const std::uint32_t*, std::uint32_t*) {}
void interleave_avx2(const std::uint8_t* const*, int, std::uint8_t*) {}
void look_up_interleaved_avx2(const std::uint8_t* const*, int, const std::uint16_t*,
                              std::uint16_t*) {}
void look_up_interleaved_avx2(const std::uint8_t* const*, int, const std::uint32_t*,
                              std::uint32_t*) {}

}  // namespace fastload

#endif  // __AVX2__
