// Rows of component samples to rows of pixels.
#pragma once

#include <cstdint>

namespace fastload {

// YCbCr as JFIF defines it, in libjpeg's 16-bit fixed point (jdcolor.c), to R, G, B, 255.
void ycbcr_to_rgbx(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr, int width,
                   std::uint8_t* out);
void interleave_rgbx(const std::uint8_t* r, const std::uint8_t* g, const std::uint8_t* b, int width,
                     std::uint8_t* out);

// R, G, B, anything -> R, G, B.
void pack_rgb(const std::uint8_t* rgbx, int width, std::uint8_t* rgb);

// Pixels [begin, width) only; the AVX2 kernel returns how many whole groups it did.
void ycbcr_to_rgbx_portable(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr,
                            int begin, int width, std::uint8_t* out);
int ycbcr_to_rgbx_avx2(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr,
                       int width, std::uint8_t* out);
int pack_rgb_avx2(const std::uint8_t* rgbx, int width, std::uint8_t* rgb);

}  // namespace fastload
