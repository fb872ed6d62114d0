// The passes in plain C++, written so that compilers vectorise the inner loops.
#include "resample.h"

#include <algorithm>

namespace fastload {
namespace {

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

std::uint8_t clip8(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

template <int kPixelBytes>
void horizontal(const Taps& taps, bool reversed, int first_column, const std::uint8_t* row,
                std::uint8_t* planes, std::ptrdiff_t plane_stride) {
  constexpr int kPlanes = kPixelBytes == 1 ? 1 : 3;
  const std::int32_t* weights = taps.weights.data();
  for (int i = 0; i < taps.outputs; ++i, weights += taps.stride) {
    const std::size_t index = static_cast<std::size_t>(i);
    const std::uint8_t* pixel =
        row + static_cast<std::ptrdiff_t>(taps.starts[index] - first_column) * kPixelBytes;
    // Four sums also for RGBX: one vector, whose last lane is dropped.
    std::int32_t sums[kPixelBytes];
    std::fill(sums, sums + kPixelBytes, kHalf);
    const int count = taps.counts[index];
    for (int t = 0; t < count; ++t, pixel += kPixelBytes) {
      for (int c = 0; c < kPixelBytes; ++c) sums[c] += pixel[c] * weights[t];
    }
    const int column = reversed ? taps.outputs - 1 - i : i;
    for (int c = 0; c < kPlanes; ++c) planes[c * plane_stride + column] = clip8(sums[c]);
  }
}

}  // namespace

void pack_pairs(const Taps& taps, bool reversed, int first_column, int pixel_bytes,
                PairTaps& packed) {
  // The weights fit their halves: |weight| < 2^24, so that |weight >> kLowBits| < 2^15.
  const int pairs = std::max((taps.max_count + 1) / 2, 1);
  const int outputs = (taps.outputs + kOutputsAtOnce - 1) / kOutputsAtOnce * kOutputsAtOnce;
  const std::size_t values = static_cast<std::size_t>(pairs) * 2;
  packed.outputs = outputs;
  packed.pairs = pairs;
  const std::size_t size = static_cast<std::size_t>(outputs);
  if (packed.offsets.size() < size) packed.offsets.resize(size);
  if (packed.weights.size() < size * values) packed.weights.resize(size * values);
  int last_offset = 0;
  for (int i = 0; i < taps.outputs; ++i) {
    const std::size_t from = static_cast<std::size_t>(reversed ? taps.outputs - 1 - i : i);
    const std::size_t to = static_cast<std::size_t>(i);
    const int offset = (taps.starts[from] - first_column) * pixel_bytes;
    packed.offsets[to] = offset;
    last_offset = std::max(last_offset, offset);
    const std::int32_t* weights =
        taps.weights.data() + from * static_cast<std::size_t>(taps.stride);
    std::int32_t* out = packed.weights.data() + to * values;
    for (int t = 0; t < 2 * pairs; t += 2, out += 2) {
      const WeightHalves halves =
          split_weights(t < taps.stride ? weights[t] : 0, t + 1 < taps.stride ? weights[t + 1] : 0);
      out[0] = halves.high;
      out[1] = halves.low;
    }
  }
  std::fill(packed.offsets.begin() + taps.outputs, packed.offsets.begin() + outputs, 0);
  std::fill(packed.weights.begin() + static_cast<std::ptrdiff_t>(values) * taps.outputs,
            packed.weights.begin() + static_cast<std::ptrdiff_t>(values) * outputs, 0);
  const int loads = (pairs + 1) / 2;  // of 16 bytes, four taps apart
  packed.reach_bytes = last_offset + (loads - 1) * 4 * pixel_bytes + 16;
}

void horizontal_portable(const Taps& taps, bool reversed, int first_column, const std::uint8_t* row,
                         int pixel_bytes, std::uint8_t* planes, std::ptrdiff_t plane_stride) {
  switch (pixel_bytes) {
    case 1:
      return horizontal<1>(taps, reversed, first_column, row, planes, plane_stride);
    case 3:
      return horizontal<3>(taps, reversed, first_column, row, planes, plane_stride);
    default:
      return horizontal<4>(taps, reversed, first_column, row, planes, plane_stride);
  }
}

void vertical_portable(const std::uint8_t* const* rows, const std::int32_t* weights, int count,
                       int width_bytes, std::uint8_t* output) {
  // Sums of one block stay in the first-level cache however many rows there are.
  constexpr int kBlock = 256;
  std::int32_t sums[kBlock];
  for (int begin = 0; begin < width_bytes; begin += kBlock) {
    const int size = std::min(kBlock, width_bytes - begin);
    std::fill(sums, sums + size, kHalf);
    for (int t = 0; t < count; ++t) {
      const std::uint8_t* row = rows[t] + begin;
      const std::int32_t weight = weights[t];
      for (int i = 0; i < size; ++i) sums[i] += row[i] * weight;
    }
    for (int i = 0; i < size; ++i) output[begin + i] = clip8(sums[i]);
  }
}

}  // namespace fastload
