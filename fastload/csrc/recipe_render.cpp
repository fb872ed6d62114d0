#include <algorithm>
#include <chrono>
#include <cstring>

#include "color.h"
#include "libjpeg_decode.h"
#include "markers.h"
#include "picture.h"

namespace fastload {
namespace {

// The same region as one byte a pixel.
SourcePixels to_gray(const SourcePixels& source, std::vector<std::uint8_t>& buffer) {
  const Window& region = source.region;
  const std::size_t size =
      static_cast<std::size_t>(region.height) * static_cast<std::size_t>(region.width);
  if (buffer.size() < size) buffer.resize(size);
  std::uint8_t* out = buffer.data();
  for (int y = 0; y < region.height; ++y) {
    to_luma(source.data + y * source.row_stride, source.pixel_bytes, region.width, out);
    out += region.width;
  }
  return {buffer.data(), region.width, 1, region};
}

// Renders in colour first, then turns what is seen gray: for grayscale behind a resize.
Status render_then_gray(const SourcePixels& source, const Geometry& geometry, const Recipe& recipe,
                        const Output& output, PictureScratch& scratch) {
  const Window& window = geometry.window;
  const std::size_t pixels =
      static_cast<std::size_t>(window.height) * static_cast<std::size_t>(window.width);
  std::vector<std::uint8_t>& buffer = scratch.gray;
  if (buffer.size() < 4 * pixels) buffer.resize(4 * pixels);
  std::uint8_t* colors = buffer.data() + pixels;
  const Output rgb{colors, DType::uint8, 3, 1, std::int64_t{3} * window.width, 3, nullptr};
  Status status = render(source, geometry, recipe.fill(), rgb, scratch.render);
  if (!status.ok()) return status;
  for (int y = 0; y < window.height; ++y) {
    const std::ptrdiff_t row = std::ptrdiff_t{y} * window.width;
    to_luma(colors + 3 * row, 3, window.width, buffer.data() + row);
  }
  const Window whole{0, 0, window.height, window.width};
  const SourcePixels gray{buffer.data(), window.width, 1, whole};
  Geometry copy{whole, window.height, window.width, whole};
  return render(gray, copy, Fill{}, output, scratch.render);
}

void erase(const Window& window, const Recipe& recipe, const Output& output) {
  const auto item = static_cast<std::int64_t>(recipe.output().item_bytes());
  auto* base = static_cast<std::uint8_t*>(output.data);
  for (int c = 0; c < output.channels; ++c) {
    const auto& value = recipe.erase_value()[static_cast<std::size_t>(c)];
    for (int y = window.top; y < window.top + window.height; ++y) {
      for (int x = window.left; x < window.left + window.width; ++x) {
        const std::int64_t at =
            c * output.channel_stride + y * output.row_stride + x * output.column_stride;
        std::memcpy(base + item * at, value.data(), static_cast<std::size_t>(item));
      }
    }
  }
}

Status render_placed(const SourcePixels& source, const Placement& placement, const Recipe& recipe,
                     const Output& output, PictureScratch& scratch) {
  const Geometry& geometry = placement.geometry;
  Status status;
  if (!placement.gray) {
    status = render(source, geometry, recipe.fill(), output, scratch.render);
  } else if (source.pixel_bytes > 1 && !recipe.gray_first()) {
    status = render_then_gray(source, geometry, recipe, output, scratch);
  } else {
    const bool convert = source.pixel_bytes > 1 && source.region.height > 0;
    const SourcePixels gray = convert ? to_gray(source, scratch.gray) : source;
    status = render(gray, geometry, recipe.fill(), output, scratch.render);
  }
  if (status.ok() && placement.erase.height > 0) erase(placement.erase, recipe, output);
  return status;
}

std::int64_t nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Status render_record(const Record& record, std::size_t slack, const Recipe& recipe,
                     std::uint64_t seed, std::uint64_t position, const Output& output,
                     PictureScratch& scratch) {
  Placement placement;
  Status status = recipe.place(seed, position, record.height, record.width, placement);
  if (!status.ok()) return status;
  const std::int64_t start = nanoseconds();
  SourcePixels source;
  status = decode_needed(record, slack, placement.geometry, source, scratch);
  if (!status.ok()) return status;
  const std::int64_t decoded = nanoseconds();
  scratch.decode_nanoseconds += decoded - start;
  status = render_placed(source, placement, recipe, output, scratch);
  scratch.render_nanoseconds += nanoseconds() - decoded;
  return status;
}

Status render_pixels(const SourcePixels& pixels, const Recipe& recipe, std::uint64_t seed,
                     std::uint64_t position, const Output& output, PictureScratch& scratch) {
  Placement placement;
  Status status =
      recipe.place(seed, position, pixels.region.height, pixels.region.width, placement);
  return status.ok() ? render_placed(pixels, placement, recipe, output, scratch) : status;
}

Status record_of_file(ByteSpan file, Record& record) {
  JpegHeader header;
  const Status status = parse_header(file, JpegLimits{}.max_pixels, header);
  const bool three =
      header.color_space == ColorSpace::ycbcr || header.color_space == ColorSpace::rgb;
  // A file that is cut short has no end; a region above the cut would not notice.
  if (!status.ok() || header.strays || header.frame.precision != 8 || header.lossless ||
      !(three || header.color_space == ColorSpace::gray) ||
      find_ending(file, header.scan_offset) != Ending::marked) {
    return Status::error(Code::unsupported, "left to Pillow");
  }
  record = Record{};
  record.codec = Codec::jpeg;
  record.height = header.frame.height;
  record.width = header.frame.width;
  record.body = file;
  return Status::success();
}

}  // namespace fastload
