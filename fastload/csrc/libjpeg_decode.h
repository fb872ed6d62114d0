// JPEG files through libjpeg-turbo: whole, checked, or a rectangle by crop and skip.
#pragma once

#include <cstddef>

#include "bytes.h"
#include "geometry.h"
#include "status.h"

namespace fastload {

struct JpegLimits {
  std::uint64_t max_pixels = 178956970;  // Pillow's limit for an error
  int max_scans = 500;                   // fewer above 7 megapixels, see scans_in_time
};

struct JpegReport {
  int width = 0;
  int height = 0;
  long warnings = 0;
};

// Whether libjpeg-turbo decodes the file, and with how many warnings. Errors: Code::decode (a file
// that ends before its last row is one, as in Pillow), Code::limit, Code::unsupported (CMYK,
// 12 bits, lossless, stray markers).
Status check_jpeg(ByteSpan file, const JpegLimits& limits, JpegReport& report);

// The same by decoding every row, also where sound_scan.h knows the answer sooner.
Status check_jpeg_by_decoding(ByteSpan file, const JpegLimits& limits, JpegReport& report);

// Writes `region` of the picture as R, G, B, 255 a pixel, rows `stride` bytes apart; bit for
// bit the same as in a decode of the whole. Expected: `height` x `width` as in the file.
Status decode_jpeg(ByteSpan file, const JpegLimits& limits, int height, int width,
                   const Window& region, std::uint8_t* rgbx, std::ptrdiff_t stride);

const char* libjpeg_turbo_version();

}  // namespace fastload
