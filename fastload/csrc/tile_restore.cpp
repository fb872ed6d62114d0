#include <algorithm>

#include "markers.h"
#include "scan.h"
#include "tile_head.h"
#include "tile_transcode.h"
#include "transcode.h"

namespace fastload {
namespace {

// Appends a stretch of entropy-coded data, with a zero byte behind every 0xFF.
void append_stuffed(std::vector<std::uint8_t>& file, ByteSpan plain) {
  while (plain.size > 0) {
    const auto* ff = static_cast<const std::uint8_t*>(std::memchr(plain.data, 0xFF, plain.size));
    const std::uint8_t* stop = ff != nullptr ? ff + 1 : plain.end();
    file.insert(file.end(), plain.data, stop);
    if (ff != nullptr) file.push_back(0);
    plain = plain.from(static_cast<std::size_t>(stop - plain.data));
  }
}

}  // namespace

Status untile(ByteSpan head_bytes, ByteSpan entropy, ByteSpan source_header,
              ByteSpan source_trailer, std::vector<std::uint8_t>& file) {
  const auto damaged = [](const std::string& what) {
    return Status::error(Code::record, "a tiled record cannot be restored: " + what);
  };
  JpegHeader header;
  Status status = parse_header(source_header, ~std::uint64_t{0}, header);
  if (!status.ok()) return damaged(status.message);
  if (header.scan_offset != source_header.size) return damaged("its source header is too long");
  normalize_lone_component(header.frame);
  TileHead head;
  status = parse_tile_head(head_bytes, header.frame.width, header.frame.height, head);
  if (!status.ok()) return status;
  if (head.entropy_size != entropy.size) return damaged("its entropy data has another size");
  const Frame& frame = header.frame;
  if (frame.component_count != head.frame.component_count) return damaged("its components differ");
  for (int c = 0; c < frame.component_count; ++c) {
    if (frame.at(c).h != head.frame.at(c).h || frame.at(c).v != head.frame.at(c).v) {
      return damaged("its sampling factors differ");
    }
  }
  if (!tables_are_sound(head.frame, head.tables) || !tables_are_sound(frame, header.tables)) {
    return damaged("a Huffman table is missing or unsound");
  }
  const Transcoder transcoder(head.frame, head.tables, frame, header.tables);

  file.assign(source_header.data, source_header.end());
  file.reserve(source_header.size + entropy.size + entropy.size / 8 + source_trailer.size);
  std::vector<std::uint8_t> stretch(entropy.size);  // mostly enough
  BitWriter writer(stretch);
  const auto end_stretch = [&] {
    const std::size_t size = writer.flush();
    append_stuffed(file, {stretch.data(), size});
    writer.restart();
  };
  Predictions source_dc{};  // of the tiles that are read
  Predictions file_dc{};    // of the file that is written
  std::vector<std::uint8_t> last_tile;
  std::size_t mcu_index = 0;
  const auto interval = static_cast<std::size_t>(header.restart_interval);
  for (int row = 0; row < head.tile_rows; ++row) {
    TileRow tiles(head, row, 0);
    for (int column = 0; column < frame.mcu_columns(); column += head.tile_mcus) {
      const TileRow::Extent extent = tiles.next();
      ByteSpan tile = entropy.slice(extent.offset, extent.size);
      if (extent.offset + extent.size + BitReader::slack_bytes > entropy.size) {
        last_tile.assign(tile.data, tile.end());
        last_tile.resize(extent.size + BitReader::slack_bytes);
        tile = {last_tile.data(), extent.size};
      }
      BitReader reader(tile);
      source_dc = {};
      const int end = std::min(column + head.tile_mcus, frame.mcu_columns());
      for (int mcu = column; mcu < end; ++mcu, ++mcu_index) {
        if (interval != 0 && mcu_index != 0 && mcu_index % interval == 0) {
          end_stretch();
          file.push_back(0xFF);
          file.push_back(static_cast<std::uint8_t>(0xD0 + (mcu_index / interval - 1) % 8));
          file_dc = {};
        }
        BitCursor out = writer.open(transcoder.max_mcu_bits());
        if (!transcoder.mcu(reader, out, source_dc, file_dc)) return damaged("a tile's data");
        writer.close(out);
      }
      if (reader.overrun()) return damaged("a tile's data");
    }
  }
  end_stretch();
  file.insert(file.end(), source_trailer.data, source_trailer.end());
  return Status::success();
}

}  // namespace fastload
