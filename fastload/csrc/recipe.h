// A transform list in the form that the core runs, and what it draws for one sample.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "geometry.h"
#include "output.h"
#include "philox.h"
#include "status.h"

namespace fastload {

// One transform. Which fields matter depends on the kind; sizes in pixels.
struct Operation {
  enum class Kind : std::uint8_t {
    random_resized_crop,  // height, width, low..high: scale, ratio_low..ratio_high, filter
    resize,               // height, width, filter
    resize_shorter,       // height: the shorter side; width: limit of the longer one, or 0
    center_crop,          // height, width
    random_crop,          // height, width, pad_if_needed, fill
    pad,                  // top, left, bottom, right, fill
    horizontal_flip,      // probability
    vertical_flip,
    grayscale,  // probability
    erase,      // probability, low..high: scale, ratio_low..ratio_high, value
  };
  Kind kind = Kind::pad;
  int height = 0;
  int width = 0;
  int top = 0;
  int left = 0;
  int bottom = 0;
  int right = 0;
  double low = 0;
  double high = 0;
  double ratio_low = 0;
  double ratio_high = 0;
  double probability = 0;
  bool pad_if_needed = false;
  Filter filter = Filter::bilinear;
  Fill fill{};
  std::array<double, 3> value{};
};

// Everything that is decided about one sample before its pixels are touched.
struct Placement {
  Geometry geometry;
  bool gray = false;
  Window erase;  // in the output; height 0: none
};

struct RecipeOutput {
  int channels = 3;
  int height = 0;
  int width = 0;
  DType dtype = DType::uint8;
  bool channels_last = false;
  std::vector<std::uint8_t> table;  // [channels, 256] of dtype; may be empty for uint8

  std::size_t item_bytes() const {
    return dtype == DType::float32 ? 4 : dtype == DType::uint8 ? 1 : 2;
  }
  std::size_t slot_bytes() const {
    return item_bytes() * static_cast<std::size_t>(channels) * static_cast<std::size_t>(height) *
           static_cast<std::size_t>(width);
  }
  // The slot at `data`, contiguous in the layout asked for.
  Output slot(void* data) const;
};

class Recipe : public std::enable_shared_from_this<Recipe> {  // see Source
 public:
  // Code::argument says which operation cannot be run where it stands.
  static Status make(std::vector<Operation> operations, RecipeOutput output, PassOrder order,
                     Recipe& recipe);

  // Pure: the same seed, position and size give the same placement.
  // Code::decode where a random crop is larger than the picture, as torchvision raises.
  Status place(std::uint64_t seed, std::uint64_t position, int height, int width,
               Placement& placement) const;

  // Whether place() gives the same whatever seed and position are, and nothing is erased: then a
  // picture's 8-bit values are the same in every epoch.
  bool fixed() const;

  const RecipeOutput& output() const { return output_; }
  const Fill& fill() const { return fill_; }
  // Whether a picture becomes gray before it is resampled, or after.
  bool gray_first() const { return gray_first_; }
  // The erasing value of each channel as an element of the output's dtype.
  const std::array<std::array<std::uint8_t, 4>, 3>& erase_value() const { return erase_value_; }

 private:
  Status check();

  std::vector<Operation> operations_;
  RecipeOutput output_;
  PassOrder order_ = PassOrder::horizontal_first;
  Fill fill_{};
  bool gray_first_ = false;
  std::array<std::array<std::uint8_t, 4>, 3> erase_value_{};
};

}  // namespace fastload
