// The head of a record of codec `tiles`: what is needed to decode any rectangle of tiles.
// docs/format.md specifies it byte by byte.
#pragma once

#include <vector>

#include "frame.h"
#include "status.h"

namespace fastload {

// One tile is 1 MCU row high and `tile_mcus` MCUs wide; the last of a row is filled up with
// flat MCUs. Each starts with its DC prediction at zero.
struct TileHead {
  Frame frame;
  JpegTables tables;
  ColorSpace color_space = ColorSpace::other;
  int tile_mcus = 1;
  int tile_columns = 0;
  int tile_rows = 0;
  std::uint32_t entropy_size = 0;
  const std::uint8_t* row_starts = nullptr;  // u32 a row: first byte in the entropy data
  const std::uint8_t* lengths = nullptr;     // of each tile, row by row
  std::size_t length_bytes = 2;              // 1 or 2: how wide a length is

  int tile_width() const { return tile_mcus * frame.mcu_width(); }
};

// `lengths` of all tiles, row by row. The frame's size is the record's, not the head's.
std::vector<std::uint8_t> serialize(const TileHead& head,
                                    const std::vector<std::uint16_t>& lengths);

// Checks everything but the tiles' own bytes: afterwards every tile lies inside
// `entropy_size` bytes. The head points into `bytes`.
Status parse_tile_head(ByteSpan bytes, int width, int height, TileHead& head);

// The tiles of one row, first to last, as extents of the entropy data.
class TileRow {
 public:
  TileRow(const TileHead& head, int row, int first_column)
      : lengths_(head.lengths + head.length_bytes * static_cast<std::size_t>(row) *
                                    static_cast<std::size_t>(head.tile_columns)),
        length_bytes_(head.length_bytes),
        offset_(load_le<std::uint32_t>(head.row_starts + 4 * static_cast<std::size_t>(row))) {
    for (int column = 0; column < first_column; ++column) next();
  }
  struct Extent {
    std::size_t offset;
    std::size_t size;
  };
  Extent next() {
    const std::size_t size = length_bytes_ == 1 ? *lengths_ : load_le<std::uint16_t>(lengths_);
    const Extent extent{offset_, size};
    lengths_ += length_bytes_;
    offset_ += size;
    return extent;
  }
  std::size_t offset() const { return offset_; }

 private:
  const std::uint8_t* lengths_;
  std::size_t length_bytes_;
  std::size_t offset_;
};

}  // namespace fastload
