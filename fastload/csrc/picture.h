// Pixels of a record, whatever its codec, and the whole way from a record to a batch's slot.
#pragma once

#include <vector>

#include "geometry.h"
#include "record.h"
#include "render.h"
#include "tile_decode.h"

namespace fastload {

// Memory that a thread keeps between pictures. It only grows.
struct PictureScratch {
  TileScratch tiles;
  std::vector<std::uint8_t> pixels;
  Scratch render;
};

// Writes `region` as R, G, B, 255 a pixel, rows `stride` bytes apart. `slack` as in
// decode_tiles: readable bytes behind the record's. Not for codec `other`
// (Code::unsupported): Pillow decodes those.
Status decode_region(const Record& record, std::size_t slack, const Window& region,
                     std::uint8_t* rgbx, std::ptrdiff_t stride, TileScratch& scratch);

// Decodes what `geometry` needs of the record and renders it. See render().
Status render_record(const Record& record, std::size_t slack, const Geometry& geometry,
                     const Fill& fill, const Output& output, PictureScratch& scratch);

}  // namespace fastload
