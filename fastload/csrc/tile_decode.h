// Pixels of a rectangle of a tiled picture, from just the tiles that it needs.
#pragma once

#include <array>
#include <vector>

#include "geometry.h"
#include "tile_head.h"
#include "upsample.h"

namespace fastload {

// Memory that a thread keeps between pictures. It only grows.
struct TileScratch {
  TileHead head;
  std::array<HuffmanDecoder, 4> dc;
  std::array<AcDecoder, 4> ac;
  std::array<std::vector<std::uint8_t>, 3> samples;
  std::array<UpsampleScratch, 3> upsample;
  std::vector<std::uint8_t> tile;
};

// Writes `region` of the picture to `rgbx`: R, G, B, 255 a pixel, rows `stride` bytes apart.
// Bit for bit what libjpeg-turbo gives for the original file. `entropy` is the tiles' data,
// with `slack` more readable bytes behind it (of any content). `region` lies in the picture.
Status decode_tiles(const TileHead& head, ByteSpan entropy, std::size_t slack, const Window& region,
                    std::uint8_t* rgbx, std::ptrdiff_t stride, TileScratch& scratch);

}  // namespace fastload
