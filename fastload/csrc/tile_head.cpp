#include "tile_head.h"

#include <algorithm>

namespace fastload {
namespace {

constexpr std::size_t fixed_size = 16;
constexpr std::size_t component_size = 4;

Status damaged(const std::string& what) {
  return Status::error(Code::record, "damaged head of a tiled record: " + what);
}

template <typename T>
void append(std::vector<std::uint8_t>& out, T value) {
  out.resize(out.size() + sizeof value);
  store_le(out.data() + out.size() - sizeof value, value);
}

void append_huffman(std::vector<std::uint8_t>& out, int kind, std::size_t id,
                    const HuffmanSpec& spec) {
  if (!spec.defined()) return;
  out.push_back(static_cast<std::uint8_t>((kind << 4) | static_cast<int>(id)));
  out.insert(out.end(), spec.counts.begin(), spec.counts.end());
  out.insert(out.end(), spec.symbols.begin(), spec.symbols.begin() + spec.symbol_count);
}

// A cursor that knows when it has run out.
struct Cursor {
  ByteSpan rest;
  bool ok = true;

  const std::uint8_t* take(std::size_t size) {
    if (rest.size < size) {
      ok = false;
      return nullptr;
    }
    const std::uint8_t* at = rest.data;
    rest = rest.from(size);
    return at;
  }
  int byte() {
    const std::uint8_t* at = take(1);
    return at != nullptr ? *at : 0;
  }
};

Status parse_quant(Cursor& in, JpegTables& tables) {
  for (int count = in.byte(); in.ok && count > 0; --count) {
    const int kind = in.byte();
    const int id = kind & 15;
    const bool wide = (kind >> 4) == 1;
    const std::uint8_t* values = in.take(wide ? 128 : 64);
    if (values == nullptr || id > 3 || kind >> 4 > 1) return damaged("a quantization table");
    QuantTable& table = tables.quant[static_cast<std::size_t>(id)];
    table.defined = true;
    for (std::size_t k = 0; k < 64; ++k) {
      table.zigzag[k] = wide ? load_le<std::uint16_t>(values + 2 * k) : values[k];
    }
  }
  return Status::success();
}

Status parse_huffman(Cursor& in, JpegTables& tables) {
  for (int count = in.byte(); in.ok && count > 0; --count) {
    const int kind = in.byte();
    const int id = kind & 15;
    const std::uint8_t* counts = in.take(16);
    if (counts == nullptr || id > 3 || kind >> 4 > 1) return damaged("a Huffman table");
    HuffmanSpec spec;
    std::copy_n(counts, 16, spec.counts.begin());
    for (const std::uint8_t n : spec.counts) spec.symbol_count += n;
    const std::uint8_t* symbols =
        spec.symbol_count > 256 ? nullptr : in.take(static_cast<std::size_t>(spec.symbol_count));
    if (symbols == nullptr) return damaged("a Huffman table");
    std::copy_n(symbols, spec.symbol_count, spec.symbols.begin());
    if (!validate(spec).ok()) return damaged("a Huffman table");
    auto& specs = kind >> 4 == 0 ? tables.dc : tables.ac;
    specs[static_cast<std::size_t>(id)] = spec;
  }
  return Status::success();
}

Status parse_components(Cursor& in, int count, TileHead& head) {
  Frame& frame = head.frame;
  frame.component_count = count;
  for (int c = 0; c < count; ++c) {
    const std::uint8_t* p = in.take(component_size);
    if (p == nullptr) return damaged("it is cut short");
    Component& component = frame.at(c);
    component.h = p[0] >> 4;
    component.v = p[0] & 15;
    component.quant = p[1];
    component.dc = p[2];
    component.ac = p[3];
    if (component.h < 1 || component.h > 4 || component.v < 1 || component.v > 4 || p[1] > 3 ||
        p[2] > 3 || p[3] > 3) {
      return damaged("a component");
    }
    frame.max_h = std::max(frame.max_h, component.h);
    frame.max_v = std::max(frame.max_v, component.v);
  }
  return Status::success();
}

// Every tile lies inside the entropy data, each row behind the one before it.
bool table_is_sound(const TileHead& head) {
  std::size_t end = 0;
  for (int row = 0; row < head.tile_rows; ++row) {
    TileRow tiles(head, row, 0);
    if (tiles.offset() != end) return false;
    for (int column = 0; column < head.tile_columns; ++column) tiles.next();
    end = tiles.offset();
  }
  return end == head.entropy_size;
}

}  // namespace

std::vector<std::uint8_t> serialize(const TileHead& head,
                                    const std::vector<std::uint16_t>& lengths) {
  const Frame& frame = head.frame;
  std::vector<std::uint8_t> out;
  append(out, static_cast<std::uint16_t>(head.tile_mcus));
  out.push_back(static_cast<std::uint8_t>(frame.component_count));
  out.push_back(static_cast<std::uint8_t>(head.color_space));
  append(out, static_cast<std::uint16_t>(head.tile_columns));
  append(out, static_cast<std::uint16_t>(head.tile_rows));
  append(out, std::uint16_t{0});  // where the tile table begins; set below
  const bool narrow =
      std::all_of(lengths.begin(), lengths.end(), [](std::uint16_t n) { return n < 256; });
  append(out, static_cast<std::uint16_t>(narrow ? 1 : 2));
  append(out, head.entropy_size);
  for (int c = 0; c < frame.component_count; ++c) {
    const Component& component = frame.at(c);
    out.push_back(static_cast<std::uint8_t>((component.h << 4) | component.v));
    out.push_back(static_cast<std::uint8_t>(component.quant));
    out.push_back(static_cast<std::uint8_t>(component.dc));
    out.push_back(static_cast<std::uint8_t>(component.ac));
  }
  const auto& quant = head.tables.quant;
  out.push_back(static_cast<std::uint8_t>(
      std::count_if(quant.begin(), quant.end(), [](const QuantTable& t) { return t.defined; })));
  for (std::size_t id = 0; id < 4; ++id) {
    if (!quant[id].defined) continue;
    const auto& values = quant[id].zigzag;
    const bool wide = *std::max_element(values.begin(), values.end()) > 255;
    out.push_back(static_cast<std::uint8_t>((wide ? 16 : 0) | static_cast<int>(id)));
    for (const std::uint16_t value : values) {
      if (wide) {
        append(out, value);
      } else {
        out.push_back(static_cast<std::uint8_t>(value));
      }
    }
  }
  int huffman_count = 0;
  for (std::size_t id = 0; id < 4; ++id) {
    huffman_count += head.tables.dc[id].defined() + head.tables.ac[id].defined();
  }
  out.push_back(static_cast<std::uint8_t>(huffman_count));
  for (std::size_t id = 0; id < 4; ++id) append_huffman(out, 0, id, head.tables.dc[id]);
  for (std::size_t id = 0; id < 4; ++id) append_huffman(out, 1, id, head.tables.ac[id]);
  out.resize((out.size() + 3) / 4 * 4);
  store_le(out.data() + 8, static_cast<std::uint16_t>(out.size()));

  std::uint32_t start = 0;
  const auto columns = static_cast<std::size_t>(head.tile_columns);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (i % columns == 0) append(out, start);
    start += lengths[i];
  }
  for (const std::uint16_t length : lengths) {
    if (narrow) {
      out.push_back(static_cast<std::uint8_t>(length));
    } else {
      append(out, length);
    }
  }
  return out;
}

