// Turns a baseline JPEG file into tiles, without loss, and back into the same file.
#pragma once

#include <vector>

#include "bytes.h"
#include "status.h"

namespace fastload {

struct TiledJpeg {
  std::vector<std::uint8_t> head;     // see tile_head.h
  std::vector<std::uint8_t> entropy;  // all tiles, one behind the other
  ByteSpan source_header;             // the file up to its entropy-coded data
  ByteSpan source_trailer;            // the file from the marker behind that data on
};

// About `tile_width` pixels a tile, at least one MCU. The result's source_* point into `file`.
// Not Code::ok unless untile() was seen to give back the very same file; Code::not_tileable
// says why it could not, for a file that may be sound all the same.
Status tile(ByteSpan file, int tile_width, std::uint64_t max_pixels, TiledJpeg& tiled);

// The file that was tiled. Every argument may come from a damaged store.
Status untile(ByteSpan head, ByteSpan entropy, ByteSpan source_header, ByteSpan source_trailer,
              std::vector<std::uint8_t>& file);

}  // namespace fastload
