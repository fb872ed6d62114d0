// Rectangles and the whole geometry of one output picture, in pixels.
#pragma once

#include <cstdint>

namespace fastload {

struct Window {
  int top = 0;
  int left = 0;
  int height = 0;
  int width = 0;
};

// Pillow's resampling filters under their own numbers (PIL.Image.Resampling).
enum class Filter : std::uint8_t {
  nearest = 0,
  lanczos = 1,
  bilinear = 2,
  bicubic = 3,
  box = 4,
  hamming = 5,
};

// Pillow up to 12.1 always runs the horizontal pass first. Pillow 12.2 runs the vertical pass
// first where the height shrinks and was more than 100 times the width, Pillow 13 where the
// height shrinks by more than twice as many pixels as the width.
enum class PassOrder : std::uint8_t {
  horizontal_first = 0,
  cheaper_first = 1,
  horizontal_first_unless_tall = 2,
};

// crop -> resize -> window -> flips. `crop` lies inside the picture; `window` may reach
// beyond the resized crop, and what lies outside gets the fill colour.
struct Geometry {
  Window crop;        // in the decoded picture
  int resize_height;  // == crop.height and
  int resize_width;   // == crop.width: no resampling
  Window window;      // in the resized crop; its size is the output's size
  Filter filter = Filter::bilinear;
  PassOrder order = PassOrder::horizontal_first;
  bool flip_horizontal = false;
  bool flip_vertical = false;
};

}  // namespace fastload
