#include "render.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "color.h"
#include "cpu.h"

namespace fastload {
namespace {

template <typename T>
T* grown(std::vector<T>& vector, std::size_t size) {
  if (vector.size() < size) vector.resize(size);
  return vector.data();
}

std::size_t to_size(std::int64_t value) { return static_cast<std::size_t>(value); }

Status check_output(const Output& output, const SourcePixels& source) {
  if (output.data == nullptr) return Status::error(Code::argument, "the output has no memory");
  if (output.table == nullptr && output.dtype != DType::uint8) {
    return Status::error(Code::argument,
                         "expected a table of [channels, 256] values for an output that is not "
                         "uint8, found none");
  }
  if (output.channels != 3 && !(output.channels == 1 && source.pixel_bytes == 1)) {
    return Status::error(Code::argument,
                         "expected 3 output channels, or 1 for a gray source, found " +
                             std::to_string(output.channels));
  }
  return Status::success();
}

Status check_source(const SourcePixels& source, const Window& needed) {
  const int bytes = source.pixel_bytes;
  if (bytes != 1 && bytes != 3 && bytes != 4) {
    return Status::error(Code::argument, "expected a source of 1, 3 or 4 bytes a pixel, found " +
                                             std::to_string(bytes));
  }
  if (needed.height == 0) return Status::success();
  const Window& region = source.region;
  const bool covers =
      region.top <= needed.top && region.left <= needed.left &&
      std::int64_t{region.top} + region.height >= std::int64_t{needed.top} + needed.height &&
      std::int64_t{region.left} + region.width >= std::int64_t{needed.left} + needed.width;
  if (source.data == nullptr || !covers || source.row_stride < std::int64_t{region.width} * bytes) {
    return Status::error(
        Code::argument, "the decoded region (" + std::to_string(region.height) + " x " +
                            std::to_string(region.width) + " at row " + std::to_string(region.top) +
                            ", column " + std::to_string(region.left) + ") does not cover the " +
                            std::to_string(needed.height) + " x " + std::to_string(needed.width) +
                            " pixels needed at row " + std::to_string(needed.top) + ", column " +
                            std::to_string(needed.left));
  }
  return Status::success();
}

// One picture on its way. Rows are counted in the crop (source) and in the resized crop
// (output); byte 0 of every source row is the first needed column's.
class Renderer {
 public:
  Renderer(const SourcePixels& source, const Geometry& geometry, const Fill& fill,
           const Output& output, Scratch& scratch)
      : source_(source),
        geometry_(geometry),
        fill_(fill),
        output_(output),
        scratch_(scratch),
        layout_(make_layout(geometry)) {}

  void run() {
    write_margins();
    if (layout_.rows.size() == 0) return;
    prepare();
    if (layout_.horizontal_pass && layout_.vertical_pass && !layout_.vertical_first) {
      horizontal_then_vertical();
    } else {
      rows_then_columns();
    }
  }

 private:
  void write_margins() {
    PlaneRow margin;
    margin.fill_before = geometry_.window.width;
    const int begin = layout_.rows.begin - geometry_.window.top;
    const int end = begin + layout_.rows.size();
    for (int row = 0; row < geometry_.window.height; ++row) {
      if (layout_.rows.size() > 0 && row >= begin && row < end) {
        row = end - 1;
      } else {
        write_row(output_, flipped_row(row), margin, fill_);
      }
    }
  }

  int flipped_row(int row) const {
    return geometry_.flip_vertical ? geometry_.window.height - 1 - row : row;
  }

  void prepare() {
    bytes_ = source_.pixel_bytes;
    plane_count_ = bytes_ == 1 ? 1 : 3;
    plane_stride_ = padded_width(layout_.columns.size());
    width_bytes_ = layout_.source_columns.size() * bytes_;
    avx2_ = use_avx2();
    avx2_columns_ = avx2_ && bytes_ != 1;
    int reach_bytes = width_bytes_;
    if (layout_.horizontal_pass) {
      compute_taps(geometry_.crop.width, geometry_.resize_width, geometry_.filter, layout_.columns,
                   scratch_.columns);
      if (avx2_columns_) {
        pack_pairs(scratch_.columns, geometry_.flip_horizontal, layout_.source_columns.begin,
                   bytes_, scratch_.column_pairs);
        reach_bytes = std::max(reach_bytes, scratch_.column_pairs.reach_bytes);
      }
    } else if (geometry_.crop.width != geometry_.resize_width) {
      prepare_column_offsets();
    }
    if (layout_.vertical_pass) {
      compute_taps(geometry_.crop.height, geometry_.resize_height, geometry_.filter, layout_.rows,
                   scratch_.rows);
    } else {
      nearest_indices(geometry_.crop.height, geometry_.resize_height, layout_.rows,
                      scratch_.row_indices);
    }
    // Every row, made or copied, can be read this far.
    pass_stride_ = padded_width(reach_bytes);
    copy_tail(pass_stride_);
  }