Status parse_tile_head(ByteSpan bytes, int width, int height, TileHead& head) {
  head = TileHead{};
  if (bytes.size < fixed_size) return damaged("it is cut short");
  head.tile_mcus = load_le<std::uint16_t>(bytes.data);
  const int components = bytes.data[2];
  head.color_space = static_cast<ColorSpace>(bytes.data[3]);
  head.tile_columns = load_le<std::uint16_t>(bytes.data + 4);
  head.tile_rows = load_le<std::uint16_t>(bytes.data + 6);
  const std::size_t table_start = load_le<std::uint16_t>(bytes.data + 8);
  head.length_bytes = load_le<std::uint16_t>(bytes.data + 10);
  head.entropy_size = load_le<std::uint32_t>(bytes.data + 12);
  head.frame.width = width;
  head.frame.height = height;

  const bool gray = components == 1 && head.color_space == ColorSpace::gray;
  const bool color = components == 3 &&
                     (head.color_space == ColorSpace::ycbcr || head.color_space == ColorSpace::rgb);
  if ((!gray && !color) || head.tile_mcus < 1) return damaged("its kind of picture");
  if (head.length_bytes != 1 && head.length_bytes != 2) return damaged("its kind of tile table");
  Cursor in{bytes.from(fixed_size)};
  if (Status status = parse_components(in, components, head); !status.ok()) return status;
  if (Status status = parse_quant(in, head.tables); !status.ok()) return status;
  if (Status status = parse_huffman(in, head.tables); !status.ok()) return status;
  if (!in.ok) return damaged("it is cut short");
  for (int c = 0; c < components; ++c) {
    const Component& component = head.frame.at(c);
    if (!head.tables.quant[static_cast<std::size_t>(component.quant)].defined ||
        !head.tables.dc[static_cast<std::size_t>(component.dc)].defined() ||
        !head.tables.ac[static_cast<std::size_t>(component.ac)].defined() ||
        head.frame.max_h % component.h != 0 || head.frame.max_v % component.v != 0) {
      return damaged("a component");
    }
  }

  const int columns = divide_up(head.frame.mcu_columns(), head.tile_mcus);
  const auto tiles =
      static_cast<std::size_t>(head.tile_columns) * static_cast<std::size_t>(head.tile_rows);
  const std::size_t expected_size =
      table_start + 4 * static_cast<std::size_t>(head.tile_rows) + head.length_bytes * tiles;
  if (head.tile_columns != columns || head.tile_rows != head.frame.mcu_rows() ||
      table_start > bytes.size || table_start < bytes.size - in.rest.size ||
      expected_size != bytes.size) {
    return damaged("its tile table does not fit the picture's size");
  }
  head.row_starts = bytes.data + table_start;
  head.lengths = head.row_starts + 4 * static_cast<std::size_t>(head.tile_rows);
  if (!table_is_sound(head)) return damaged("its tile table does not add up");
  return Status::success();
}

}  // namespace fastload
