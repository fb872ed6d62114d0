// Rows of table look-ups, several pixels at a time.
#pragma once

#include <cstdint>

namespace fastload {

// out[i] = table[plane[i]] for i < width; elements of 16 or 32 bits.
void look_up_avx2(const std::uint8_t* plane, int width, const std::uint16_t* table,
                  std::uint16_t* out);
void look_up_avx2(const std::uint8_t* plane, int width, const std::uint32_t* table,
                  std::uint32_t* out);

// out[3 * i + c] = planes[c][i].
void interleave_avx2(const std::uint8_t* const* planes, int width, std::uint8_t* out);

// out[3 * i + c] = tables[256 * c + planes[c][i]].
void look_up_interleaved_avx2(const std::uint8_t* const* planes, int width,
                              const std::uint16_t* tables, std::uint16_t* out);
void look_up_interleaved_avx2(const std::uint8_t* const* planes, int width,
                              const std::uint32_t* tables, std::uint32_t* out);

}  // namespace fastload
