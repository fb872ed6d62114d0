#include "tile_transcode.h"

#include <algorithm>

#include "markers.h"
#include "scan.h"
#include "tile_head.h"
#include "transcode.h"

namespace fastload {
namespace {

// Note [no overflow in the inverse DCT]
// libjpeg's inverse DCTs (C, SSE2, AVX2, Neon) agree as long as no 16-bit intermediate
// overflows. The largest are sums of two columns behind the first pass, where a coefficient
// weighs at most 5.66 times: sums of dequantized magnitudes of any two columns up to
// 32767 / 5.66 are safe. Photographs stay far below; a file that does not keeps its own
// bytes and libjpeg decodes it. test_extreme_coefficients_keep_their_own_bytes shows it.
constexpr int max_column_pair_sum = 5789;

Status refuse(const std::string& why) { return Status::error(Code::not_tileable, why); }

// How often each symbol stands in the tiled form; and the blocks as they were read, so that they
// need not be parsed again: a word with the DC difference, then a word a symbol, with the symbol in
// the upper half and its value's bits in the lower one.
struct Survey {
  std::array<std::array<std::uint32_t, 256>, 4> dc_frequency{};
  std::array<std::array<std::uint32_t, 256>, 4> ac_frequency{};
  bool keeps_words = false;
  std::vector<std::uint32_t> words;
  std::size_t word_count = 0;

  // Room for one block's words; where they are not kept, always the same.
  std::uint32_t* block() {
    if (words.size() < word_count + words_per_block) words.resize(2 * word_count + 65536);
    return words.data() + word_count;
  }
  void end_block(const std::uint32_t* end) {
    if (keeps_words) word_count = static_cast<std::size_t>(end - words.data());
  }
  static constexpr std::size_t words_per_block = 1 + 64;
};

// Above this, parsing twice is better than the memory: up to 16 bytes of words for a byte here.
constexpr std::size_t max_scan_bytes_for_words = std::size_t{4} << 20;

struct SurveySink {
  const std::array<std::uint16_t, 64>& quant;
  std::array<std::uint32_t, 256>& ac_frequency;
  std::uint32_t* word;
  int difference = 0;
  int total = 0;  // of the dequantized magnitudes

  void dc(int value) {
    difference = value;
    *word++ = static_cast<std::uint32_t>(value);
  }
  void ac(int k, int symbol, std::uint32_t bits, int value) {
    *word++ = (static_cast<std::uint32_t>(symbol) << 16) | bits;
    ++ac_frequency[static_cast<std::size_t>(symbol)];
    total += std::abs(value) * quant[static_cast<std::size_t>(k) & 63];
  }
  // `dc` is the absolute value, `words` the block's. See Note [no overflow in the inverse DCT].
  bool within_bounds(int dc, const std::uint32_t* words) const {
    const int dc_magnitude = std::abs(dc) * quant[0];
    if (total + dc_magnitude <= max_column_pair_sum) return true;
    std::array<int, 8> by_column{dc_magnitude};
    int k = 1;
    for (const std::uint32_t* w = words + 1; w < word; ++w, ++k) {
      const int size = static_cast<int>((*w >> 16) & 15);
      k += static_cast<int>(*w >> 20);
      if (size == 0) continue;
      const int value = extended(static_cast<int>(*w & 0xFFFF), size);
      const auto at = static_cast<std::size_t>(k);
      by_column[natural_order[at] % 8u] += std::abs(value) * quant[at];
    }
    std::partial_sort(by_column.begin(), by_column.begin() + 2, by_column.end(), std::greater<>());
    return total + dc_magnitude <= 32767 && by_column[0] + by_column[1] <= max_column_pair_sum;
  }
};

// Reads a scan MCU by MCU, from one stretch between restarts to the next.
template <typename Stretch>
class McuReader {
 public:
  McuReader(const Frame& frame, const ScanDecoders& decoders, std::size_t mcus_per_stretch,
            Stretch stretch)
      : frame_(frame),
        decoders_(decoders),
        mcus_per_stretch_(mcus_per_stretch),
        stretch_(stretch),
        reader_(stretch(0)) {}

  // make_sink(component index, component) gives the sink for each block; done(sink) takes it
  // back and may refuse. True in `restarted` where this MCU is the first of a stretch.
  template <typename MakeSink, typename Done>
  bool mcu(MakeSink make_sink, Done done) {
    return for_each_block(frame_, [&](std::size_t c, const Component& component) {
      auto sink = make_sink(c, component);
      return read_block(reader_, decoders_.dc[static_cast<std::size_t>(component.dc)],
                        decoders_.ac[static_cast<std::size_t>(component.ac)], sink) &&
             done(c, component, sink);
    });
  }
  // To be called before each MCU; false where the stretch before did not end clean.
  bool advance(bool& restarted) {
    restarted = mcus_in_stretch_ == mcus_per_stretch_;
    if (restarted) {
      if (!ends_clean(reader_)) return false;
      reader_ = BitReader(stretch_(++index_));
      mcus_in_stretch_ = 0;
    }
    ++mcus_in_stretch_;
    return true;
  }
  bool finished() { return ends_clean(reader_); }

