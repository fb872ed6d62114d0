// The weights of Pillow's 8-bit resampling along one axis.
#pragma once

#include <cstdint>
#include <vector>

#include "geometry.h"

namespace fastload {

// Fixed point of the weights: 32 bits, less 8 for the pixel, less 2 for filters whose
// weights sum to more than one or less than zero on the way.
constexpr int kWeightBits = 22;

// Longest side the axis functions take. Pillow keeps box edges as float, exact up to here.
constexpr int kMaxSide = 1 << 24;

struct Span {
  int begin = 0;
  int end = 0;

  int size() const { return end - begin; }
};

// Output i (counted from the span's begin) is the sum over t < counts[i] of
// weights[i * stride + t] * input[starts[i] + t], rounded at kWeightBits.
// Both the starts and the ends (start + count) never decrease with i.
// The vectors only grow, so that a worker's scratch settles after a few pictures.
struct Taps {
  int outputs = 0;
  int stride = 0;
  int max_count = 0;
  std::vector<std::int32_t> starts;
  std::vector<std::int32_t> counts;
  std::vector<std::int32_t> weights;
  std::vector<double> exact;  // one output's weights before rounding
};

// Weights of the outputs [outputs.begin, outputs.end) when `input_size` pixels become
// `output_size`. `filter` is not nearest. Sizes are in 1..kMaxSide and the span lies in the output.
void compute_taps(int input_size, int output_size, Filter filter, Span outputs, Taps& taps);

// The inputs that compute_taps would name, without the weights.
Span needed_span(int input_size, int output_size, Filter filter, Span outputs);

// Input pixel that Pillow's nearest resize picks for each output of the span.
void nearest_indices(int input_size, int output_size, Span outputs,
                     std::vector<std::int32_t>& indices);

}  // namespace fastload
