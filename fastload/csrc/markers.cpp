#include "markers.h"

#include <algorithm>

#include "exif.h"

namespace fastload {

const std::array<std::uint8_t, 64> natural_order = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

namespace {

Status damaged(const std::string& what) {
  return Status::error(Code::decode, "damaged JPEG header: " + what);
}

struct Walk {
  ByteSpan file;
  std::uint64_t max_pixels;
  JpegHeader& header;
  bool saw_frame = false;
  bool saw_jfif = false;
  int adobe_transform = -1;  // -1: no Adobe marker

  Status quantization(ByteSpan body) {
    while (body.size > 0) {
      const int precision = body.data[0] >> 4;
      const int id = body.data[0] & 15;
      const std::size_t size = 1 + 64 * (precision == 0 ? std::size_t{1} : std::size_t{2});
      if (precision > 1 || id > 3 || body.size < size) return damaged("a quantization table");
      QuantTable& table = header.tables.quant[static_cast<std::size_t>(id)];
      header.tables_redefined |= table.defined;
      table.defined = true;
      for (std::size_t k = 0; k < 64; ++k) {
        table.zigzag[k] = precision == 0 ? body.data[1 + k] : load_be16(body.data + 1 + 2 * k);
      }
      body = body.from(size);
    }
    return Status::success();
  }

  Status huffman(ByteSpan body) {
    while (body.size > 0) {
      const int kind = body.data[0] >> 4;
      const int id = body.data[0] & 15;
      if (kind > 1 || id > 3 || body.size < 17) return damaged("a Huffman table");
      auto& specs = kind == 0 ? header.tables.dc : header.tables.ac;
      HuffmanSpec& spec = specs[static_cast<std::size_t>(id)];
      header.tables_redefined |= spec.defined();
      spec = HuffmanSpec{};
      std::copy_n(body.data + 1, 16, spec.counts.begin());
      for (const std::uint8_t count : spec.counts) spec.symbol_count += count;
      if (spec.symbol_count > 256 || body.size < 17 + static_cast<std::size_t>(spec.symbol_count)) {
        return damaged("a Huffman table that is longer than its segment");
      }
      std::copy_n(body.data + 17, spec.symbol_count, spec.symbols.begin());
      body = body.from(17 + static_cast<std::size_t>(spec.symbol_count));
    }
    return Status::success();
  }

  Status frame(int marker, ByteSpan body) {
    if (saw_frame) return damaged("two frames");
    saw_frame = true;
    Frame& f = header.frame;
    if (body.size < 6) return damaged("a frame header that is cut short");
    f.precision = body.data[0];
    f.height = load_be16(body.data + 1);
    f.width = load_be16(body.data + 3);
    const int count = body.data[5];
    if (f.width == 0 || f.height == 0) return damaged("a size of zero");
    if (static_cast<std::uint64_t>(f.width) * static_cast<std::uint64_t>(f.height) > max_pixels) {
      return Status::error(Code::limit, "the picture has " + std::to_string(f.width) + " x " +
                                            std::to_string(f.height) +
                                            " pixels, above the limit of " +
                                            std::to_string(max_pixels));
    }
    if (count < 1 || count > 4 || body.size != 6 + 3 * static_cast<std::size_t>(count)) {
      return damaged("a frame of " + std::to_string(count) + " components");
    }
    f.component_count = count;
    for (int c = 0; c < count; ++c) {
      const std::uint8_t* p = body.data + 6 + 3 * c;
      Component& component = f.at(c);
      component.id = p[0];
      component.h = p[1] >> 4;
      component.v = p[1] & 15;
      component.quant = p[2];
      if (component.h < 1 || component.h > 4 || component.v < 1 || component.v > 4) {
        return damaged("a sampling factor that is not 1 to 4");
      }
      f.max_h = std::max(f.max_h, component.h);
      f.max_v = std::max(f.max_v, component.v);
    }
    const int kind = marker & 15;  // SOF0 to SOF15
    header.progressive = kind == 2 || kind == 6 || kind == 10 || kind == 14;
    header.lossless = kind == 3 || kind == 7 || kind == 11 || kind == 15;
    header.arithmetic = kind >= 9;
    header.baseline = (kind == 0 || kind == 1) && f.precision == 8;
    return Status::success();
  }

  // Which colours the samples mean, as libjpeg decides it (default_decompress_parms).
  ColorSpace color_space() const {
    const Frame& f = header.frame;
    if (f.component_count == 1) return ColorSpace::gray;
    if (f.component_count == 4) {
      return adobe_transform > 0 ? ColorSpace::ycck : ColorSpace::cmyk;
    }
    if (f.component_count != 3) return ColorSpace::other;
    if (saw_jfif) return ColorSpace::ycbcr;
    if (adobe_transform >= 0) {
      return adobe_transform == 0 ? ColorSpace::rgb : ColorSpace::ycbcr;
    }
    const bool named_rgb = f.at(0).id == 'R' && f.at(1).id == 'G' && f.at(2).id == 'B';
    return named_rgb ? ColorSpace::rgb : ColorSpace::ycbcr;
  }

