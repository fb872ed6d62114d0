#include "layout.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace fastload {
namespace {

Span clip(int begin, int size, int limit) {
  const std::int64_t end = static_cast<std::int64_t>(begin) + size;
  const Span span = {std::max(begin, 0), static_cast<int>(std::min<std::int64_t>(end, limit))};
  return span.end > span.begin ? span : Span{0, 0};
}

Span source_span(int input_size, int output_size, Filter filter, Span outputs) {
  if (input_size == output_size) return outputs;
  return needed_span(input_size, output_size, filter, outputs);
}

// The rules look at the whole crop and the whole resize, whatever the window is.
bool runs_vertical_first(const Geometry& geometry) {
  const std::int64_t height = geometry.crop.height;
  const std::int64_t width = geometry.crop.width;
  const std::int64_t rows_less = height - geometry.resize_height;
  const std::int64_t columns_less = width - geometry.resize_width;
  switch (geometry.order) {
    case PassOrder::horizontal_first:
      return false;
    case PassOrder::cheaper_first:
      return rows_less > 0 && rows_less > columns_less * 2;
    case PassOrder::horizontal_first_unless_tall:
      return rows_less > 0 && height > width * 100;
  }
  return false;
}

std::string size_text(int height, int width) {
  return std::to_string(height) + " x " + std::to_string(width);
}

Status check_size(const char* what, int height, int width) {
  if (height >= 1 && width >= 1 && height <= kMaxSide && width <= kMaxSide) {
    return Status::success();
  }
  return Status::error(Code::argument, std::string("expected a ") + what + " of 1 to " +
                                           std::to_string(kMaxSide) + " pixels a side, found " +
                                           size_text(height, width) + " (height x width)");
}

}  // namespace

Status check_geometry(const Geometry& geometry) {
  Status status = check_size("crop", geometry.crop.height, geometry.crop.width);
  if (status.ok()) {
    status = check_size("resize", geometry.resize_height, geometry.resize_width);
  }
  if (status.ok()) status = check_size("window", geometry.window.height, geometry.window.width);
  if (!status.ok()) return status;
  constexpr int kFarthest = 1 << 30;
  if (geometry.crop.top < 0 || geometry.crop.left < 0 || geometry.crop.top > kFarthest ||
      geometry.crop.left > kFarthest) {
    return Status::error(Code::argument, "expected a crop inside the picture, found its top at " +
                                             std::to_string(geometry.crop.top) +
                                             " and its left at " +
                                             std::to_string(geometry.crop.left));
  }
  if (geometry.filter > Filter::hamming) {
    return Status::error(Code::argument, "expected a filter of 0 to 5 (Pillow's numbers), found " +
                                             std::to_string(static_cast<int>(geometry.filter)));
  }
  if (geometry.order > PassOrder::horizontal_first_unless_tall) {
    return Status::error(Code::argument, "expected a pass order of 0 to 2, found " +
                                             std::to_string(static_cast<int>(geometry.order)));
  }
  return status;
}

Layout make_layout(const Geometry& geometry) {
  const Window& crop = geometry.crop;
  const Window& window = geometry.window;
  Layout layout;
  layout.rows = clip(window.top, window.height, geometry.resize_height);
  layout.columns = clip(window.left, window.width, geometry.resize_width);
  if (layout.rows.size() == 0 || layout.columns.size() == 0) {
    layout.rows = layout.columns = {0, 0};
    return layout;
  }
  layout.source_rows =
      source_span(crop.height, geometry.resize_height, geometry.filter, layout.rows);
  layout.source_columns =
      source_span(crop.width, geometry.resize_width, geometry.filter, layout.columns);
  if (geometry.filter != Filter::nearest) {
    layout.horizontal_pass = crop.width != geometry.resize_width;
    layout.vertical_pass = crop.height != geometry.resize_height;
    layout.vertical_first =
        layout.horizontal_pass && layout.vertical_pass && runs_vertical_first(geometry);
  }
  return layout;
}

Window needed_source(const Geometry& geometry) {
  const Layout layout = make_layout(geometry);
  return {geometry.crop.top + layout.source_rows.begin,
          geometry.crop.left + layout.source_columns.begin, layout.source_rows.size(),
          layout.source_columns.size()};
}

}  // namespace fastload