 private:
  const Frame& frame_;
  const ScanDecoders& decoders_;
  std::size_t mcus_per_stretch_;
  Stretch stretch_;
  BitReader reader_;
  std::size_t index_ = 0;
  std::size_t mcus_in_stretch_ = 0;
};

// The same from a survey's words.
class WordReader {
 public:
  WordReader(const Frame& frame, const Survey& survey, std::size_t mcus_per_stretch)
      : frame_(frame), next_(survey.words.data()), mcus_per_stretch_(mcus_per_stretch) {}

  template <typename MakeSink, typename Done>
  bool mcu(MakeSink make_sink, Done done) {
    return for_each_block(frame_, [&](std::size_t c, const Component& component) {
      auto sink = make_sink(c, component);
      sink.dc(static_cast<int>(*next_++));
      for (int k = 1; k < 64;) {
        const std::uint32_t word = *next_++;
        const int symbol = static_cast<int>(word >> 16);
        sink.ac(k, symbol, word & 0xFFFF, 0);
        k = symbol == 0 ? 64 : k + (symbol >> 4) + 1;
      }
      return done(c, component, sink);
    });
  }
  bool advance(bool& restarted) {
    restarted = mcus_in_stretch_ == mcus_per_stretch_;
    if (restarted) mcus_in_stretch_ = 0;
    ++mcus_in_stretch_;
    return true;
  }

 private:
  const Frame& frame_;
  const std::uint32_t* next_;
  std::size_t mcus_per_stretch_;
  std::size_t mcus_in_stretch_ = 0;
};

struct Source {
  JpegHeader header;
  PlainScan scan;
  ScanDecoders decoders;
  std::size_t mcus_per_stretch = 0;

