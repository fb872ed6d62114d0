#include "scan.h"

#include <algorithm>

namespace fastload {
namespace {

Status refuse(const char* why) { return Status::error(Code::not_tileable, why); }

// libjpeg-turbo, and Pillow with it, takes no larger side (JPEG_MAX_DIMENSION).
constexpr int max_side = 65500;

Status check_header(const JpegHeader& header) {
  const Frame& frame = header.frame;
  if (!header.baseline) return refuse("not a baseline JPEG of 8 bits");
  if (!header.whole_scan) return refuse("more than one scan");
  if (header.tables_redefined) return refuse("a table is defined twice");
  if (header.strays) return refuse("something other than segments stands before the scan");
  if (header.foreign_segments) return refuse("a segment that baseline JPEG does not have");
  const bool known_color = header.color_space == ColorSpace::gray ||
                           header.color_space == ColorSpace::ycbcr ||
                           header.color_space == ColorSpace::rgb;
  if (!known_color) return refuse("neither gray nor of three colours");
  if (frame.width > max_side || frame.height > max_side) return refuse("larger than libjpeg takes");
  if (frame.blocks_per_mcu() > 10) return refuse("more than 10 blocks an MCU");
  for (int c = 0; c < frame.component_count; ++c) {
    const Component& component = frame.at(c);
    if (frame.max_h % component.h != 0 || frame.max_v % component.v != 0) {
      return refuse("sampling factors that do not divide each other");
    }
    if (component.quant > 3 ||
        !header.tables.quant[static_cast<std::size_t>(component.quant)].defined) {
      return refuse("a quantization table is missing");
    }
  }
  if (!tables_are_sound(frame, header.tables)) {
    return refuse("a Huffman table is missing or unsound");
  }
  return Status::success();
}

}  // namespace

Status read_plain_scan(ByteSpan file, std::size_t scan_offset, std::size_t stretches,
                       PlainScan& scan) {
  scan.bytes.reset(new std::uint8_t[file.size - scan_offset + BitReader::slack_bytes]);
  scan.starts.assign(1, 0);
  const std::uint8_t* next = file.data + scan_offset;
  std::uint8_t* out = scan.bytes.get();
  const auto written = [&] { return static_cast<std::size_t>(out - scan.bytes.get()); };
  for (;;) {
    const auto left = static_cast<std::size_t>(file.end() - next);
    const auto* ff =
        static_cast<const std::uint8_t*>(left ? std::memchr(next, 0xFF, left) : nullptr);
    const std::uint8_t* stop = ff != nullptr ? ff : file.end();
    const auto length = static_cast<std::size_t>(stop - next);
    std::memcpy(out, next, length);
    out += length;
    next = stop;
    if (file.end() - next < 2) {
      next = file.end();
      break;  // cut short; whether a picture is lacking is for the reader of blocks to say
    }
    const int code = next[1];
    if (code == 0) {
      *out++ = 0xFF;
    } else if (code >= 0xD0 && code <= 0xD7) {
      const std::size_t expected = (scan.starts.size() - 1) % 8;
      if (static_cast<std::size_t>(code - 0xD0) != expected || scan.starts.size() == stretches) {
        return refuse("restart markers that are out of turn");
      }
      scan.starts.push_back(written());
    } else {
      break;
    }
    next += 2;
  }
  scan.starts.push_back(written());
  scan.end_offset = static_cast<std::size_t>(next - file.data);
  std::memset(out, 0, BitReader::slack_bytes);
  if (scan.starts.size() != stretches + 1) return refuse("restart markers are missing");
  return Status::success();
}

bool tables_are_sound(const Frame& frame, const JpegTables& tables) {
  for (int c = 0; c < frame.component_count; ++c) {
    const auto d = static_cast<std::size_t>(frame.at(c).dc);
    const auto a = static_cast<std::size_t>(frame.at(c).ac);
    if (d > 3 || a > 3 || !validate(tables.dc[d]).ok() || !validate(tables.ac[a]).ok()) {
      return false;
    }
    const auto* dc_symbols = tables.dc[d].symbols.data();
    const int dc_count = tables.dc[d].symbol_count;
    if (std::any_of(dc_symbols, dc_symbols + dc_count, [](int size) { return size > 15; })) {
      return false;
    }
  }
  return true;
}

Status read_whole_scan(ByteSpan file, std::uint64_t max_pixels, WholeScan& whole) {
  JpegHeader& header = whole.header;
  if (Status status = parse_header(file, max_pixels, header); !status.ok()) return status;
  normalize_lone_component(header.frame);
  if (Status status = check_header(header); !status.ok()) return status;
  const auto mcus = static_cast<std::size_t>(header.frame.mcu_columns()) *
                    static_cast<std::size_t>(header.frame.mcu_rows());
  const auto interval = static_cast<std::size_t>(header.restart_interval);
  whole.mcus_per_stretch = interval == 0 ? mcus : interval;
  const std::size_t stretches = (mcus + whole.mcus_per_stretch - 1) / whole.mcus_per_stretch;
  Status status = read_plain_scan(file, header.scan_offset, stretches, whole.scan);
  if (!status.ok()) return status;
  const ByteSpan trailer = file.from(whole.scan.end_offset);
  const auto* marker =
      std::find_if(trailer.data, trailer.end(), [](std::uint8_t byte) { return byte != 0xFF; });
  if (trailer.size == 0) return refuse("its end is missing");  // which Pillow refuses
  if (marker == trailer.data || marker == trailer.end() || *marker != 0xD9) {
    return refuse("something other than the end follows the scan");
  }
  return Status::success();
}

bool ends_clean(BitReader& reader) {
  const std::int64_t left = reader.bits_left();
  if (left < 0 || left > 7) return false;
  if (left == 0) return true;
  reader.refill();
  return reader.peek(static_cast<int>(left)) == (1u << left) - 1;
}

}  // namespace fastload
