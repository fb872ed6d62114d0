#include "color.h"

#include <algorithm>

#include "cpu.h"

namespace fastload {
namespace {

// 16 bits of fraction.
constexpr int red_from_cr = 91881;     // 1.40200
constexpr int green_from_cb = -22554;  // -0.34414
constexpr int green_from_cr = -46802;  // -0.71414
constexpr int blue_from_cb = 116130;   // 1.77200
constexpr int half = 1 << 15;

std::uint8_t clip(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

// Pixels [begin, width).
template <int kPixelBytes>
void split(const std::uint8_t* pixels, int begin, int width, bool reversed, std::uint8_t* planes,
           std::ptrdiff_t plane_stride) {
  const int step = reversed ? -1 : 1;
  std::uint8_t* first = planes + (reversed ? width - 1 - begin : begin);
  std::uint8_t* second = first + plane_stride;
  std::uint8_t* third = second + plane_stride;
  const std::uint8_t* pixel = pixels + std::ptrdiff_t{begin} * kPixelBytes;
  for (int i = begin; i < width; ++i, pixel += kPixelBytes) {
    *first = pixel[0];
    *second = pixel[1];
    *third = pixel[2];
    first += step;
    second += step;
    third += step;
  }
}

}  // namespace

void ycbcr_to_rgbx_portable(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr,
                            int begin, int width, std::uint8_t* out) {
  for (int i = begin; i < width; ++i) {
    const int blue = cb[i] - 128;
    const int red = cr[i] - 128;
    out[4 * i] = clip(y[i] + ((red_from_cr * red + half) >> 16));
    out[4 * i + 1] = clip(y[i] + ((green_from_cb * blue + green_from_cr * red + half) >> 16));
    out[4 * i + 2] = clip(y[i] + ((blue_from_cb * blue + half) >> 16));
    out[4 * i + 3] = 255;
  }
}

void ycbcr_to_rgbx(const std::uint8_t* y, const std::uint8_t* cb, const std::uint8_t* cr, int width,
                   std::uint8_t* out) {
  const int done = use_avx2() ? ycbcr_to_rgbx_avx2(y, cb, cr, width, out) : 0;
  ycbcr_to_rgbx_portable(y, cb, cr, done, width, out);
}

void interleave_rgbx(const std::uint8_t* r, const std::uint8_t* g, const std::uint8_t* b, int width,
                     std::uint8_t* out) {
  for (int i = 0; i < width; ++i) {
    out[4 * i] = r[i];
    out[4 * i + 1] = g[i];
    out[4 * i + 2] = b[i];
    out[4 * i + 3] = 255;
  }
}

void pack_rgb(const std::uint8_t* rgbx, int width, std::uint8_t* rgb) {
  for (int i = use_avx2() ? pack_rgb_avx2(rgbx, width, rgb) : 0; i < width; ++i) {
    rgb[3 * i] = rgbx[4 * i];
    rgb[3 * i + 1] = rgbx[4 * i + 1];
    rgb[3 * i + 2] = rgbx[4 * i + 2];
  }
}

void split_pixels(const std::uint8_t* pixels, int pixel_bytes, int width, bool reversed,
                  std::uint8_t* planes, std::ptrdiff_t plane_stride) {
  if (pixel_bytes == 1) {
    if (reversed) {
      std::reverse_copy(pixels, pixels + width, planes);
    } else {
      std::copy(pixels, pixels + width, planes);
    }
    return;
  }
  const int done =
      use_avx2() ? split_pixels_avx2(pixels, pixel_bytes, width, reversed, planes, plane_stride)
                 : 0;
  if (pixel_bytes == 3) {
    split<3>(pixels, done, width, reversed, planes, plane_stride);
  } else {
    split<4>(pixels, done, width, reversed, planes, plane_stride);
  }
}

void to_luma(const std::uint8_t* pixels, int pixel_bytes, int width, std::uint8_t* out) {
  const int done = use_avx2() ? to_luma_avx2(pixels, pixel_bytes, width, out) : 0;
  const std::uint8_t* pixel = pixels + std::ptrdiff_t{done} * pixel_bytes;
  for (int i = done; i < width; ++i, pixel += pixel_bytes) {
    const int sum = pixel[0] * luma_red + pixel[1] * luma_green + pixel[2] * luma_blue;
    out[i] = static_cast<std::uint8_t>((sum + half) >> 16);
  }
}

}  // namespace fastload