  auto reader() const {
    return McuReader(header.frame, decoders, mcus_per_stretch,
                     [this](std::size_t i) { return scan.stretch(i); });
  }
};

Status check_eligible(const JpegHeader& header, int tile_width) {
  const Frame& frame = header.frame;
  if (!header.baseline) return refuse("not a baseline JPEG of 8 bits");
  if (!header.whole_scan) return refuse("more than one scan");
  if (header.tables_redefined) return refuse("a table is defined twice");
  if (header.strays) return refuse("something other than segments stands before the scan");
  const bool known_color = header.color_space == ColorSpace::gray ||
                           header.color_space == ColorSpace::ycbcr ||
                           header.color_space == ColorSpace::rgb;
  if (!known_color) return refuse("neither gray nor of three colours");
  if (frame.width < 2 * tile_width) return refuse("narrower than two tiles");
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
  return Status::success();
}

Status read_source(ByteSpan file, int tile_width, std::uint64_t max_pixels, Source& source) {
  JpegHeader& header = source.header;
  if (Status status = parse_header(file, max_pixels, header); !status.ok()) return status;
  normalize_lone_component(header.frame);
  if (Status status = check_eligible(header, tile_width); !status.ok()) return status;
  if (!source.decoders.build(header.frame, header.tables))
    return refuse("a Huffman table is missing or unsound");
  const auto mcus = static_cast<std::size_t>(header.frame.mcu_columns()) *
                    static_cast<std::size_t>(header.frame.mcu_rows());
  const auto interval = static_cast<std::size_t>(header.restart_interval);
  source.mcus_per_stretch = interval == 0 ? mcus : interval;
  const std::size_t stretches = (mcus + source.mcus_per_stretch - 1) / source.mcus_per_stretch;
  Status status = read_plain_scan(file, header.scan_offset, stretches, source.scan);
  if (!status.ok()) return status;
  const ByteSpan trailer = file.from(source.scan.end_offset);
  const auto* marker =
      std::find_if(trailer.data, trailer.end(), [](std::uint8_t byte) { return byte != 0xFF; });
  if (trailer.size == 0) return refuse("its end is missing");  // which Pillow refuses
  if (marker == trailer.data || marker == trailer.end() || *marker != 0xD9) {
    return refuse("something other than the end follows the scan");
  }
  return Status::success();
}

Status survey(const Source& source, int tile_mcus, Survey& counts) {
  const Frame& frame = source.header.frame;
  auto reader = source.reader();
  Predictions source_dc{};
  Predictions tile_dc{};
  const auto make_sink = [&](std::size_t, const Component& component) {
    return SurveySink{source.header.tables.quant[static_cast<std::size_t>(component.quant)].zigzag,
                      counts.ac_frequency[static_cast<std::size_t>(component.ac)], counts.block()};
  };
  bool extreme = false;
  const auto done = [&](std::size_t c, const Component& component, const SurveySink& sink) {
    source_dc[c] += sink.difference;
    const int size = bit_size(source_dc[c] - tile_dc[c]);
    tile_dc[c] = source_dc[c];
    extreme = size > max_dc_size || !sink.within_bounds(source_dc[c], counts.block());
    counts.end_block(sink.word);
    ++counts.dc_frequency[static_cast<std::size_t>(component.dc)]
                         [static_cast<std::size_t>(size) & 15];
    return !extreme;
  };
  for (int row = 0; row < frame.mcu_rows(); ++row) {
    for (int column = 0; column < frame.mcu_columns(); ++column) {
      bool restarted = false;
      if (!reader.advance(restarted)) return refuse("a restart interval does not end clean");
      if (restarted) source_dc = {};
      if (column % tile_mcus == 0) tile_dc = {};
      if (!reader.mcu(make_sink, done)) {
        return refuse(extreme ? "coefficients beyond what a photograph has"
                              : "damaged entropy-coded data");
      }
    }
  }
  if (!reader.finished()) return refuse("the scan does not end clean");
  for (int c = 0; c < frame.component_count; ++c) {  // the flat MCUs that fill the last tile
    ++counts.dc_frequency[static_cast<std::size_t>(frame.at(c).dc)][0];
    ++counts.ac_frequency[static_cast<std::size_t>(frame.at(c).ac)][0];
  }
  return Status::success();
}

template <typename Reader>
Status write_tiles(Reader reader, const TileHead& head, std::vector<std::uint8_t>& entropy,
                   std::vector<std::uint16_t>& lengths) {
  const Frame& frame = head.frame;
  const ScanEncoders encoders(frame, head.tables);
  const auto dc_codes = [&](const Component& c) -> const HuffmanEncoder& {
    return *encoders.dc[static_cast<std::size_t>(c.dc)];
  };
  const auto ac_codes = [&](const Component& c) -> const HuffmanEncoder& {
    return *encoders.ac[static_cast<std::size_t>(c.ac)];
  };
  entropy.clear();
  BitWriter writer(entropy);
  Predictions source_dc{};
  Predictions tile_dc{};
  const auto make_sink = [&](std::size_t c, const Component& component) {
    return TranscodeSink{writer.open(max_block_bits), dc_codes(component), ac_codes(component),
                         source_dc[c], tile_dc[c]};
  };
  const auto done = [&](std::size_t c, const Component&, const TranscodeSink& sink) {
    writer.close(sink.out);
    source_dc[c] = sink.source_dc;
    tile_dc[c] = sink.target_dc;
    return sink.coded;
  };
  std::size_t tile_start = 0;
  const int padded_columns = head.tile_columns * head.tile_mcus;
  for (int row = 0; row < frame.mcu_rows(); ++row) {
    for (int column = 0; column < padded_columns; ++column) {
      if (column % head.tile_mcus == 0) tile_dc = {};
      if (column < frame.mcu_columns()) {
        bool restarted = false;
        if (!reader.advance(restarted)) return refuse("a restart interval does not end clean");
        if (restarted) source_dc = {};
        if (!reader.mcu(make_sink, done)) return refuse("damaged entropy-coded data");
      } else {
        for_each_block(frame, [&](std::size_t, const Component& component) {
          BitCursor out = writer.open(64);
          out.put(dc_codes(component).code[0], dc_codes(component).length[0]);
          out.put(ac_codes(component).code[0], ac_codes(component).length[0]);
          writer.close(out);
          return true;
        });
      }
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
  Source source;
  if (Status status = read_source(file, tile_width, max_pixels, source); !status.ok())
    return status;

  TileHead head;
  head.frame = source.header.frame;
  head.color_space = source.header.color_space;
  head.tile_mcus = std::max(1, tile_width / head.frame.mcu_width());
  head.tile_columns = divide_up(head.frame.mcu_columns(), head.tile_mcus);
  head.tile_rows = head.frame.mcu_rows();
  Survey counts;
  counts.keeps_words = source.scan.bytes.size() <= max_scan_bytes_for_words;
  if (Status status = survey(source, head.tile_mcus, counts); !status.ok()) return status;
  for (int c = 0; c < head.frame.component_count; ++c) {
    const Component& component = head.frame.at(c);
    const auto q = static_cast<std::size_t>(component.quant);
    const auto d = static_cast<std::size_t>(component.dc);
    const auto a = static_cast<std::size_t>(component.ac);
    head.tables.quant[q] = source.header.tables.quant[q];
    if (!head.tables.dc[d].defined()) head.tables.dc[d] = optimal_spec(counts.dc_frequency[d]);
    if (!head.tables.ac[a].defined()) head.tables.ac[a] = optimal_spec(counts.ac_frequency[a]);
  }

  std::vector<std::uint16_t> lengths;
  Status written = counts.keeps_words
                       ? write_tiles(WordReader(head.frame, counts, source.mcus_per_stretch), head,
                                     tiled.entropy, lengths)
                       : write_tiles(source.reader(), head, tiled.entropy, lengths);
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
