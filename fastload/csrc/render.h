// Decoded pixels -> crop -> resize -> window -> flips -> table -> the caller's array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "coefficients.h"
#include "layout.h"
#include "output.h"
#include "resample.h"
#include "status.h"

namespace fastload {

// Interleaved 8-bit pixels of the region of a picture that was decoded.
struct SourcePixels {
  const std::uint8_t* data = nullptr;  // the region's first pixel
  std::ptrdiff_t row_stride = 0;       // bytes, at least region.width * pixel_bytes
  int pixel_bytes = 0;                 // 1 gray, 3 RGB, 4 RGBX (X is ignored)
  Window region;                       // in the picture, as Geometry::crop is
};

// Memory that a thread keeps between pictures. It only grows.
struct Scratch {
  Taps columns;
  Taps rows;
  std::vector<std::int32_t> column_indices;
  std::vector<std::int32_t> row_indices;
  PairTaps column_pairs;
  std::vector<const std::uint8_t*> row_pointers;
  std::vector<std::uint8_t> tail_rows;
  std::vector<std::uint8_t> pass_rows;
  std::vector<std::uint8_t> planes;
};

// Writes geometry.window of the resized crop to `output`, bit for bit as Pillow's crop and
// resize give it. `source.region` must cover needed_source(geometry).
// Reads no byte outside the region's rows (from data to the last row's last pixel).
Status render(const SourcePixels& source, const Geometry& geometry, const Fill& fill,
              const Output& output, Scratch& scratch);

}  // namespace fastload
