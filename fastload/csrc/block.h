// One block of a tile: from bits to coefficients to samples.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "bits.h"
#include "huffman.h"

namespace fastload {

// Blocks whose last coefficient is at most this far along the zigzag have coefficients in
// their upper left 4 x 4 only.
constexpr int last_of_quarter = 9;

struct BlockKernels {
  // Reads one block's coefficients, dequantized, in natural order. Returns the position of
  // the last one (0: only the first), or -1 for damaged data. `block` has to be zero but for
  // its first element.
  int (*read)(BitReader& reader, const HuffmanDecoder& dc, const AcDecoder& ac,
              const std::array<std::uint16_t, 64>& quant, int& prediction, std::int16_t* block);
  // See idct.h.
  void (*idct)(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride);
  void (*idct_quarter)(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride);
};

const BlockKernels& block_kernels_portable();
const BlockKernels& block_kernels_avx2();  // with BMI2's shifts

}  // namespace fastload
