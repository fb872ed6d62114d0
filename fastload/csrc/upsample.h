// Rows of subsampled components brought to full size, as libjpeg's "fancy" upsampling does it.
//
// Note [fancy upsampling]
// Halved axes use the triangle filter: 3/4 of the nearer sample, 1/4 of the farther one, with
// the alternating rounding of libjpeg (jdsample.c); beyond an edge the edge sample repeats.
// Where a row has one or two samples, and at any other ratio, samples are repeated instead.
// The edge is that of the true picture, so a plane knows its component's own size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastload {

// Samples of a part of one component: rows [top, top + height), columns [left, left + width)
// of the component, which is `full_height` x `full_width` samples in all.
struct ComponentPlane {
  std::uint8_t* data = nullptr;
  std::ptrdiff_t stride = 0;
  int top = 0;
  int left = 0;
  int height = 0;
  int width = 0;
  int full_height = 0;
  int full_width = 0;
  int h_ratio = 1;  // picture pixels a sample
  int v_ratio = 1;

  const std::uint8_t* row(int y) const { return data + (y - top) * stride; }
};

struct UpsampleScratch {
  std::vector<std::uint16_t> sums;
  std::vector<std::uint8_t> row;
};

// Columns [left, left + width) of picture row y. The pointer is good until the next call with
// the same scratch, and may point into the plane. The plane has to hold the samples of those
// pixels and of the pixels one further on each side, as far as the picture goes.
const std::uint8_t* upsampled_row(const ComponentPlane& plane, int y, int left, int width,
                                  UpsampleScratch& scratch);

// The loops of upsampled_row. `count` samples in; the neighbours at in[-1] and in[count] are
// readable. `weighted` is 3 * near + far (vertical) or the plain sample.
struct UpsampleKernels {
  void (*blend_rows)(const std::uint8_t* near, const std::uint8_t* far, int count, int bias,
                     std::uint8_t* out);  // (3 near + far + bias) >> 2
  void (*sum_rows)(const std::uint8_t* near, const std::uint8_t* far, int count,
                   std::uint16_t* out);                                        // 3 near + far
  void (*spread)(const std::uint8_t* in, int count, std::uint8_t* out);        // h2v1
  void (*spread_sums)(const std::uint16_t* in, int count, std::uint8_t* out);  // h2v2
};
const UpsampleKernels& upsample_kernels_portable();
const UpsampleKernels& upsample_kernels_avx2();

}  // namespace fastload
