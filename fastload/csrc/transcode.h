// Blocks of coefficients written again with other Huffman tables and other DC predictions: the
// common ground of making tiles and of restoring files.
#pragma once

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>

#include "bits.h"
#include "frame.h"
#include "huffman.h"
#include "symbol_runs.h"

namespace fastload {

constexpr std::size_t max_block_bits = 64 * 32;

inline int bit_size(int value) {
  return 31 - __builtin_clz(2 * static_cast<unsigned>(std::abs(value)) + 1);
}

// The bits that follow a DC code: the value, or for a negative one its predecessor's low bits.
inline std::uint32_t value_bits(int value, int size) {
  const int raw = value < 0 ? value - 1 : value;
  return static_cast<std::uint32_t>(raw) & ((1u << size) - 1);
}

using Predictions = std::array<int, 4>;

// Writes the blocks of a frame again with the tables of another of as many components. All tables
// that the frames name have to be there, and sound.
class Transcoder {
 public:
  Transcoder(const Frame& from, const JpegTables& from_tables, const Frame& to,
             const JpegTables& to_tables);

  // Copies an MCU's blocks, at most max_mcu_bits() in all. The predictions are those before it, and
  // become those behind it. False: damaged, or the tables written with lack a code.
  bool mcu(BitReader& from, BitCursor& to, Predictions& from_dc, Predictions& to_dc) const {
    BitReader reader = from;  // copies, so that they stay in registers
    Writing writing{to, nullptr, reader};
    for (std::size_t i = 0; i < block_count_; ++i) {
      const std::size_t c = block_components_[i];
      const Part& part = parts_[c];
      int difference = 0;
      if (!read_dc(reader, *part.dc, difference)) return false;
      from_dc[c] += difference;
      const int written = from_dc[c] - to_dc[c];
      to_dc[c] = from_dc[c];
      const int size = bit_size(written);
      writing.codes = part.ac_codes;
      if (size > max_dc_size ||
          !writing.put(*part.dc_codes, size, value_bits(written, size), size) ||
          !read_runs(reader, *part.runs, writing)) {
        return false;
      }
    }
    from = reader;
    to = writing.out;
    return true;
  }
  // An MCU without coefficients whose DC values are the predicted ones.
  void flat_mcu(BitCursor& to) const {
    for (std::size_t i = 0; i < block_count_; ++i) {
      const Part& part = parts_[block_components_[i]];
      to.put(part.dc_codes->code[0], part.dc_codes->length[0]);
      to.put(part.ac_codes->code[0], part.ac_codes->length[0]);
    }
  }
  std::size_t max_mcu_bits() const { return block_count_ * max_block_bits; }

 private:
  struct Part {
    const HuffmanDecoder* dc;
    const HuffmanEncoder* dc_codes;
    const RecodeRuns* runs;
    const HuffmanEncoder* ac_codes;
  };
  struct Writing {
    BitCursor out;
    const HuffmanEncoder* codes;
    const BitReader& reader;

    void entry(std::uint32_t, RecodeRuns::Entry entry, int) {
      const int copied = RecodeRuns::copied_bits(entry);
      const std::uint64_t bits = reader.peek_behind(RecodeRuns::bits(entry) - copied, copied);
      out.put((RecodeRuns::new_bits(entry) << copied) | bits,
              RecodeRuns::new_bit_count(entry) + copied);
    }
    bool symbol(int symbol, std::uint32_t bits, int) {
      return put(*codes, symbol, bits, symbol & 15);
    }
    bool put(const HuffmanEncoder& with, int symbol, std::uint32_t bits, int size) {
      const auto s = static_cast<std::size_t>(symbol);
      const int length = with.length[s];
      out.put((static_cast<std::uint64_t>(with.code[s]) << size) | bits, length + size);
      return length > 0;
    }
  };

  BuiltTables<HuffmanDecoder> dc_;
  std::array<std::optional<HuffmanEncoder>, 4> dc_codes_;
  std::array<std::optional<HuffmanEncoder>, 4> ac_codes_;
  std::array<std::unique_ptr<RecodeRuns>, 4> runs_;
  std::array<Part, 4> parts_{};
  std::array<std::uint8_t, 64> block_components_{};  // of an MCU's blocks
  std::size_t block_count_ = 0;
};

}  // namespace fastload
