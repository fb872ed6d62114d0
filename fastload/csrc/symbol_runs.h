// AC coefficients of a scan, several by one look-up: to skip them, or to write them again with
// another Huffman table.
#pragma once

#include <array>
#include <cstdint>

#include "bits.h"
#include "huffman.h"

namespace fastload {

// Note [several symbols by one look-up]
// Most AC codes are far shorter than what a look-up sees, and what a look-up costs is waiting for
// the one before it. So an entry covers all symbols whose codes lie whole in the bits looked at;
// only the value bits of its last one may reach beyond them. `advance` says how far along the
// zigzag they lead. Where that would be beyond the block, or where the first code is not known,
// the symbol is read alone, strictly (anything that baseline JPEG does not have is refused).
struct Advance {
  static constexpr int unresolved = 64;     // an entry that covers nothing
  static constexpr int end_of_block = 128;  // added where the last symbol ends the block
};

// Entries for skipping, 32 bits: 0-5 how many bits, 6-13 the advance, 16-31 at least the sum of
// the coefficients' magnitudes.
class SkipRuns {
 public:
  static constexpr int lookup_bits = 11;
  using Entry = std::uint32_t;

  void build(const HuffmanSpec& spec);
  // By the reader's next `lookup_bits` bits.
  Entry entry(std::uint32_t index) const { return levels_[(1u << lookup_bits) + index]; }
  const HuffmanDecoder& codes() const { return codes_; }

  static int bits(Entry entry) { return static_cast<int>(entry & 63); }
  static int advance(Entry entry) { return static_cast<int>((entry >> 6) & 255); }
  static int magnitude(Entry entry) { return static_cast<int>(entry >> 16); }

  // Adds to `frequency`, by symbol, what entries stand for that were used so many times.
  using Uses = std::array<std::uint32_t, 1 << lookup_bits>;
  void count_symbols(const HuffmanSpec& spec, const Uses& uses,
                     std::array<std::uint32_t, 256>& frequency) const;

 private:
  HuffmanDecoder codes_;
  std::array<Entry, 2 << lookup_bits> levels_;  // see for_each_entry
};

// Entries for writing again, 64 bits: 0-5 how many bits to read, 6-13 the advance, 14-17 how many
// of those bits, the last ones, go out as they are, 18-23 how many new bits precede them, and
// 32-63 the new bits.
class RecodeRuns {
 public:
  static constexpr int lookup_bits = 10;
  using Entry = std::uint64_t;

  void build(const HuffmanSpec& from, const HuffmanEncoder& to);
  Entry entry(std::uint32_t index) const { return levels_[(1u << lookup_bits) + index]; }
  const HuffmanDecoder& codes() const { return codes_; }

  static int bits(Entry entry) { return static_cast<int>(entry & 63); }
  static int advance(Entry entry) { return static_cast<int>((entry >> 6) & 255); }
  static int copied_bits(Entry entry) { return static_cast<int>((entry >> 14) & 15); }
  static int new_bit_count(Entry entry) { return static_cast<int>((entry >> 18) & 63); }
  static std::uint64_t new_bits(Entry entry) { return entry >> 32; }

 private:
  HuffmanDecoder codes_;
  std::array<Entry, 2 << lookup_bits> levels_;
};

// Both look up twice between refills.
static_assert(2 * (SkipRuns::lookup_bits + max_ac_size) <= 56);
static_assert(SkipRuns::lookup_bits + max_ac_size + 16 + max_ac_size <= 56);
static_assert(RecodeRuns::lookup_bits <= SkipRuns::lookup_bits);

// Reads the AC coefficients of one block. use.entry(index, entry, k) stands for several symbols,
// whose bits are dropped thereafter; use.symbol(symbol, value bits, k) for one. `k` is the position
// behind them. False: a code that is not in the table, values that baseline JPEG does not have, or
// a symbol that `use.symbol` refuses.
template <typename Runs, typename Use>
__attribute__((always_inline)) inline bool read_runs(BitReader& reader, const Runs& runs,
                                                     Use& use) {
  int k = 1;
  for (;;) {
    if (!reader.refill()) return false;
    std::uint32_t index = 0;
    typename Runs::Entry entry = 0;
    int next = 0;
    for (int i = 0; i < 2; ++i) {
      index = reader.peek(Runs::lookup_bits);
      entry = runs.entry(index);
      next = k + Runs::advance(entry);
      if (next >= 64) break;
      use.entry(index, entry, next);
      reader.drop(Runs::bits(entry));
      k = next;
    }
    if (next < 64) continue;
    if (next >= Advance::end_of_block && next < Advance::end_of_block + 64) {
      use.entry(index, entry, next - Advance::end_of_block);
      reader.drop(Runs::bits(entry));
      return true;
    }
    // See Note [several symbols by one look-up].
    const int symbol = runs.codes().symbol(reader);
    const int run = symbol >> 4;
    const int size = symbol & 15;
    if (symbol < 0 || size > max_ac_size) return false;
    if (size == 0) {
      if (run == 0) return use.symbol(symbol, 0, k);
      k += 16;
      if (run != 15 || k > 63 || !use.symbol(symbol, 0, k)) return false;
      continue;
    }
    k += run + 1;
    if (k > 64 || !use.symbol(symbol, reader.peek(size), k)) return false;
    reader.drop(size);
    if (k == 64) return true;
  }
}

// Reads a DC difference; false where no baseline JPEG has it.
inline bool read_dc(BitReader& reader, const HuffmanDecoder& codes, int& difference) {
  if (!reader.refill()) return false;
  const int size = codes.symbol(reader);
  if (size < 0 || size > max_dc_size) return false;
  difference = reader.value_or_zero(size);
  return true;
}

}  // namespace fastload
