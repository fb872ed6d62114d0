// Decoded pixels -> crop -> resize -> window -> flips -> table -> the caller's array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "coefficients.h"
#include "geometry.h"
#include "output.h"
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
  std::vector<std::int32_t> pair_offsets;
  std::vector<std::int32_t> pair_weights;
  std::vector<const std::uint8_t*> row_pointers;
  std::vector<std::uint8_t> tail_rows;
  std::vector<std::uint8_t> pass_rows;
  std::vector<std::uint8_t> planes;
};

// Whether every size makes sense; needed_source and render ask for it first themselves.
Status check_geometry(const Geometry& geometry);

// The part of the decoded picture that `render` reads: a rectangle inside `crop`, or one of
// height and width 0 where the window lies wholly outside the resized crop.
// `geometry` has passed check_geometry.
Window needed_source(const Geometry& geometry);

// Writes geometry.window of the resized crop to `output`, bit for bit as Pillow's crop and
// resize give it. `source.region` must cover needed_source(geometry).
// Reads no byte outside the region's rows (from data to the last row's last pixel).
Status render(const SourcePixels& source, const Geometry& geometry, const Fill& fill,
              const Output& output, Scratch& scratch);

}  // namespace fastload
