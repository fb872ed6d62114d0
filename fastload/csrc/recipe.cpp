#include "recipe.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fastload {
namespace {

using Kind = Operation::Kind;

// Python's round(): half to even, which is what nearbyint does in the default mode.
int round_half_even(double value) { return static_cast<int>(std::nearbyint(value)); }

// Where a sample stands between two operations. `window` is what is seen now, in the resized
// crop; a flip only turns the way in which it is looked at.
struct View {
  Window crop;
  int resize_height;
  int resize_width;
  Window window;
  Filter filter = Filter::bilinear;
  bool flip_horizontal = false;
  bool flip_vertical = false;

  View(int height, int width)
      : crop{0, 0, height, width},
        resize_height(height),
        resize_width(width),
        window{0, 0, height, width} {}

  void select(int top, int left, int height, int width) {
    if (flip_vertical) top = window.height - top - height;
    if (flip_horizontal) left = window.width - left - width;
    window = {window.top + top, window.left + left, height, width};
  }
  void pad(int top, int left, int bottom, int right) {
    // Beyond what was cut off there is fill, not picture: see Growth in check().
    if (resize_height == crop.height && resize_width == crop.width) fold();
    if (flip_vertical) std::swap(top, bottom);
    if (flip_horizontal) std::swap(left, right);
    window = {window.top - top, window.left - left, window.height + top + bottom,
              window.width + left + right};
  }
  // Before any resampling, what is seen inside the picture may as well be the crop.
  void fold() {
    const bool inside = window.top >= 0 && window.left >= 0 &&
                        window.top + window.height <= crop.height &&
                        window.left + window.width <= crop.width;
    if (!inside) return;
    crop = {crop.top + window.top, crop.left + window.left, window.height, window.width};
    resize_height = crop.height;
    resize_width = crop.width;
    window = {0, 0, crop.height, crop.width};
  }
  void resize(int height, int width, Filter with) {
    fold();
    resize_height = height;
    resize_width = width;
    window = {0, 0, height, width};
    filter = with;
  }
};

// torchvision's RandomResizedCrop.get_params: ten tries, then the largest central crop whose
// ratio is within bounds.
Window random_resized_window(const Operation& op, int height, int width, Draws& draws) {
  const double area = static_cast<double>(height) * width;
  const double log_low = std::log(op.ratio_low);
  const double log_high = std::log(op.ratio_high);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * draws.uniform(op.low, op.high);
    const double ratio = std::exp(draws.uniform(log_low, log_high));
    const int w = round_half_even(std::sqrt(target * ratio));
    const int h = round_half_even(std::sqrt(target / ratio));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const int top = draws.below(height - h + 1);
      return {top, draws.below(width - w + 1), h, w};
    }
  }
  const double ratio = static_cast<double>(width) / height;
  int h = height;
  int w = width;
  if (ratio < op.ratio_low) {
    h = round_half_even(width / op.ratio_low);
  } else if (ratio > op.ratio_high) {
    w = round_half_even(height * op.ratio_high);
  }
  return {(height - h) / 2, (width - w) / 2, h, w};
}

void resize_shorter(const Operation& op, View& view) {
  const int height = view.window.height;
  const int width = view.window.width;
  const bool upright = width <= height;
  const int short_side = upright ? width : height;
  const int long_side = upright ? height : width;
  int new_short = op.height;
  auto new_long =
      static_cast<int>(static_cast<double>(std::int64_t{op.height} * long_side) / short_side);
  if (op.width > 0 && new_long > op.width) {
    new_short =
        static_cast<int>(static_cast<double>(std::int64_t{op.width} * new_short) / new_long);
    new_long = op.width;
  }
  new_short = std::max(new_short, 1);
  view.resize(upright ? new_long : new_short, upright ? new_short : new_long, op.filter);
}

void center_crop(const Operation& op, View& view) {
  const auto start = [](int side, int wanted) {
    return wanted > side ? -((wanted - side) / 2) : round_half_even((side - wanted) / 2.0);
  };
  const int top = start(view.window.height, op.height);
  const int left = start(view.window.width, op.width);
  if (top < 0 || left < 0) view.pad(0, 0, 0, 0);  // folds, so that beyond is fill
  view.select(top, left, op.height, op.width);
}

Status random_crop(const Operation& op, View& view, Draws& draws) {
  if (op.pad_if_needed) {
    const int x = std::max(op.width - view.window.width, 0);
    const int y = std::max(op.height - view.window.height, 0);
    if (x > 0 || y > 0) view.pad(y, x, y, x);
  }
  const int rows = view.window.height - op.height;
  const int columns = view.window.width - op.width;
  if (rows < 0 || columns < 0) {
    return Status::error(Code::decode, "expected at least " + std::to_string(op.height) + " x " +
                                           std::to_string(op.width) +
                                           " pixels for a random crop, found " +
                                           std::to_string(view.window.height) + " x " +
                                           std::to_string(view.window.width));
  }
  const int top = draws.below(rows + 1);
  view.select(top, draws.below(columns + 1), op.height, op.width);
  return Status::success();
}

