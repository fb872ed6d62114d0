// Pixels of a record, whatever its codec, and the whole way from a record to a batch's slot.
#pragma once

#include <vector>

#include "geometry.h"
#include "recipe.h"
#include "record.h"
#include "render.h"
#include "tile_decode.h"

namespace fastload {

// Memory that a thread keeps between pictures. It only grows.
struct PictureScratch {
  TileScratch tiles;
  std::vector<std::uint8_t> pixels;
  std::vector<std::uint8_t> gray;
  Scratch render;
  std::int64_t decode_nanoseconds = 0;  // sums, for whoever wants to know
  std::int64_t render_nanoseconds = 0;
};

// Writes `region` as R, G, B, 255 a pixel, rows `stride` bytes apart. `slack` as in
// decode_tiles: readable bytes behind the record's. Not for codec `other`
// (Code::unsupported): Pillow decodes those.
Status decode_region(const Record& record, std::size_t slack, const Window& region,
                     std::uint8_t* rgbx, std::ptrdiff_t stride, TileScratch& scratch);

// Writes `region` as packed R, G, B: [region.height, region.width, 3]. Otherwise as above.
Status decode_rgb(const Record& record, std::size_t slack, const Window& region, std::uint8_t* rgb,
                  PictureScratch& scratch);

// The pixels of the record that `geometry` needs; they live in the record or in `scratch`.
Status decode_needed(const Record& record, std::size_t slack, const Geometry& geometry,
                     SourcePixels& source, PictureScratch& scratch);

// Decodes what `geometry` needs of the record and renders it. See render().
Status render_geometry(const Record& record, std::size_t slack, const Geometry& geometry,
                       const Fill& fill, const Output& output, PictureScratch& scratch);

// One sample of a recipe: places it, decodes what that needs, renders, turns gray and erases.
// `output` is a slot of the recipe's shape and dtype.
Status render_record(const Record& record, std::size_t slack, const Recipe& recipe,
                     std::uint64_t seed, std::uint64_t position, const Output& output,
                     PictureScratch& scratch);
// The same from the whole picture's pixels.
Status render_pixels(const SourcePixels& pixels, const Recipe& recipe, std::uint64_t seed,
                     std::uint64_t position, const Output& output, PictureScratch& scratch);

// What a JPEG file is without a store: a record of codec `jpeg`, or Code::unsupported for
// whatever Pillow has to look at, files that lack their end among it.
Status record_of_file(ByteSpan file, Record& record);

}  // namespace fastload
