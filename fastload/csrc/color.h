// Rows of component samples to rows of pixels, and back.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastload {

// Pillow's weights, with 16 bits of fraction.
constexpr int luma_red = 19595;
constexpr int luma_green = 38470;
constexpr int luma_blue = 7471;

// YCbCr as JFIF defines it, in libjpeg's 16-bit fixed point (jdcolor.c), to R, G, B, 255.
void ycbcr_to_rgbx(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr, int width,
                   std::uint8_t* out);
void interleave_rgbx(const std::uint8_t* r, const std::uint8_t* g, const std::uint8_t* b, int width,
                     std::uint8_t* out);

// R, G, B, anything -> R, G, B.
void pack_rgb(const std::uint8_t* rgbx, int width, std::uint8_t* rgb);

// Pixels of 1, 3 or 4 bytes -> planes of their first 1 or 3 bytes, `plane_stride` bytes apart;
// `reversed`: the last pixel comes first.
void split_pixels(const std::uint8_t* pixels, int pixel_bytes, int width, bool reversed,
                  std::uint8_t* planes, std::ptrdiff_t plane_stride);

// Pixels of 3 or 4 bytes as Pillow converts RGB to "L" (ITU-R 601-2 luma, Convert.c).
void to_luma(const std::uint8_t* pixels, int pixel_bytes, int width, std::uint8_t* out);

// Pixels [begin, width) only; the AVX2 kernel returns how many whole groups it did.
void ycbcr_to_rgbx_portable(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr,
                            int begin, int width, std::uint8_t* out);
int ycbcr_to_rgbx_avx2(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr,
                       int width, std::uint8_t* out);
int pack_rgb_avx2(const std::uint8_t* rgbx, int width, std::uint8_t* rgb);
int split_pixels_avx2(const std::uint8_t* pixels, int pixel_bytes, int width, bool reversed,
                      std::uint8_t* planes, std::ptrdiff_t plane_stride);  // of 3 or 4 bytes
int to_luma_avx2(const std::uint8_t* pixels, int pixel_bytes, int width, std::uint8_t* out);

}  // namespace fastload
