// The two passes of Pillow's 8-bit resampling, a few rows at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "coefficients.h"

namespace fastload {

// Rows handed to a horizontal pass at once.
constexpr int kRowsAtOnce = 4;
// Widths of planes and passes are padded to this many bytes, so that a kernel may work on
// whole vectors; what it computes in the padding is never read.
constexpr int kRowAlign = 32;
// A horizontal pass works on this many outputs at once.
constexpr int kOutputsAtOnce = 8;

constexpr int padded_width(int width) { return (width + kRowAlign - 1) / kRowAlign * kRowAlign; }

// Weights of a horizontal pass, laid out for 16-bit multiply-add: each output has `pairs`
// pairs of taps, each pair as (high halves, low halves), two int16 in an int32 each, where
// weight = high * 2^11 + low. Outputs are padded with zero weights to kOutputsAtOnce.
struct PairTaps {
  int outputs = 0;
  int pairs = 0;
  int reach_bytes = 0;                // bytes from the row's start that the pass may read
  std::vector<std::int32_t> offsets;  // bytes from the row's start to an output's first tap
  std::vector<std::int32_t> weights;
};

constexpr int kLowBits = 11;

// `reversed`: the last output comes first, which is a horizontal flip at no cost.
// `first_column` is the input column at a row's start.
void pack_pairs(const Taps& taps, bool reversed, int first_column, int pixel_bytes,
                PairTaps& pairs);

// The low and high halves of two weights as 16-bit multiply-add takes them.
struct WeightHalves {
  std::int32_t high;
  std::int32_t low;
};
inline WeightHalves split_weights(std::int32_t first, std::int32_t second) {
  constexpr std::int32_t kLowMask = (1 << kLowBits) - 1;
  const auto pack = [](std::int32_t a, std::int32_t b) {
    return static_cast<std::int32_t>((static_cast<std::uint32_t>(b) << 16) |
                                     (static_cast<std::uint32_t>(a) & 0xFFFFu));
  };
  return {pack(first >> kLowBits, second >> kLowBits), pack(first & kLowMask, second & kLowMask)};
}

// Horizontal pass of one row of `pixel_bytes` interleaved pixels into planes (1 or 3),
// `plane_stride` bytes apart. `first_column` is the input column at row[0].
void horizontal_portable(const Taps& taps, bool reversed, int first_column, const std::uint8_t* row,
                         int pixel_bytes, std::uint8_t* planes, std::ptrdiff_t plane_stride);

// As above for kRowsAtOnce rows of 3 or 4 bytes a pixel, each readable up to reach_bytes;
// planes are written up to padded_width(outputs).
void horizontal_avx2(const PairTaps& taps, const std::uint8_t* const* rows, int pixel_bytes,
                     std::uint8_t* const* planes, std::ptrdiff_t plane_stride);

// Vertical pass: one output row from `count` >= 1 input rows, bytewise. For the AVX2 one all
// rows and `output` have padded_width(width_bytes) accessible bytes.
void vertical_portable(const std::uint8_t* const* rows, const std::int32_t* weights, int count,
                       int width_bytes, std::uint8_t* output);
void vertical_avx2(const std::uint8_t* const* rows, const std::int32_t* weights, int count,
                   int width_bytes, std::uint8_t* output);

// Whether this build has the two AVX2 passes; without them they do nothing.
bool avx2_compiled();

}  // namespace fastload