// torchvision's RandomErasing.get_params; nothing where ten tries do not fit.
Window erase_window(const Operation& op, int height, int width, Draws& draws) {
  const double area = static_cast<double>(height) * width;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * draws.uniform(op.low, op.high);
    const double ratio = std::exp(draws.uniform(std::log(op.ratio_low), std::log(op.ratio_high)));
    const int h = round_half_even(std::sqrt(target * ratio));
    const int w = round_half_even(std::sqrt(target / ratio));
    if (h < height && w < width) {
      const int top = draws.below(height - h + 1);
      return {top, draws.below(width - w + 1), h, w};
    }
  }
  return {};
}

// IEEE binary16 of a double, rounded half to even; overflow becomes infinity.
std::uint16_t to_float16(double value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (std::isnan(value)) return 0x7E00;
  if (magnitude >= 65520.0) return static_cast<std::uint16_t>(sign | 0x7C00);
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  exponent = std::max(exponent - 1, -14);
  const auto units = static_cast<int>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  // 1024 units are the hidden bit; without it the number is subnormal.
  const int bits = units < 1024 ? units : ((exponent + 15) << 10) + (units - 1024);
  return static_cast<std::uint16_t>(sign | bits);
}

std::uint16_t to_bfloat16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

std::array<std::uint8_t, 4> element(double value, DType dtype) {
  std::array<std::uint8_t, 4> bytes{};
  const auto single = static_cast<float>(value);
  const std::uint16_t half = dtype == DType::float16 ? to_float16(value) : to_bfloat16(single);
  switch (dtype) {
    case DType::uint8:
      bytes[0] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
      break;
    case DType::float32:
      std::memcpy(bytes.data(), &single, 4);
      break;
    case DType::float16:
    case DType::bfloat16:
      std::memcpy(bytes.data(), &half, 2);
      break;
  }
  return bytes;
}

bool is_gray(const Fill& fill) { return fill[0] == fill[1] && fill[1] == fill[2]; }

Status refused(const std::string& why) { return Status::error(Code::argument, why); }

}  // namespace

Output RecipeOutput::slot(void* data) const {
  const std::int64_t h = height;
  const std::int64_t w = width;
  const std::int64_t c = channels;
  const void* values = table.empty() ? nullptr : table.data();
  return channels_last ? Output{data, dtype, channels, 1, w * c, c, values}
                       : Output{data, dtype, channels, h * w, w, 1, values};
}

Status Recipe::make(std::vector<Operation> operations, RecipeOutput output, PassOrder order,
                    Recipe& recipe) {
  recipe = Recipe{};
  recipe.operations_ = std::move(operations);
  recipe.output_ = std::move(output);
  recipe.order_ = order;
  return recipe.check();
}

