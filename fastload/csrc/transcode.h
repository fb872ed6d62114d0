// Blocks of coefficients written again with other Huffman tables and other DC predictions: the
// common ground of making tiles and of restoring files.
#pragma once

#include <array>
#include <cstdlib>
#include <optional>

#include "bits.h"
#include "frame.h"
#include "huffman.h"
#include "scan.h"

namespace fastload {

constexpr std::size_t max_block_bits = 64 * 32;

inline int bit_size(int value) {
  int magnitude = std::abs(value);
  return magnitude == 0 ? 0 : 32 - __builtin_clz(static_cast<unsigned>(magnitude));
}

// The bits that follow a DC code: the value, or for a negative one its predecessor's low bits.
inline std::uint32_t value_bits(int value, int size) {
  const int raw = value < 0 ? value - 1 : value;
  return static_cast<std::uint32_t>(raw) & ((1u << size) - 1);
}

// The encoders of a frame's components, by table.
struct ScanEncoders {
  std::array<std::optional<HuffmanEncoder>, 4> dc;
  std::array<std::optional<HuffmanEncoder>, 4> ac;

  ScanEncoders(const Frame& frame, const JpegTables& tables) {
    for (int c = 0; c < frame.component_count; ++c) {
      const auto d = static_cast<std::size_t>(frame.at(c).dc);
      const auto a = static_cast<std::size_t>(frame.at(c).ac);
      if (!dc[d]) dc[d].emplace(tables.dc[d]);
      if (!ac[a]) ac[a].emplace(tables.ac[a]);
    }
  }
};

// Writes a block with other codes, and its DC value as a difference to another prediction.
struct TranscodeSink {
  BitCursor out;
  const HuffmanEncoder& dc_codes;
  const HuffmanEncoder& ac_codes;
  int source_dc;
  int target_dc;
  bool coded = true;  // the tables have a code for everything so far

  void dc(int source_difference) {
    source_dc += source_difference;
    const int target_difference = source_dc - target_dc;
    target_dc = source_dc;
    const int size = bit_size(target_difference);
    coded &= size <= max_dc_size;
    put(dc_codes, size & 15, value_bits(target_difference, size & 15), size & 15);
  }
  void ac(int, int symbol, std::uint32_t bits, int) { put(ac_codes, symbol, bits, symbol & 15); }

 private:
  void put(const HuffmanEncoder& codes, int symbol, std::uint32_t bits, int size) {
    const auto s = static_cast<std::size_t>(symbol);
    const int length = codes.length[s];
    coded &= length > 0;
    out.put((static_cast<std::uint32_t>(codes.code[s]) << size) | bits, length + size);
  }
};

using Predictions = std::array<int, 4>;

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

// A lone component is coded block by block, whatever its sampling factors say (T.81, A.2.2).
inline void normalize_lone_component(Frame& frame) {
  if (frame.component_count != 1) return;
  frame.at(0).h = frame.at(0).v = 1;
  frame.max_h = frame.max_v = 1;
}

}  // namespace fastload
