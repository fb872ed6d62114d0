#include "tile_decode.h"

#include <algorithm>
#include <cstring>

#include "block.h"
#include "color.h"
#include "cpu.h"
#include "idct.h"

namespace fastload {
namespace {

constexpr std::size_t reader_slack = 8;  // see BitReader

struct McuRange {
  int begin = 0;
  int end = 0;
};

// The MCUs that pixels [begin, end) and one more on each side stand in.
McuRange mcus_of(int begin, int end, int limit, int mcu_size) {
  return {std::max(begin - 1, 0) / mcu_size, (std::min(end + 1, limit) - 1) / mcu_size + 1};
}

class Decoder {
 public:
  Decoder(const TileHead& head, ByteSpan entropy, std::size_t slack, TileScratch& scratch)
      : head_(head),
        frame_(head.frame),
        entropy_(entropy),
        slack_(slack),
        scratch_(scratch),
        kernels_(use_avx2() ? block_kernels_avx2() : block_kernels_portable()) {}

  Status run(const Window& region, std::uint8_t* rgbx, std::ptrdiff_t stride) {
    build_decoders();
    rows_ = mcus_of(region.top, region.top + region.height, frame_.height, frame_.mcu_height());
    columns_ = mcus_of(region.left, region.left + region.width, frame_.width, frame_.mcu_width());
    for (int c = 0; c < frame_.component_count; ++c) place_plane(c);
    for (int row = rows_.begin; row < rows_.end; ++row) {
      if (!tile_row(row)) {
        return Status::error(
            Code::record, "the data of a tile in MCU row " + std::to_string(row) + " is damaged");
      }
    }
    for (int y = 0; y < region.height; ++y) pixel_row(region, y, rgbx + y * stride);
    return Status::success();
  }

 private:
  void build_decoders() {
    std::array<bool, 4> dc_built{};
    std::array<bool, 4> ac_built{};
    for (int c = 0; c < frame_.component_count; ++c) {
      const auto d = static_cast<std::size_t>(frame_.at(c).dc);
      const auto a = static_cast<std::size_t>(frame_.at(c).ac);
      if (!dc_built[d]) scratch_.dc[d].build(head_.tables.dc[d]);
      if (!ac_built[a]) scratch_.ac[a].build(head_.tables.ac[a]);
      dc_built[d] = ac_built[a] = true;
    }
  }

  void place_plane(int c) {
    const Component& component = frame_.at(c);
    ComponentPlane& plane = planes_[static_cast<std::size_t>(c)];
    plane.top = rows_.begin * 8 * component.v;
    plane.left = columns_.begin * 8 * component.h;
    plane.height = (rows_.end - rows_.begin) * 8 * component.v;
    plane.width = (columns_.end - columns_.begin) * 8 * component.h;
    plane.full_height = frame_.component_height(c);
    plane.full_width = frame_.component_width(c);
    plane.h_ratio = frame_.max_h / component.h;
    plane.v_ratio = frame_.max_v / component.v;
    plane.stride = plane.width;
    auto& samples = scratch_.samples[static_cast<std::size_t>(c)];
    const std::size_t size =
        static_cast<std::size_t>(plane.height) * static_cast<std::size_t>(plane.width);
    if (samples.size() < size) samples.resize(size);
    plane.data = samples.data();
  }

  bool tile_row(int row) {
    const int first = columns_.begin / head_.tile_mcus;
    const int last = (columns_.end - 1) / head_.tile_mcus;
    TileRow tiles(head_, row, first);
    for (int column = first; column <= last; ++column) {
      if (!tile(row, column * head_.tile_mcus, tiles.next())) return false;
    }
    return true;
  }

  ByteSpan with_slack(TileRow::Extent extent) {
    if (extent.offset + extent.size + reader_slack <= entropy_.size + slack_) {
      return entropy_.slice(extent.offset, extent.size);
    }
    scratch_.tile.assign(entropy_.data + extent.offset,
                         entropy_.data + extent.offset + extent.size);
    scratch_.tile.resize(extent.size + reader_slack);
    return {scratch_.tile.data(), extent.size};
  }

  bool tile(int row, int first_mcu, TileRow::Extent extent) {
    BitReader reader(with_slack(extent));
    std::array<int, 4> predictions{};
    const int end = std::min(first_mcu + head_.tile_mcus, columns_.end);
    for (int mcu = first_mcu; mcu < end; ++mcu) {
      const bool wanted = mcu >= columns_.begin;
      for (int c = 0; c < frame_.component_count; ++c) {
        if (!component_blocks(reader, c, predictions[static_cast<std::size_t>(c)], row, mcu,
                              wanted)) {
          return false;
        }
      }
    }
    return !reader.overrun();
  }

  bool component_blocks(BitReader& reader, int c, int& prediction, int row, int mcu, bool wanted) {
    const Component& component = frame_.at(c);
    const ComponentPlane& plane = planes_[static_cast<std::size_t>(c)];
    const HuffmanDecoder& dc = scratch_.dc[static_cast<std::size_t>(component.dc)];
    const AcDecoder& ac = scratch_.ac[static_cast<std::size_t>(component.ac)];
    const auto& quant = head_.tables.quant[static_cast<std::size_t>(component.quant)].zigzag;
    const int x0 = (mcu - columns_.begin) * 8 * component.h;
    const int y0 = (row - rows_.begin) * 8 * component.v;
    for (int by = 0; by < component.v; ++by) {
      for (int bx = 0; bx < component.h; ++bx) {
        const int last = kernels_.read(reader, dc, ac, quant, prediction, block_);
        if (last < 0) return false;
        if (wanted) {
          std::uint8_t* out = plane.data + (y0 + 8 * by) * plane.stride + x0 + 8 * bx;
          if (last == 0) {
            idct_flat(block_[0], out, plane.stride);
          } else if (last <= last_of_quarter) {
            kernels_.idct_quarter(block_, out, plane.stride);
          } else {
            kernels_.idct(block_, out, plane.stride);
          }
        }
        if (last > 0) std::memset(block_, 0, sizeof block_);
      }
    }
    return true;
  }

  void pixel_row(const Window& region, int y, std::uint8_t* out) {
    const std::uint8_t* rows[3];
    for (std::size_t c = 0; c < static_cast<std::size_t>(frame_.component_count); ++c) {
      rows[c] = upsampled_row(planes_[c], region.top + y, region.left, region.width,
                              scratch_.upsample[c]);
    }
    if (frame_.component_count == 1) {
      interleave_rgbx(rows[0], rows[0], rows[0], region.width, out);
    } else if (head_.color_space == ColorSpace::rgb) {
      interleave_rgbx(rows[0], rows[1], rows[2], region.width, out);
    } else {
      ycbcr_to_rgbx(rows[0], rows[1], rows[2], region.width, out);
    }
  }

  const TileHead& head_;
  const Frame& frame_;
  ByteSpan entropy_;
  std::size_t slack_;
  TileScratch& scratch_;
  const BlockKernels& kernels_;
  McuRange rows_;
  McuRange columns_;
  std::array<ComponentPlane, 3> planes_{};
  alignas(32) std::int16_t block_[64] = {};
};

}  // namespace

Status decode_tiles(const TileHead& head, ByteSpan entropy, std::size_t slack, const Window& region,
                    std::uint8_t* rgbx, std::ptrdiff_t stride, TileScratch& scratch) {
  return Decoder(head, entropy, slack, scratch).run(region, rgbx, stride);
}

}  // namespace fastload
