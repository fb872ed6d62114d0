// Entropy-coded data of a sequential JPEG scan: its stretches between restart markers, and
// reading it block by block, strictly (anything odd is refused, not repaired).
#pragma once

#include <cstdlib>
#include <vector>

#include "bits.h"
#include "frame.h"
#include "huffman.h"
#include "status.h"

namespace fastload {

constexpr int max_dc_size = 11;  // T.81, tables F.1 and F.2, for 8-bit samples
constexpr int max_ac_size = 10;

// Note [symbols between refills]
// Refilling the reader puts a load, a byte swap and a shift between one symbol and the next.
// 56 bits are enough for three symbols that one look-up resolves (10 bits each) and one more
// of any kind (16 + 10), so loops over coefficients refill once for up to four.
constexpr int symbols_between_refills = 3;
static_assert(symbols_between_refills * AcDecoder::lookup_bits + 16 + max_ac_size <= 56);

// The scan without byte stuffing and markers. 8 readable bytes follow the last stretch.
struct PlainScan {
  std::vector<std::uint8_t> bytes;
  std::vector<std::size_t> starts;  // of each stretch in `bytes`, and the end of the last
  std::size_t end_offset = 0;       // in the file: the marker behind the scan, or its end

  ByteSpan stretch(std::size_t i) const {
    return {bytes.data() + starts[i], starts[i + 1] - starts[i]};
  }
};

// Expected: exactly `stretches` of them, parted by RST0, RST1, ... in turn.
Status read_plain_scan(ByteSpan file, std::size_t scan_offset, std::size_t stretches,
                       PlainScan& scan);

// The decoders of a frame's components, one per table in use.
struct ScanDecoders {
  std::array<HuffmanDecoder, 4> dc;
  std::array<AcDecoder, 4> ac;

  // Builds those that the frame's components name; false where one is missing or unsound.
  bool build(const Frame& frame, const JpegTables& tables);
};

// Reads one block and tells `sink` what it holds: sink.dc(difference) once, then
// sink.ac(k, symbol, value bits, value) for each coefficient that is not zero, for each run
// of 16 zeros (symbol F0) and for the end of block (symbol 00).
// False: a code that is not in the table, or values that baseline JPEG does not have.
// Inlined, so that a sink in a local variable lives in registers.
template <typename Sink>
__attribute__((always_inline)) inline bool read_block(BitReader& position, const HuffmanDecoder& dc,
                                                      const AcDecoder& ac, Sink& sink) {
  BitReader reader = position;  // a copy, so that it stays in registers
  if (!reader.refill()) return false;
  const int dc_size = dc.symbol(reader);
  if (dc_size < 0 || dc_size > max_dc_size) return false;
  sink.dc(dc_size == 0 ? 0 : reader.value(dc_size));
  for (int k = 1; k < 64;) {
    if (!reader.refill()) return false;
    std::uint32_t entry = ac.lookup(reader);
    int value = static_cast<std::int32_t>(entry) >> 16;
    for (int i = 0; i < symbols_between_refills && value != 0; ++i) {
      const int symbol = static_cast<int>((entry >> 8) & 0xFF);
      const int length = static_cast<int>(entry & 0xFF);
      const std::uint32_t bits = reader.peek(length) & ((1u << (symbol & 15)) - 1);
      reader.drop(length);
      k += symbol >> 4;
      if (k > 63) return false;
      sink.ac(k++, symbol, bits, value);
      if (k > 63) break;
      entry = ac.lookup(reader);
      value = static_cast<std::int32_t>(entry) >> 16;
    }
    if (value != 0 || k > 63) continue;
    const int symbol = ac.symbol(reader, entry);
    const int run = symbol >> 4;
    const int size = symbol & 15;
    if (symbol < 0 || size > max_ac_size) return false;
    if (size == 0) {
      if (run == 0) {
        sink.ac(k, symbol, 0, 0);
        break;
      }
      k += 16;
      if (run != 15 || k > 63) return false;
      sink.ac(k, symbol, 0, 0);
      continue;
    }
    k += run;
    if (k > 63) return false;
    const std::uint32_t bits = reader.peek(size);
    sink.ac(k++, symbol, bits, reader.value(size));
  }
  position = reader;
  return !position.overrun();
}

// Whether nothing but the ones that fill the last byte is left.
bool ends_clean(BitReader& reader);

}  // namespace fastload
