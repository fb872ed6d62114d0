#include "tile_transcode.h"

#include <algorithm>
#include <utility>

#include "scan.h"
#include "tile_head.h"
#include "tile_survey.h"
#include "transcode.h"

namespace fastload {
namespace {

Status refuse(std::string why) { return Status::error(Code::not_tileable, std::move(why)); }

Status write_tiles(const WholeScan& source, const TileHead& head,
                   std::vector<std::uint8_t>& entropy, std::vector<std::uint16_t>& lengths) {
  const Frame& frame = head.frame;
  const Transcoder transcoder(frame, source.header.tables, frame, head.tables);
  entropy.resize(source.scan.size() + source.scan.size() / 16);  // mostly enough
  BitWriter writer(entropy);
  StretchReader reader(source);
  Predictions source_dc{};
  Predictions tile_dc{};
  std::size_t tile_start = 0;
  const int padded_columns = head.tile_columns * head.tile_mcus;
  bool restarted = false;
  for (int row = 0; row < frame.mcu_rows(); ++row) {
    for (int column = 0; column < padded_columns; ++column) {
      if (column % head.tile_mcus == 0) tile_dc = {};
      const bool flat = column >= frame.mcu_columns();
      if (!flat && !reader.advance(restarted)) {
        return refuse("a restart interval does not end clean");
      }
      if (!flat && restarted) source_dc = {};
      BitCursor out = writer.open(transcoder.max_mcu_bits());
      if (flat) {
        transcoder.flat_mcu(out);
      } else if (!transcoder.mcu(reader.bits(), out, source_dc, tile_dc)) {
        return refuse("damaged entropy-coded data");
      }
      writer.close(out);
      if ((column + 1) % head.tile_mcus == 0) {
        const std::size_t end = writer.flush();
        if (end - tile_start > 0xFFFF || end > 0xFFFFFFFFu) return refuse("a tile of 64 KiB");
        lengths.push_back(static_cast<std::uint16_t>(end - tile_start));
        tile_start = end;
      }
    }
  }
  entropy.resize(tile_start);
  return Status::success();
}

}  // namespace

Status tile(ByteSpan file, int tile_width, std::uint64_t max_pixels, TiledJpeg& tiled) {
  if (tile_width < 8 || tile_width > 4096) {
    return Status::error(
        Code::argument, "tile_width has to be 8 to 4096 pixels, not " + std::to_string(tile_width));
  }
  WholeScan source;
  if (Status status = read_whole_scan(file, max_pixels, source); !status.ok()) return status;
  if (source.header.frame.width < 2 * tile_width) return refuse("narrower than two tiles");

  TileHead head;
  head.frame = source.header.frame;
  head.color_space = source.header.color_space;
  head.tile_mcus = std::max(1, tile_width / head.frame.mcu_width());
  head.tile_columns = divide_up(head.frame.mcu_columns(), head.tile_mcus);
  head.tile_rows = head.frame.mcu_rows();
  SymbolCounts counts;
  if (Status status = survey(source, head.tile_mcus, counts); !status.ok()) return status;
  for (int c = 0; c < head.frame.component_count; ++c) {
    const Component& component = head.frame.at(c);
    const auto q = static_cast<std::size_t>(component.quant);
    const auto d = static_cast<std::size_t>(component.dc);
    const auto a = static_cast<std::size_t>(component.ac);
    head.tables.quant[q] = source.header.tables.quant[q];
    if (!head.tables.dc[d].defined()) head.tables.dc[d] = optimal_spec(counts.dc[d]);
    if (!head.tables.ac[a].defined()) head.tables.ac[a] = optimal_spec(counts.ac[a]);
  }

  std::vector<std::uint16_t> lengths;
  Status written = write_tiles(source, head, tiled.entropy, lengths);
  if (!written.ok()) return written;
  head.entropy_size = static_cast<std::uint32_t>(tiled.entropy.size());
  tiled.head = serialize(head, lengths);
  tiled.source_header = file.slice(0, source.header.scan_offset);
  tiled.source_trailer = file.from(source.scan.end_offset);

  std::vector<std::uint8_t> restored;
  const ByteSpan head_bytes{tiled.head.data(), tiled.head.size()};
  const ByteSpan entropy{tiled.entropy.data(), tiled.entropy.size()};
  Status status = untile(head_bytes, entropy, tiled.source_header, tiled.source_trailer, restored);
  if (!status.ok()) return refuse("it could not be restored: " + status.message);
  if (restored.size() != file.size || std::memcmp(restored.data(), file.data, file.size) != 0) {
    return refuse("its entropy-coded data is not what the standard writes");
  }
  return Status::success();
}

}  // namespace fastload
