#include "scan.h"

#include <algorithm>

namespace fastload {

Status read_plain_scan(ByteSpan file, std::size_t scan_offset, std::size_t stretches,
                       PlainScan& scan) {
  scan.bytes.resize(file.size - scan_offset + 8);
  scan.starts.assign(1, 0);
  const std::uint8_t* next = file.data + scan_offset;
  std::uint8_t* out = scan.bytes.data();
  const auto written = [&] { return static_cast<std::size_t>(out - scan.bytes.data()); };
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
        return Status::error(Code::not_tileable, "restart markers that are out of turn");
      }
      scan.starts.push_back(written());
    } else {
      break;
    }
    next += 2;
  }
  scan.starts.push_back(written());
  scan.end_offset = static_cast<std::size_t>(next - file.data);
  std::memset(out, 0, static_cast<std::size_t>(scan.bytes.data() + scan.bytes.size() - out));
  if (scan.starts.size() != stretches + 1) {
    return Status::error(Code::not_tileable, "restart markers are missing");
  }
  return Status::success();
}

bool ScanDecoders::build(const Frame& frame, const JpegTables& tables) {
  std::array<bool, 4> dc_built{};
  std::array<bool, 4> ac_built{};
  for (int c = 0; c < frame.component_count; ++c) {
    const auto d = static_cast<std::size_t>(frame.at(c).dc);
    const auto a = static_cast<std::size_t>(frame.at(c).ac);
    if (d > 3 || a > 3 || !validate(tables.dc[d]).ok() || !validate(tables.ac[a]).ok())
      return false;
    const auto* dc_symbols = tables.dc[d].symbols.data();
    const int dc_count = tables.dc[d].symbol_count;
    if (std::any_of(dc_symbols, dc_symbols + dc_count, [](int size) { return size > 15; })) {
      return false;
    }
    if (!dc_built[d]) dc[d].build(tables.dc[d]);
    if (!ac_built[a]) ac[a].build(tables.ac[a]);
    dc_built[d] = ac_built[a] = true;
  }
  return true;
}

bool ends_clean(BitReader& reader) {
  const std::int64_t left = reader.bits_left();
  if (left < 0 || left > 7) return false;
  if (left == 0) return true;
  reader.refill();
  return reader.peek(static_cast<int>(left)) == (1u << left) - 1;
}

}  // namespace fastload
