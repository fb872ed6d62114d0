#include <algorithm>
#include <cstring>

#include "cpu.h"
#include "upsample_kernels.inl"

namespace fastload {

const UpsampleKernels& upsample_kernels_portable() { return kernels; }

namespace {

template <typename T>
T* grown(std::vector<T>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

// Plain repetition: sample x / h_ratio of row y / v_ratio.
const std::uint8_t* repeated_row(const ComponentPlane& plane, int y, int left, int width,
                                 UpsampleScratch& scratch) {
  const std::uint8_t* in = plane.row(y / plane.v_ratio) - plane.left;
  if (plane.h_ratio == 1) return in + left;
  std::uint8_t* out = grown(scratch.row, static_cast<std::size_t>(width));
  for (int i = 0; i < width; ++i) out[i] = in[(left + i) / plane.h_ratio];
  return out;
}

// The row of samples that is nearer to picture row y, and the other one it lies between.
struct RowPair {
  const std::uint8_t* near;
  const std::uint8_t* far;
};

RowPair row_pair(const ComponentPlane& plane, int y) {
  const int near = y / 2;
  const int far = std::clamp(y % 2 == 0 ? near - 1 : near + 1, 0, plane.full_height - 1);
  return {plane.row(near) - plane.left, plane.row(far) - plane.left};
}

}  // namespace

const std::uint8_t* upsampled_row(const ComponentPlane& plane, int y, int left, int width,
                                  UpsampleScratch& scratch) {
  const UpsampleKernels& kernel =
      use_avx2() ? upsample_kernels_avx2() : upsample_kernels_portable();
  const bool halves = plane.h_ratio == 2 && plane.full_width > 2 && plane.v_ratio <= 2;
  if (plane.h_ratio == 1 && plane.v_ratio == 2) {
    const RowPair rows = row_pair(plane, y);
    std::uint8_t* out = grown(scratch.row, static_cast<std::size_t>(width));
    kernel.blend_rows(rows.near + left, rows.far + left, width, y % 2 == 0 ? 1 : 2, out);
    return out;
  }
  if (!halves) return repeated_row(plane, y, left, width, scratch);

  const int first = left / 2;
  const int last = (left + width - 1) / 2;
  const int count = last - first + 1;
  // The neighbours on both sides. Where one lies in the picture but not in the plane, no pixel
  // that was asked for depends on it (an odd left or an even right edge), and any value will do.
  const int from = std::max(first - 1, plane.left);
  const int to = std::min(last + 1, std::min(plane.full_width, plane.left + plane.width) - 1);
  const auto samples = static_cast<std::size_t>(count);
  std::uint16_t* sums = grown(scratch.sums, samples + 2) + 1;  // sums[-1] .. sums[count]
  std::uint8_t* out;
  if (plane.v_ratio == 2) {
    const RowPair rows = row_pair(plane, y);
    kernel.sum_rows(rows.near + from, rows.far + from, to - from + 1, sums + (from - first));
    if (from == first) sums[-1] = sums[0];
    if (to == last) sums[count] = sums[count - 1];
    out = grown(scratch.row, 2 * samples);
    kernel.spread_sums(sums, count, out);
  } else {
    const std::uint8_t* in = plane.row(y) - plane.left;
    out = grown(scratch.row, 3 * samples + 2);
    std::uint8_t* padded = out + 2 * samples + 1;  // with the edges repeated
    std::memcpy(padded + (from - first), in + from, static_cast<std::size_t>(to - from + 1));
    if (from == first) padded[-1] = padded[0];
    if (to == last) padded[count] = padded[count - 1];
    kernel.spread(padded, count, out);
  }
  return out + (left - 2 * first);
}

}  // namespace fastload
