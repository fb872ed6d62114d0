#include "picture.h"

#include <cstring>

#include "color.h"
#include "libjpeg_decode.h"

namespace fastload {
namespace {

Status raw_region(const Record& record, const Window& region, std::uint8_t* rgbx,
                  std::ptrdiff_t stride) {
  for (int y = 0; y < region.height; ++y) {
    const std::size_t first =
        static_cast<std::size_t>(region.top + y) * static_cast<std::size_t>(record.width) +
        static_cast<std::size_t>(region.left);
    const std::uint8_t* in = record.body.data + 3 * first;
    std::uint8_t* out = rgbx + y * stride;
    for (int x = 0; x < region.width; ++x) {
      out[4 * x] = in[3 * x];
      out[4 * x + 1] = in[3 * x + 1];
      out[4 * x + 2] = in[3 * x + 2];
      out[4 * x + 3] = 255;
    }
  }
  return Status::success();
}

Status check_raw(const Record& record) {
  const auto pixels =
      static_cast<std::size_t>(record.height) * static_cast<std::size_t>(record.width);
  if (record.body.size == 3 * pixels) return Status::success();
  return Status::error(Code::record, "damaged record: raw pixels of another size");
}

Status unsupported() {
  return Status::error(Code::unsupported, "a record of codec `other` is decoded by Pillow");
}

}  // namespace

Status decode_region(const Record& record, std::size_t slack, const Window& region,
                     std::uint8_t* rgbx, std::ptrdiff_t stride, TileScratch& scratch) {
  const bool inside = region.top >= 0 && region.left >= 0 && region.height > 0 &&
                      region.width > 0 && region.height <= record.height - region.top &&
                      region.width <= record.width - region.left;
  if (!inside) return Status::error(Code::argument, "the region does not lie inside the picture");
  switch (record.codec) {
    case Codec::tiles: {
      Status status = parse_tile_head(record.head, record.width, record.height, scratch.head);
      if (!status.ok()) return status;
      const std::size_t size = scratch.head.entropy_size;
      if (size > record.body.size) {
        return Status::error(Code::record, "damaged record: its tiles are cut short");
      }
      return decode_tiles(scratch.head, record.body.slice(0, size), record.body.size - size + slack,
                          region, rgbx, stride, scratch);
    }
    case Codec::jpeg:
      return decode_jpeg(record.body, JpegLimits{}, record.height, record.width, region, rgbx,
                         stride);
    case Codec::raw:
      if (Status status = check_raw(record); !status.ok()) return status;
      return raw_region(record, region, rgbx, stride);
    case Codec::other:
      break;
  }
  return unsupported();
}

Status decode_needed(const Record& record, std::size_t slack, const Geometry& geometry,
                     SourcePixels& source, PictureScratch& scratch) {
  if (Status status = check_geometry(geometry); !status.ok()) return status;
  const Window& crop = geometry.crop;
  if (crop.top < 0 || crop.left < 0 || crop.height > record.height - crop.top ||
      crop.width > record.width - crop.left) {
    return Status::error(Code::argument, "the crop does not lie inside the picture of " +
                                             std::to_string(record.height) + " x " +
                                             std::to_string(record.width) + " pixels");
  }
  if (record.codec == Codec::other) return unsupported();
  source.region = needed_source(geometry);
  if (record.codec == Codec::raw) {
    if (Status status = check_raw(record); !status.ok()) return status;
    source.data = record.body.data;
    source.row_stride = std::ptrdiff_t{3} * record.width;
    source.pixel_bytes = 3;
    source.region = {0, 0, record.height, record.width};
    return Status::success();
  }
  source.pixel_bytes = 4;
  source.row_stride = std::ptrdiff_t{4} * source.region.width;
  if (source.region.height == 0) return Status::success();
  const std::size_t size =
      static_cast<std::size_t>(source.row_stride) * static_cast<std::size_t>(source.region.height);
  if (scratch.pixels.size() < size) scratch.pixels.resize(size);
  source.data = scratch.pixels.data();
  return decode_region(record, slack, source.region, scratch.pixels.data(), source.row_stride,
                       scratch.tiles);
}

Status decode_rgb(const Record& record, std::size_t slack, const Window& region, std::uint8_t* rgb,
                  PictureScratch& scratch) {
  const Geometry whole{region, region.height, region.width, {0, 0, region.height, region.width}};
  SourcePixels source;
  if (Status status = decode_needed(record, slack, whole, source, scratch); !status.ok()) {
    return status;
  }
  const std::ptrdiff_t row_bytes = std::ptrdiff_t{3} * region.width;
  const std::uint8_t* in = source.data + (region.top - source.region.top) * source.row_stride +
                           (region.left - source.region.left) * source.pixel_bytes;
  for (int y = 0; y < region.height; ++y, in += source.row_stride, rgb += row_bytes) {
    if (source.pixel_bytes == 3) {
      std::memcpy(rgb, in, static_cast<std::size_t>(row_bytes));
    } else {
      pack_rgb(in, region.width, rgb);
    }
  }
  return Status::success();
}

Status render_geometry(const Record& record, std::size_t slack, const Geometry& geometry,
                       const Fill& fill, const Output& output, PictureScratch& scratch) {
  SourcePixels source;
  Status status = decode_needed(record, slack, geometry, source, scratch);
  return status.ok() ? render(source, geometry, fill, output, scratch.render) : status;
}

}  // namespace fastload