  void prepare_column_offsets() {
    nearest_indices(geometry_.crop.width, geometry_.resize_width, layout_.columns,
                    scratch_.column_indices);
    std::int32_t* indices = scratch_.column_indices.data();
    const int width = layout_.columns.size();
    for (int x = 0; x < width; ++x) {
      indices[x] = (indices[x] - layout_.source_columns.begin) * bytes_;
    }
    if (geometry_.flip_horizontal) std::reverse(indices, indices + width);
  }

  // Vector loads may reach beyond a row: into the next one, which does no harm, but not
  // beyond the last. The few rows where that could happen are copied to padded memory.
  void copy_tail(int reach_bytes) {
    const Window& region = source_.region;
    first_row_ =
        source_.data +
        (geometry_.crop.top + layout_.source_rows.begin - region.top) * source_.row_stride +
        std::ptrdiff_t{geometry_.crop.left + layout_.source_columns.begin - region.left} * bytes_;
    const std::uint8_t* end = source_.data + (region.height - 1) * source_.row_stride +
                              std::ptrdiff_t{region.width} * bytes_;
    const std::ptrdiff_t room = end - first_row_ - reach_bytes;
    const std::ptrdiff_t safe_rows = room < 0 ? 0 : room / source_.row_stride + 1;
    const int rows = layout_.source_rows.size();
    safe_rows_ = static_cast<int>(std::min<std::ptrdiff_t>(safe_rows, rows));
    std::uint8_t* copy =
        grown(scratch_.tail_rows, to_size(rows - safe_rows_) * to_size(reach_bytes));
    for (int row = safe_rows_; row < rows; ++row, copy += reach_bytes) {
      std::memcpy(copy, first_row_ + row * source_.row_stride, to_size(width_bytes_));
    }
  }

  // `row` is counted in the crop.
  const std::uint8_t* source_row(int row) const {
    const int index = row - layout_.source_rows.begin;
    if (index < safe_rows_) return first_row_ + index * source_.row_stride;
    return scratch_.tail_rows.data() +
           std::ptrdiff_t{index - safe_rows_} * std::ptrdiff_t{pass_stride_};
  }

  void vertical(const std::uint8_t* const* rows, int index, int width_bytes,
                std::uint8_t* out) const {
    const Taps& taps = scratch_.rows;
    const std::int32_t* weights =
        taps.weights.data() + std::ptrdiff_t{index} * std::ptrdiff_t{taps.stride};
    const int count = taps.counts[to_size(index)];
    if (avx2_) {
      vertical_avx2(rows, weights, count, width_bytes, out);
    } else {
      vertical_portable(rows, weights, count, width_bytes, out);
    }
  }

  // Interleaved rows -> planes of the window's columns, flipped where asked for.
  void make_planes(const std::uint8_t* const* rows, std::uint8_t* const* planes, int count) {
    if (layout_.horizontal_pass && avx2_columns_) {
      return horizontal_avx2(scratch_.column_pairs, rows, bytes_, planes, plane_stride_);
    }
    for (int i = 0; i < count; ++i) {
      if (layout_.horizontal_pass) {
        horizontal_portable(scratch_.columns, geometry_.flip_horizontal,
                            layout_.source_columns.begin, rows[i], bytes_, planes[i],
                            plane_stride_);
      } else if (geometry_.crop.width != geometry_.resize_width) {
        pick_columns(rows[i], planes[i]);
      } else {
        split_pixels(rows[i], bytes_, layout_.columns.size(), geometry_.flip_horizontal, planes[i],
                     plane_stride_);
      }
    }
  }

  void pick_columns(const std::uint8_t* row, std::uint8_t* planes) const {
    const std::int32_t* offsets = scratch_.column_indices.data();
    const int width = layout_.columns.size();
    for (int c = 0; c < plane_count_; ++c, planes += plane_stride_) {
      for (int x = 0; x < width; ++x) planes[x] = row[offsets[x] + c];
    }
  }

  // `index` counts the window's rows that lie on the resized crop.
  void write_planes(const std::uint8_t* planes, int index) const {
    PlaneRow row;
    for (int c = 0; c < 3; ++c) {
      row.planes[c] = planes + (c < plane_count_ ? c * plane_stride_ : 0);
    }
    row.width = layout_.columns.size();
    row.fill_before = layout_.columns.begin - geometry_.window.left;
    row.fill_after = geometry_.window.width - row.fill_before - row.width;
    if (geometry_.flip_horizontal) std::swap(row.fill_before, row.fill_after);
    write_row(output_, flipped_row(layout_.rows.begin - geometry_.window.top + index), row, fill_);
  }

