#include "symbol_runs.h"

#include <algorithm>
#include <cstdlib>

namespace fastload {
namespace {

constexpr int value_size(int symbol) { return symbol & 15; }

// How far along the zigzag a symbol leads; `unresolved` for one that baseline JPEG does not have.
int advance_of(int symbol) {
  const int run = symbol >> 4;
  const int size = value_size(symbol);
  if (size > max_ac_size) return Advance::unresolved;
  if (size > 0) return run + 1;
  if (run == 0) return Advance::end_of_block;
  return run == 15 ? 16 : Advance::unresolved;
}

// Whether the entry of a symbol can cover also what the entry of the bits behind it does.
bool can_go_on(int advance, int rest) {
  return rest != Advance::unresolved && advance < Advance::unresolved &&
         advance + (rest & (Advance::end_of_block - 1)) < 64;
}

// levels[2^n + x] is for n known bits that are x. Calls use(symbol, length, value, entries, rests,
// how many) for all entries of n bits that begin with a whole code, by code and value: `value` is
// -1 where its bits are not all known, `rests` the entries for the bits behind them, or null.
template <typename Item, typename Use>
void for_each_entry(const HuffmanSpec& spec, int known, Item* levels, Use use) {
  for_each_code(spec, [&](std::uint8_t symbol, std::uint32_t code, int length) {
    if (length > known) return;
    Item* entries = levels + (std::size_t{1} << known) + (std::size_t{code} << (known - length));
    const int size = value_size(symbol);
    const int rest_bits = known - length - size;
    if (rest_bits < 0) {
      use(symbol, length, -1, entries, nullptr, 1 << (known - length));
      return;
    }
    Item* const rests = levels + (std::size_t{1} << rest_bits);
    for (int value = 0; value < 1 << size; ++value, entries += std::size_t{1} << rest_bits) {
      use(symbol, length, value, entries, rests, 1 << rest_bits);
    }
  });
}

// Fills entries where few bits are known first: they are the rests of those where more are.
//   first(symbol, length, value): the entry of one symbol
//   join(first, rest): both in one, or `first` where they do not fit
template <typename Runs, typename First, typename Join>
void fill_levels(const HuffmanSpec& spec, typename Runs::Entry* levels, First first, Join join) {
  using Entry = typename Runs::Entry;
  std::fill_n(levels, std::size_t{2} << Runs::lookup_bits, Entry{Advance::unresolved} << 6);
  for (int known = 1; known <= Runs::lookup_bits; ++known) {
    for_each_entry(
        spec, known, levels,
        [&](int symbol, int length, int value, Entry* entries, const Entry* rests, int count) {
          const Entry one = first(symbol, length, value);
          for (int i = 0; i < count; ++i) {
            const bool joins =
                rests != nullptr && can_go_on(Runs::advance(one), Runs::advance(rests[i]));
            entries[i] = joins ? join(one, rests[i]) : one;
          }
        });
  }
}

}  // namespace

void SkipRuns::build(const HuffmanSpec& spec) {
  codes_.build(spec);
  fill_levels<SkipRuns>(
      spec, levels_.data(),
      [](int symbol, int length, int value) {
        const int size = value_size(symbol);
        const int most = (1 << size) - 1;
        const int magnitude = value < 0 || size == 0 ? most : std::abs(extended(value, size));
        return static_cast<Entry>((length + size) | (advance_of(symbol) << 6) | (magnitude << 16));
      },
      [](Entry entry, Entry rest) { return entry + rest; });
}

void SkipRuns::count_symbols(const HuffmanSpec& spec, const Uses& uses,
                             std::array<std::uint32_t, 256>& frequency) const {
  std::array<std::uint32_t, 2 << lookup_bits> levels{};
  std::copy(uses.begin(), uses.end(), levels.begin() + (1 << lookup_bits));
  for (int known = lookup_bits; known >= 1; --known) {
    for_each_entry(spec, known, levels.data(),
                   [&](int symbol, int, int, std::uint32_t* counts, std::uint32_t* rests, int n) {
                     for (int i = 0; i < n; ++i) {
                       if (counts[i] == 0) continue;
                       frequency[static_cast<std::size_t>(symbol)] += counts[i];
                       if (rests == nullptr) continue;
                       const auto behind = static_cast<std::size_t>(rests + i - levels.data());
                       if (can_go_on(advance_of(symbol), advance(levels_[behind]))) {
                         rests[i] += counts[i];
                       }
                     }
                   });
  }
}

void RecodeRuns::build(const HuffmanSpec& from, const HuffmanEncoder& to) {
  codes_.build(from);
  fill_levels<RecodeRuns>(
      from, levels_.data(),
      [&to](int symbol, int length, int value) {
        const int size = value_size(symbol);
        const Entry code = to.code[static_cast<std::size_t>(symbol)];
        const int code_length = to.length[static_cast<std::size_t>(symbol)];
        const int to_go = code_length == 0 ? Advance::unresolved : advance_of(symbol);
        const int kept = value < 0 ? size : 0;
        const Entry bits = value < 0 ? code : (code << size) | static_cast<Entry>(value);
        return static_cast<Entry>((length + size) | (to_go << 6) | (kept << 14) |
                                  ((code_length + size - kept) << 18)) |
               (bits << 32);
      },
      [](Entry entry, Entry rest) {
        const int count = new_bit_count(rest);
        if (new_bit_count(entry) + count > 32) return entry;
        return (((new_bits(entry) << count) | new_bits(rest)) << 32) |
               ((entry + rest) & 0xFFFFFFFF);
      });
}

}  // namespace fastload