// Note [what a recipe can run]
// One resampling, of an unpadded and unflipped part of the picture (resampling a mirrored
// picture rounds differently). Behind it, what was cut off must not be uncovered again: there
// would have to be fill. Every operation that can uncover (growth) is therefore refused behind
// one that can cut, unless sizes are known to fit.
Status Recipe::check() {
  const std::size_t expected =
      output_.item_bytes() * static_cast<std::size_t>(output_.channels) * kTableSize;
  if (output_.channels != 3 && output_.channels != 1) return refused("expected 1 or 3 channels");
  if (output_.height < 1 || output_.width < 1)
    return refused("expected an output of at least 1 x 1");
  if (output_.table.empty() ? output_.dtype != DType::uint8 : output_.table.size() != expected) {
    return refused("expected a table of shape [channels, 256] and of the output's dtype");
  }
  bool resized = false;
  bool cut = false;
  bool padded = false;
  bool flipped = false;
  bool gray = false;
  bool erased = false;
  bool filled = false;
  int height = -1;  // -1: not the same for all pictures
  int width = -1;
  const auto grow = [&](const Fill& fill) {
    if (cut && (resized || padded)) return refused("a pad behind a crop behind a resize or a pad");
    const bool other_fill = filled && fill != fill_;
    filled = true;
    fill_ = fill;
    padded = true;
    if (other_fill) return refused("two fill colours");
    if (gray && !is_gray(fill)) return refused("a fill colour behind grayscale");
    return Status::success();
  };
  for (const Operation& op : operations_) {
    if (erased) return refused("an operation behind erasing");
    Status status = Status::success();
    switch (op.kind) {
      case Kind::random_resized_crop:
      case Kind::resize:
      case Kind::resize_shorter: {
        if (resized) return refused("a second resize");
        if (flipped) return refused("a resize behind a flip");
        if (padded) return refused("a resize behind a pad");
        resized = true;
        cut = false;
        const bool fixed = op.kind != Kind::resize_shorter;
        height = fixed ? op.height : -1;
        width = fixed ? op.width : -1;
        if (op.height < 1 || (fixed && op.width < 1)) return refused("a size below 1 x 1");
        if (op.kind == Kind::resize_shorter && op.width > 0 && op.width <= op.height) {
          return refused("a limit of the longer side that is not above the shorter one");
        }
        if (op.kind == Kind::random_resized_crop &&
            !(op.low >= 0 && op.low <= op.high && op.ratio_low > 0 &&
              op.ratio_low <= op.ratio_high)) {
          return refused("a scale or ratio out of order");
        }
        break;
      }
      case Kind::center_crop:
      case Kind::random_crop: {
        if (op.height < 1 || op.width < 1) return refused("a size below 1 x 1");
        const bool fits = height >= op.height && width >= op.width;
        const bool may_pad = op.kind == Kind::center_crop || op.pad_if_needed;
        if (may_pad && !fits) status = grow(op.kind == Kind::center_crop ? Fill{} : op.fill);
        cut = true;
        height = op.height;
        width = op.width;
        break;
      }
      case Kind::pad:
        if (std::min({op.top, op.left, op.bottom, op.right}) < 0) return refused("a negative pad");
        status = grow(op.fill);
        if (height >= 0) height += op.top + op.bottom;
        if (width >= 0) width += op.left + op.right;
        break;
      case Kind::horizontal_flip:
      case Kind::vertical_flip:
        flipped = true;
        break;
      case Kind::grayscale:
        if (gray) return refused("grayscale twice");
        gray = true;
        gray_first_ = !resized;
        break;
      case Kind::erase:
        erased = true;
        for (std::size_t c = 0; c < 3; ++c) erase_value_[c] = element(op.value[c], output_.dtype);
        break;
    }
    if (!status.ok()) return status;
  }
  if (gray_first_ && padded && !is_gray(fill_)) return refused("a fill colour with grayscale");
  if (output_.channels == 1 && !gray) return refused("one channel without grayscale");
  if (height != output_.height || width != output_.width) {
    return refused("the last size is not the output's for every picture");
  }
  return Status::success();
}

bool Recipe::fixed() const {
  return std::all_of(operations_.begin(), operations_.end(), [](const Operation& op) {
    switch (op.kind) {
      case Kind::random_resized_crop:
      case Kind::random_crop:
        return false;
      case Kind::horizontal_flip:
      case Kind::vertical_flip:
      case Kind::grayscale:  // draws are in [0, 1)
        return op.probability <= 0 || op.probability >= 1;
      case Kind::erase:
        return op.probability <= 0;
      case Kind::resize:
      case Kind::resize_shorter:
      case Kind::center_crop:
      case Kind::pad:
        break;
    }
    return true;
  });
}

Status Recipe::place(std::uint64_t seed, std::uint64_t position, int height, int width,
                     Placement& placement) const {
  View view(height, width);
  placement.gray = false;
  placement.erase = {};
  std::uint32_t number = 0;
  for (const Operation& op : operations_) {
    Draws draws(seed, position, number++);
    switch (op.kind) {
      case Kind::random_resized_crop: {
        const Window w = random_resized_window(op, view.window.height, view.window.width, draws);
        view.select(w.top, w.left, w.height, w.width);
        view.resize(op.height, op.width, op.filter);
        break;
      }
      case Kind::resize:
        view.resize(op.height, op.width, op.filter);
        break;
      case Kind::resize_shorter:
        resize_shorter(op, view);
        break;
      case Kind::center_crop:
        center_crop(op, view);
        break;
      case Kind::random_crop:
        if (Status status = random_crop(op, view, draws); !status.ok()) return status;
        break;
      case Kind::pad:
        view.pad(op.top, op.left, op.bottom, op.right);
        break;
      case Kind::horizontal_flip:
        view.flip_horizontal ^= draws.uniform() < op.probability;
        break;
      case Kind::vertical_flip:
        view.flip_vertical ^= draws.uniform() < op.probability;
        break;
      case Kind::grayscale:
        placement.gray = draws.uniform() < op.probability;
        break;
      case Kind::erase:
        if (draws.uniform() < op.probability) {
          placement.erase = erase_window(op, view.window.height, view.window.width, draws);
        }
        break;
    }
  }
  placement.geometry = {
      view.crop, view.resize_height,   view.resize_width, view.window, view.filter,
      order_,    view.flip_horizontal, view.flip_vertical};
  return Status::success();
}

}  // namespace fastload