  // The vertical pass, a choice of rows or nothing; then the same for columns.
  void rows_then_columns() {
    const int planes_bytes = plane_count_ * plane_stride_;
    std::uint8_t* planes_memory =
        grown(scratch_.planes, to_size(kRowsAtOnce) * to_size(planes_bytes));
    std::uint8_t* pass_memory =
        grown(scratch_.pass_rows, to_size(kRowsAtOnce) * to_size(pass_stride_));
    const int height = layout_.rows.size();
    for (int index = 0; index < height; index += kRowsAtOnce) {
      const int count = std::min(kRowsAtOnce, height - index);
      const std::uint8_t* rows[kRowsAtOnce];
      std::uint8_t* planes[kRowsAtOnce];
      for (int i = 0; i < kRowsAtOnce; ++i) {
        planes[i] = planes_memory + std::ptrdiff_t{i} * planes_bytes;
        if (i >= count) {
          rows[i] = rows[count - 1];
        } else if (layout_.vertical_pass) {
          std::uint8_t* pass_row = pass_memory + std::ptrdiff_t{i} * pass_stride_;
          vertical(source_rows_of(index + i), index + i, width_bytes_, pass_row);
          rows[i] = pass_row;
        } else {
          rows[i] = source_row(scratch_.row_indices[to_size(index + i)]);
        }
      }
      make_planes(rows, planes, count);
      for (int i = 0; i < count; ++i) write_planes(planes[i], index + i);
    }
  }

  const std::uint8_t* const* source_rows_of(int index) {
    const int count = scratch_.rows.counts[to_size(index)];
    const int start = scratch_.rows.starts[to_size(index)];
    const std::uint8_t** rows = grown(scratch_.row_pointers, to_size(count));
    for (int t = 0; t < count; ++t) rows[t] = source_row(start + t);
    return rows;
  }

  // Rows pass through a ring that holds no more than the vertical filter spans, so that
  // what the first pass makes is still in the cache for the second.
  void horizontal_then_vertical() {
    const Taps& taps = scratch_.rows;
    const int planes_bytes = plane_count_ * plane_stride_;
    const int ring_rows = (taps.max_count + 2 * kRowsAtOnce - 1) / kRowsAtOnce * kRowsAtOnce;
    std::uint8_t* ring = grown(scratch_.planes, to_size(ring_rows + 1) * to_size(planes_bytes));
    std::uint8_t* result = ring + std::ptrdiff_t{ring_rows} * planes_bytes;
    const std::uint8_t** pointers = grown(scratch_.row_pointers, to_size(taps.max_count));
    const int begin = layout_.source_rows.begin;
    const auto slot = [&](int row) {
      return ring + std::ptrdiff_t{(row - begin) % ring_rows} * planes_bytes;
    };
    int made = begin;
    for (int index = 0; index < layout_.rows.size(); ++index) {
      const int start = taps.starts[to_size(index)];
      const int count = taps.counts[to_size(index)];
      for (; made < start + count; made += kRowsAtOnce) {
        const std::uint8_t* rows[kRowsAtOnce];
        std::uint8_t* planes[kRowsAtOnce];
        for (int i = 0; i < kRowsAtOnce; ++i) {
          rows[i] = source_row(std::min(made + i, layout_.source_rows.end - 1));
          planes[i] = slot(made + i);
        }
        make_planes(rows, planes, kRowsAtOnce);
      }
      for (int t = 0; t < count; ++t) pointers[t] = slot(start + t);
      vertical(pointers, index, planes_bytes, result);
      write_planes(result, index);
    }
  }

  const SourcePixels& source_;
  const Geometry& geometry_;
  const Fill& fill_;
  const Output& output_;
  Scratch& scratch_;
  const Layout layout_;
  int bytes_ = 0;
  int plane_count_ = 0;
  int plane_stride_ = 0;
  int width_bytes_ = 0;
  int pass_stride_ = 0;
  bool avx2_ = false;
  bool avx2_columns_ = false;
  const std::uint8_t* first_row_ = nullptr;
  int safe_rows_ = 0;
};

}  // namespace

Status render(const SourcePixels& source, const Geometry& geometry, const Fill& fill,
              const Output& output, Scratch& scratch) {
  Status status = check_geometry(geometry);
  if (status.ok()) status = check_source(source, needed_source(geometry));
  if (status.ok()) status = check_output(output, source);
  if (!status.ok()) return status;
  try {
    Renderer(source, geometry, fill, output, scratch).run();
  } catch (const std::bad_alloc&) {
    return Status::error(Code::memory, "not enough memory to resample a picture of " +
                                           std::to_string(geometry.crop.height) + " x " +
                                           std::to_string(geometry.crop.width) + " pixels");
  }
  return Status::success();
}

}  // namespace fastload
