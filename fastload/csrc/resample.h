// The two passes of Pillow's 8-bit resampling, a few rows at a time.
#pragma once

#include <cstddef>
#include <cstdint>

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
  const std::int32_t* offsets = nullptr;  // bytes from the row's start to the first tap
  const std::int32_t* weights = nullptr;
};

// Bytes that the vector horizontal pass may read from a tap's first byte on.
int pair_reach_bytes(int pairs, int pixel_bytes);

// Horizontal pass of one row of `pixel_bytes` interleaved pixels into planes (1 or 3),
// `plane_stride` bytes apart. `first_column` is the input column at row[0].
void horizontal_portable(const Taps& taps, bool reversed, int first_column,
                         const std::uint8_t* row, int pixel_bytes, std::uint8_t* planes,
                         std::ptrdiff_t plane_stride);

// As above for kRowsAtOnce rows of 3 or 4 bytes a pixel; each row is readable up to
// pair_reach_bytes from every offset.
void horizontal_avx2(const PairTaps& taps, const std::uint8_t* const* rows, int pixel_bytes,
                     std::uint8_t* const* planes, std::ptrdiff_t plane_stride);

// Vertical pass: one output row from `count` input rows, bytewise. All rows and `output`
// have padded_width(width_bytes) accessible bytes.
void vertical_portable(const std::uint8_t* const* rows, const std::int32_t* weights, int count,
                       int width_bytes, std::uint8_t* output);
void vertical_avx2(const std::uint8_t* const* rows, const std::int32_t* weights, int count,
                   int width_bytes, std::uint8_t* output);

}  // namespace fastload
