// Huffman tables of JPEG (ITU-T T.81, annexes C, F and K), for reading and for writing.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "bits.h"
#include "status.h"

namespace fastload {

constexpr int max_dc_size = 11;  // T.81, tables F.1 and F.2, for 8-bit samples
constexpr int max_ac_size = 10;

// A table as a DHT segment holds it: how many codes of each length, then their symbols.
struct HuffmanSpec {
  std::array<std::uint8_t, 16> counts{};
  std::array<std::uint8_t, 256> symbols{};
  int symbol_count = 0;

  bool defined() const { return symbol_count > 0; }
  bool operator==(const HuffmanSpec& other) const;
};

// Expected: 1 to 256 symbols, no more codes of a length than that length has room for, and none
// of them all ones (T.81, C.2; libjpeg refuses such a table too, once a scan uses it).
Status validate(const HuffmanSpec& spec);

// Calls use(symbol, code, length) for every symbol in the order of the codes (T.81, annex C).
template <typename Use>
void for_each_code(const HuffmanSpec& spec, Use use) {
  std::uint32_t code = 0;
  std::size_t next = 0;
  for (int length = 1; length <= 16; ++length) {
    for (int i = 0; i < spec.counts[static_cast<std::size_t>(length - 1)]; ++i) {
      use(spec.symbols[next++], code++, length);
    }
    code <<= 1;
  }
}

// Code and length of every symbol; length 0 where the table has no code for it.
struct HuffmanEncoder {
  std::array<std::uint16_t, 256> code{};
  std::array<std::uint8_t, 256> length{};

  explicit HuffmanEncoder(const HuffmanSpec& spec);
};

// The shortest codes of at most 16 bits for these frequencies, none of them all ones
// (T.81, K.2). Symbols of frequency 0 get no code.
HuffmanSpec optimal_spec(const std::array<std::uint32_t, 256>& frequency);

// Reads one code at a time, most of them through one look-up.
class HuffmanDecoder {
 public:
  static constexpr int lookup_bits = 10;
  static constexpr int invalid = -1;

  void build(const HuffmanSpec& spec);

  // At least 16 bits have to be in the reader; returns `invalid` for a code not in the table.
  int symbol(BitReader& reader) const {
    const std::uint32_t entry = lookup_[reader.peek(lookup_bits)];
    if (entry != 0) {
      reader.drop(static_cast<int>(entry >> 8));
      return static_cast<int>(entry & 0xFF);
    }
    return long_symbol(reader);
  }

 private:
  friend class AcDecoder;
  // Kept apart from the reader, so that a reader in registers need not go to memory for it.
  int long_symbol(BitReader& reader) const {
    const int found = find_long(static_cast<std::int32_t>(reader.peek(16)));
    if (found < 0) return invalid;
    reader.drop(found >> 8);
    return found & 0xFF;
  }
  // length << 8 | symbol of the code that these 16 bits begin with, or `invalid`.
  int find_long(std::int32_t bits) const;

  std::array<std::uint16_t, 1 << lookup_bits> lookup_;  // length << 8 | symbol; 0: longer
  std::array<std::int32_t, 18> first_code_beyond_;      // by length, left-aligned to 16 bits
  std::array<std::int32_t, 17> symbol_offset_;
  std::array<std::uint8_t, 256> symbols_;
};

// Run and value of an AC coefficient in one look-up where code and value bits fit into it.
class AcDecoder {
 public:
  // What `lookup` gives: bits 0-7 how many bits to drop, 8-15 the symbol (run, size), 16-31 the
  // value. value != 0: all is known, and its bits are dropped with the code's. Otherwise the
  // code alone is known. 0: a longer code.
  static constexpr int lookup_bits = HuffmanDecoder::lookup_bits;

  void build(const HuffmanSpec& spec);
  std::uint32_t lookup(const BitReader& reader) const { return lookup_[reader.peek(lookup_bits)]; }
  // The symbol of an entry without a value; drops the code.
  int symbol(BitReader& reader, std::uint32_t entry) const {
    if (entry == 0) return codes_.long_symbol(reader);
    reader.drop(static_cast<int>(entry & 0xFF));
    return static_cast<int>((entry >> 8) & 0xFF);
  }

 private:
  HuffmanDecoder codes_;
  std::array<std::uint32_t, 1 << lookup_bits> lookup_;
};

// What is built of a scan's Huffman tables, each once, when the first component that uses it asks.
template <typename Built>
class BuiltTables {
 public:
  const Built& of(const std::array<HuffmanSpec, 4>& specs, int slot) {
    const auto s = static_cast<std::size_t>(slot);
    if (!built_[s]) {
      built_[s].reset(new Built);  // not make_unique, which would clear its tables first
      built_[s]->build(specs[s]);
    }
    return *built_[s];
  }

 private:
  std::array<std::unique_ptr<Built>, 4> built_;
};

}  // namespace fastload
