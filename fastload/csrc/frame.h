// What the header of a JPEG file says about the picture in it.
#pragma once

#include <array>
#include <cstdint>

#include "bytes.h"
#include "huffman.h"

namespace fastload {

enum class ColorSpace : std::uint8_t {
  gray = 1,
  ycbcr = 2,
  rgb = 3,
  cmyk = 4,
  ycck = 5,
  other = 6
};

struct Component {
  int id = 0;
  int h = 1;  // sampling factors, 1 to 4
  int v = 1;
  int quant = 0;  // which table, 0 to 3
  int dc = 0;
  int ac = 0;
};

struct Frame {
  int width = 0;
  int height = 0;
  int precision = 8;
  int component_count = 0;
  std::array<Component, 4> components{};
  int max_h = 1;
  int max_v = 1;

  int mcu_width() const { return 8 * max_h; }
  int mcu_height() const { return 8 * max_v; }
  int mcu_columns() const { return divide_up(width, mcu_width()); }
  int mcu_rows() const { return divide_up(height, mcu_height()); }
  int blocks_per_mcu() const {
    int blocks = 0;
    for (int c = 0; c < component_count; ++c) blocks += at(c).h * at(c).v;
    return blocks;
  }
  const Component& at(int c) const { return components[static_cast<std::size_t>(c)]; }
  Component& at(int c) { return components[static_cast<std::size_t>(c)]; }
  // The component's own size in samples (T.81, A.1.1).
  int component_width(int c) const { return divide_up(width * at(c).h, max_h); }
  int component_height(int c) const { return divide_up(height * at(c).v, max_v); }
};

// A lone component is coded block by block, whatever its sampling factors say (T.81, A.2.2).
inline void normalize_lone_component(Frame& frame) {
  if (frame.component_count != 1) return;
  frame.at(0).h = frame.at(0).v = 1;
  frame.max_h = frame.max_v = 1;
}

// Calls use(component index, component) for each block of an MCU, in the file's order.
template <typename Use>
bool for_each_block(const Frame& frame, Use use) {
  for (int c = 0; c < frame.component_count; ++c) {
    for (int i = frame.at(c).h * frame.at(c).v; i > 0; --i) {
      if (!use(static_cast<std::size_t>(c), frame.at(c))) return false;
    }
  }
  return true;
}

struct QuantTable {
  bool defined = false;
  std::array<std::uint16_t, 64> zigzag{};  // in the order of the file
};

struct JpegTables {
  std::array<QuantTable, 4> quant{};
  std::array<HuffmanSpec, 4> dc{};
  std::array<HuffmanSpec, 4> ac{};
};

// Row-major position of the k-th coefficient of the file (T.81, figure A.6).
extern const std::array<std::uint8_t, 64> natural_order;

}  // namespace fastload
