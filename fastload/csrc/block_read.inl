// Compiled twice, for the baseline processor and with BMI2, whose shifts need no fixed register.
// clang-format off
#include "block.h"
#include "frame.h"
// clang-format on

namespace fastload {
namespace {

// Note [symbols between refills]
// Refilling the reader puts a load, a byte swap and a shift between one symbol and the next.
// 56 bits are enough for three symbols that one look-up resolves (10 bits each) and one more
// of any kind (16 + 10), so loops over coefficients refill once for up to four.
constexpr int symbols_between_refills = 3;
static_assert(symbols_between_refills * AcDecoder::lookup_bits + 16 + max_ac_size <= 56);

int read_coefficients(BitReader& position, const HuffmanDecoder& dc, const AcDecoder& ac,
                      const std::array<std::uint16_t, 64>& quant, int& prediction,
                      std::int16_t* block) {
  BitReader reader = position;  // a copy, so that it stays in registers
  if (!reader.refill()) return -1;
  const int dc_size = dc.symbol(reader);
  if (dc_size < 0 || dc_size > max_dc_size) return -1;
  if (dc_size > 0) prediction += reader.value(dc_size);
  block[0] = static_cast<std::int16_t>(prediction * quant[0]);
  int last = 0;
  for (int k = 1; k < 64;) {
    if (!reader.refill()) return -1;
    // See Note [symbols between refills].
    std::uint32_t entry = ac.lookup(reader);
    int value = static_cast<std::int32_t>(entry) >> 16;
    for (int i = 0; i < symbols_between_refills && value != 0; ++i) {
      reader.drop(static_cast<int>(entry & 0xFF));
      k += static_cast<int>((entry >> 12) & 15);
      if (k > 63) return -1;
      const auto at = static_cast<std::size_t>(k);
      block[natural_order[at]] = static_cast<std::int16_t>(value * quant[at]);
      last = k++;
      if (k > 63) break;
      entry = ac.lookup(reader);
      value = static_cast<std::int32_t>(entry) >> 16;
    }
    if (value != 0 || k > 63) continue;
    const int symbol = ac.symbol(reader, entry);
    if (symbol < 0) return -1;
    const int size = symbol & 15;
    k += symbol >> 4;
    if (size == 0) {
      if (symbol != 0xF0) break;
      ++k;
      continue;
    }
    if (k > 63) return -1;
    const auto at = static_cast<std::size_t>(k);
    block[natural_order[at]] = static_cast<std::int16_t>(reader.value(size) * quant[at]);
    last = k++;
  }
  position = reader;
  return last;
}

}  // namespace
}  // namespace fastload
