// Note [Pillow's weights]
// The order of these operations decides the last bit of a weight, and through it pixels; it
// follows libImaging/Resample.c and Geometry.c of Pillow. Pillow's x86-64 wheels are built
// without fused multiply-add, so this file must not contract either.
#include "coefficients.h"

#include <algorithm>
#include <cmath>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__) && defined(__FP_FAST_FMA)
#pragma GCC optimize("fp-contract=off")
#endif

namespace fastload {
namespace {

constexpr double kPi = 3.14159265358979323846;

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= kPi;
  return std::sin(x) / x;
}

struct Box {
  static constexpr double kSupport = 0.5;
  static double weight(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }
};

struct Bilinear {
  static constexpr double kSupport = 1.0;
  static double weight(double x) {
    x = std::fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
  }
};

struct Hamming {
  static constexpr double kSupport = 1.0;
  static double weight(double x) {
    x = std::fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x *= kPi;
    // Pillow's constants are floats: 0.54 as a double would shift some weights.
    return std::sin(x) / x *
           (static_cast<double>(0.54f) + static_cast<double>(0.46f) * std::cos(x));
  }
};

struct Bicubic {
  static constexpr double kSupport = 2.0;
  static double weight(double x) {
    constexpr double a = -0.5;
    x = std::fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
  }
};

struct Lanczos {
  static constexpr double kSupport = 3.0;
  static double weight(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }
};

// Where the window of one output lies on the input.
struct Axis {
  double scale;
  double filter_scale;
  double support;
  int input_size;

  Axis(int input, int output, double filter_support) : input_size(input) {
    scale = static_cast<double>(static_cast<float>(input)) / output;
    filter_scale = scale < 1.0 ? 1.0 : scale;
    support = filter_support * filter_scale;
  }

  double center(int output) const { return 0.0 + (output + 0.5) * scale; }
  int begin(double center) const { return std::max(static_cast<int>(center - support + 0.5), 0); }
  int end(double center) const {
    return std::min(static_cast<int>(center + support + 0.5), input_size);
  }
};

std::int32_t to_fixed(double weight) {
  const double scaled = weight * (1 << kWeightBits);
  return static_cast<std::int32_t>(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

template <typename T>
void grow(std::vector<T>& vector, std::size_t size) {
  if (vector.size() < size) vector.resize(size);
}

template <typename Kernel>
void compute(int input_size, int output_size, Span outputs, Taps& taps) {
  const Axis axis(input_size, output_size, Kernel::kSupport);
  const double inverse_scale = 1.0 / axis.filter_scale;
  const std::size_t count_outputs = static_cast<std::size_t>(outputs.size());
  grow(taps.starts, count_outputs);
  grow(taps.counts, count_outputs);
  taps.outputs = outputs.size();
  taps.max_count = 0;
  for (int i = 0; i < taps.outputs; ++i) {
    const double center = axis.center(outputs.begin + i);
    const int begin = axis.begin(center);
    const int count = axis.end(center) - begin;
    taps.starts[static_cast<std::size_t>(i)] = begin;
    taps.counts[static_cast<std::size_t>(i)] = count;
    taps.max_count = std::max(taps.max_count, count);
  }
  taps.stride = taps.max_count;
  const std::size_t stride = static_cast<std::size_t>(taps.stride);
  grow(taps.exact, stride);
  grow(taps.weights, count_outputs * stride);
  double* exact = taps.exact.data();
  for (int i = 0; i < taps.outputs; ++i) {
    const double center = axis.center(outputs.begin + i);
    const int begin = taps.starts[static_cast<std::size_t>(i)];
    const int count = taps.counts[static_cast<std::size_t>(i)];
    std::int32_t* weights = taps.weights.data() + static_cast<std::size_t>(i) * stride;
    double total = 0.0;
    for (int t = 0; t < count; ++t) {
      exact[t] = Kernel::weight((t + begin - center + 0.5) * inverse_scale);
      total += exact[t];
    }
    for (int t = 0; t < count; ++t) {
      weights[t] = to_fixed(total != 0.0 ? exact[t] / total : exact[t]);
    }
    std::fill(weights + count, weights + stride, 0);
  }
}

double support_of(Filter filter) {
  switch (filter) {
    case Filter::box:
      return Box::kSupport;
    case Filter::bilinear:
      return Bilinear::kSupport;
    case Filter::hamming:
      return Hamming::kSupport;
    case Filter::bicubic:
      return Bicubic::kSupport;
    case Filter::lanczos:
      return Lanczos::kSupport;
    case Filter::nearest:
      break;
  }
  return 0.0;
}

}  // namespace

void compute_taps(int input_size, int output_size, Filter filter, Span outputs, Taps& taps) {
  switch (filter) {
    case Filter::box:
      return compute<Box>(input_size, output_size, outputs, taps);
    case Filter::bilinear:
      return compute<Bilinear>(input_size, output_size, outputs, taps);
    case Filter::hamming:
      return compute<Hamming>(input_size, output_size, outputs, taps);
    case Filter::bicubic:
      return compute<Bicubic>(input_size, output_size, outputs, taps);
    case Filter::lanczos:
      return compute<Lanczos>(input_size, output_size, outputs, taps);
    case Filter::nearest:
      break;
  }
  taps.outputs = 0;
}

Span needed_span(int input_size, int output_size, Filter filter, Span outputs) {
  if (outputs.size() <= 0) return {0, 0};
  if (filter == Filter::nearest) {
    std::vector<std::int32_t> indices;
    nearest_indices(input_size, output_size, outputs, indices);
    return {indices[0], indices[static_cast<std::size_t>(outputs.size()) - 1] + 1};
  }
  const Axis axis(input_size, output_size, support_of(filter));
  return {axis.begin(axis.center(outputs.begin)), axis.end(axis.center(outputs.end - 1))};
}

void nearest_indices(int input_size, int output_size, Span outputs,
                     std::vector<std::int32_t>& indices) {
  grow(indices, static_cast<std::size_t>(outputs.size()));
  if (input_size == output_size) {  // Pillow copies
    for (int i = 0; i < outputs.size(); ++i) {
      indices[static_cast<std::size_t>(i)] = outputs.begin + i;
    }
    return;
  }
  // Pillow adds the step up from output 0 on; (i + 0.5) * step rounds differently. What that
  // drifts below kMaxSide is less than the half step that would lead beyond the input.
  const double step = static_cast<double>(static_cast<float>(input_size)) / output_size;
  double position = 0.0 + step * 0.5;
  for (int i = 0; i < outputs.end; ++i) {
    if (i >= outputs.begin) {
      indices[static_cast<std::size_t>(i - outputs.begin)] =
          std::min(static_cast<int>(position), input_size - 1);
    }
    position += step;
  }
}

}  // namespace fastload
