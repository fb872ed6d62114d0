// The last step of a picture: 8-bit rows become the numbers of the caller's array.
#pragma once

#include <array>
#include <cstdint>

namespace fastload {

enum class DType : std::uint8_t { uint8 = 0, float32 = 1, float16 = 2, bfloat16 = 3 };

using Fill = std::array<std::uint8_t, 3>;  // R, G, B

constexpr int kTableSize = 256;

// The caller's [channels, height, width] array. Strides are in elements, not bytes, and any
// sign: NCHW slots have column_stride 1, channels_last ones channel_stride 1.
struct Output {
  void* data = nullptr;  // element [0, 0, 0]
  DType dtype = DType::uint8;
  int channels = 3;  // 3 (RGB), or 1 where the source is gray
  std::int64_t channel_stride = 0;
  std::int64_t row_stride = 0;
  std::int64_t column_stride = 0;
  // [channels, 256] values of dtype, C-contiguous: what each 8-bit value becomes.
  // May be null for uint8 only (values are stored as they are).
  const void* table = nullptr;
};

// One row of 8-bit planes: `fill_before` fill pixels, then `width` of the planes, then
// `fill_after` fill pixels. Element type and layout come from `output`.
struct PlaneRow {
  const std::uint8_t* planes[3] = {nullptr, nullptr, nullptr};
  int fill_before = 0;
  int width = 0;
  int fill_after = 0;
};

void write_row(const Output& output, int row, const PlaneRow& source, const Fill& fill);

}  // namespace fastload