  Status scan(ByteSpan body) {
    if (!saw_frame) return damaged("a scan before the frame");
    const int count = body.size == 0 ? 0 : body.data[0];
    if (count < 1 || count > 4 || body.size != 4 + 2 * static_cast<std::size_t>(count)) {
      return damaged("a scan header");
    }
    Frame& f = header.frame;
    bool in_order = count == f.component_count;
    for (int i = 0; i < count && in_order; ++i) {
      const std::uint8_t* p = body.data + 1 + 2 * i;
      in_order = p[0] == f.at(i).id;
      f.at(i).dc = p[1] >> 4;
      f.at(i).ac = p[1] & 15;
    }
    const std::uint8_t* tail = body.data + 1 + 2 * count;
    header.whole_scan = in_order && tail[0] == 0 && tail[1] == 63 && tail[2] == 0;
    header.color_space = color_space();
    return Status::success();
  }

  Status application(int marker, ByteSpan body) {
    if (marker == 0xE0 && body.size >= 14 && std::memcmp(body.data, "JFIF\0", 5) == 0) {
      saw_jfif = true;
      header.odd_application |= body.data[5] != 1;  // JFIF's major version
    } else if (marker == 0xE1 && header.orientation == 0) {
      header.orientation = exif_orientation(body);
    } else if (marker == 0xEE && body.size >= 12 && std::memcmp(body.data, "Adobe", 5) == 0) {
      adobe_transform = body.data[11];
      header.odd_application |= adobe_transform > 1;
    }
    return Status::success();
  }

  Status segment(int marker, ByteSpan body) {
    switch (marker) {
      case 0xDB:
        return quantization(body);
      case 0xC4:
        return huffman(body);
      case 0xDD:
        if (body.size != 2) return damaged("a restart interval");
        header.restart_interval = load_be16(body.data);
        return Status::success();
      case 0xDA:
        return scan(body);
      default:
        break;
    }
    // DAC, DNL, DHP, EXP and what is reserved: libjpeg refuses or skips them.
    header.foreign_segments |= marker < 0xC0 || marker == 0xC8 || marker == 0xCC ||
                               (marker >= 0xDC && marker < 0xE0) ||
                               (marker >= 0xF0 && marker != 0xFE);
    const bool is_frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC8 && marker != 0xCC;
    return is_frame ? frame(marker, body) : application(marker, body);
  }

  Status run() {
    if (file.size < 2 || file.data[0] != 0xFF || file.data[1] != 0xD8) {
      return Status::error(Code::decode, "not a JPEG: expected it to start with FF D8");
    }
    std::size_t at = 2;
    for (;;) {
      // Anything may stand between segments; libjpeg skips it with a warning.
      header.strays |= at < file.size && file.data[at] != 0xFF;
      while (at < file.size && file.data[at] != 0xFF) ++at;
      while (at < file.size && file.data[at] == 0xFF) ++at;
      if (at >= file.size) return damaged("it ends before the first scan");
      const int marker = file.data[at++];
      const bool stands_alone = marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8) || marker == 0;
      header.strays |= stands_alone;
      if (stands_alone) continue;
      if (marker == 0xD9) return damaged("it ends before the first scan");
      if (at + 2 > file.size) return damaged("it is cut short");
      const std::size_t length = load_be16(file.data + at);
      if (length < 2 || at + length > file.size) return damaged("a segment is cut short");
      Status status = segment(marker, file.slice(at + 2, length - 2));
      if (!status.ok()) return status;
      at += length;
      if (marker == 0xDA) break;
    }
    header.scan_offset = at;
    return Status::success();
  }
};

}  // namespace

Status parse_header(ByteSpan file, std::uint64_t max_pixels, JpegHeader& header) {
  header = JpegHeader{};
  return Walk{file, max_pixels, header}.run();
}

Ending find_ending(ByteSpan file, std::size_t at) {
  for (;;) {
    const auto* ff = at < file.size ? std::memchr(file.data + at, 0xFF, file.size - at) : nullptr;
    if (ff == nullptr) return Ending::missing;
    at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(ff) - file.data);
    while (at < file.size && file.data[at] == 0xFF) ++at;
    if (at >= file.size) return Ending::missing;
    const int marker = file.data[at++];
    if (marker == 0 || (marker >= 0xD0 && marker <= 0xD7)) continue;  // entropy-coded data
    if (marker == 0xD9) return Ending::marked;
    const bool tables = marker == 0xC4 || marker == 0xCC || (marker >= 0xDA && marker <= 0xDD);
    if (!tables && (marker < 0xE0 || marker > 0xEF) && marker != 0xFE) return Ending::odd;
    if (file.size - at < 2) return Ending::missing;
    at += load_be16(file.data + at);
  }
}

}  // namespace fastload
