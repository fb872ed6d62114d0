#include "huffman.h"

#include <algorithm>
#include <queue>
#include <utility>
#include <vector>

namespace fastload {

bool HuffmanSpec::operator==(const HuffmanSpec& other) const {
  return symbol_count == other.symbol_count && counts == other.counts &&
         std::equal(symbols.begin(), symbols.begin() + symbol_count, other.symbols.begin());
}

Status validate(const HuffmanSpec& spec) {
  int total = 0;
  int room = 1;
  for (int length = 1; length <= 16; ++length) {
    const int count = spec.counts[static_cast<std::size_t>(length - 1)];
    room = 2 * room - count;
    total += count;
    if (count > 0 && room < 1) {
      return Status::error(Code::decode, "a Huffman table has more codes of " +
                                             std::to_string(length) + " bits than fit");
    }
  }
  if (total == 0 || total > 256 || total != spec.symbol_count) {
    return Status::error(Code::decode,
                         "a Huffman table has " + std::to_string(total) + " symbols, not 1 to 256");
  }
  return Status::success();
}

HuffmanEncoder::HuffmanEncoder(const HuffmanSpec& spec) {
  for_each_code(spec, [this](std::uint8_t symbol, std::uint32_t value, int bits) {
    code[symbol] = static_cast<std::uint16_t>(value);
    length[symbol] = static_cast<std::uint8_t>(bits);
  });
}

void HuffmanDecoder::build(const HuffmanSpec& spec) {
  lookup_.fill(0);
  symbols_ = spec.symbols;
  for_each_code(spec, [this](std::uint8_t symbol, std::uint32_t code, int length) {
    if (length > lookup_bits) return;
    const auto entry = static_cast<std::uint16_t>((length << 8) | symbol);
    const int free_bits = lookup_bits - length;
    std::fill_n(lookup_.begin() + (code << free_bits), std::size_t{1} << free_bits, entry);
  });
  std::int32_t code = 0;
  std::int32_t index = 0;
  for (int length = 1; length <= 16; ++length) {
    const auto l = static_cast<std::size_t>(length);
    symbol_offset_[l] = index - code;
    index += spec.counts[l - 1];
    code += spec.counts[l - 1];
    first_code_beyond_[l] = code << (16 - length);
    code <<= 1;
  }
}

int HuffmanDecoder::find_long(std::int32_t bits) const {
  for (int length = lookup_bits + 1; length <= 16; ++length) {
    const auto l = static_cast<std::size_t>(length);
    if (bits < first_code_beyond_[l]) {
      const auto index = static_cast<std::size_t>((bits >> (16 - length)) + symbol_offset_[l]);
      return (length << 8) | symbols_[index & 0xFF];
    }
  }
  return invalid;
}

void AcDecoder::build(const HuffmanSpec& spec) {
  codes_.build(spec);
  for (std::uint32_t bits = 0; bits < lookup_.size(); ++bits) {
    const std::uint32_t code = codes_.lookup_[bits];
    const std::uint32_t length = code >> 8;
    const std::uint32_t symbol = code & 0xFF;
    const std::uint32_t size = symbol & 15;
    if (code == 0) {
      lookup_[bits] = 0;
    } else if (size == 0 || length + size > lookup_bits) {
      lookup_[bits] = length | (symbol << 8);
    } else {
      const auto raw =
          static_cast<int>((bits >> (lookup_bits - length - size)) & ((1u << size) - 1));
      const int value = extended(raw, static_cast<int>(size));
      lookup_[bits] = (length + size) | (symbol << 8) | (static_cast<std::uint32_t>(value) << 16);
    }
  }
}

HuffmanSpec optimal_spec(const std::array<std::uint32_t, 256>& frequency) {
  // Merge the two rarest trees until one is left; entry 256 reserves the all-ones code.
  // Among equals the later entry counts as rarer, as in T.81's figure K.1.
  constexpr std::size_t entries = 257;
  using Tree = std::pair<std::uint64_t, std::size_t>;  // how often, and its first entry
  const auto is_commoner = [](const Tree& a, const Tree& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  };
  std::priority_queue<Tree, std::vector<Tree>, decltype(is_commoner)> trees(is_commoner);
  trees.emplace(1, 256);
  for (std::size_t i = 0; i < 256; ++i) {
    if (frequency[i] != 0) trees.emplace(frequency[i], i);
  }
  std::array<int, entries> length{};
  std::array<int, entries> next_in_tree;
  next_in_tree.fill(-1);
  while (trees.size() > 1) {
    const Tree kept = trees.top();
    trees.pop();
    const Tree gone = trees.top();
    trees.pop();
    trees.emplace(kept.first + gone.first, kept.second);
    int tail = 0;
    for (int i = static_cast<int>(kept.second); i >= 0;
         i = next_in_tree[static_cast<std::size_t>(i)]) {
      ++length[static_cast<std::size_t>(i)];
      tail = i;
    }
    next_in_tree[static_cast<std::size_t>(tail)] = static_cast<int>(gone.second);
    for (int i = static_cast<int>(gone.second); i >= 0;
         i = next_in_tree[static_cast<std::size_t>(i)]) {
      ++length[static_cast<std::size_t>(i)];
    }
  }

  // Codes above 16 bits are shortened in pairs (figure K.3).
  std::array<int, entries + 1> count_by_length{};
  for (const int l : length) {
    if (l > 0) ++count_by_length[static_cast<std::size_t>(l)];
  }
  for (std::size_t l = entries; l > 16; --l) {
    while (count_by_length[l] > 0) {
      std::size_t shorter = l - 2;
      while (count_by_length[shorter] == 0) --shorter;
      count_by_length[l] -= 2;
      ++count_by_length[l - 1];
      count_by_length[shorter + 1] += 2;
      --count_by_length[shorter];
    }
  }
  std::size_t longest = 16;
  while (count_by_length[longest] == 0) --longest;
  --count_by_length[longest];  // the reserved code

  HuffmanSpec spec;
  for (std::size_t l = 1; l <= 16; ++l) {
    spec.counts[l - 1] = static_cast<std::uint8_t>(count_by_length[l]);
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < 256; ++i) {
    if (frequency[i] != 0) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&length](std::size_t a, std::size_t b) { return length[a] < length[b]; });
  for (const std::size_t symbol : order) {
    spec.symbols[static_cast<std::size_t>(spec.symbol_count++)] = static_cast<std::uint8_t>(symbol);
  }
  return spec;
}

}  // namespace fastload
