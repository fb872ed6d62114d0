// The inverse DCT of libjpeg's "islow" method: 8 x 8 coefficients to 8 x 8 samples.
//
// Note [the inverse DCT]
// Loeffler, Ligtenberg and Moschytz's factorization ("Practical fast 1-D DCT algorithms with
// 11 multiplications", ICASSP 1989) in 13-bit fixed point, columns first, with 2 extra bits
// between the passes and rounding only at the end of each pass. Because nothing is rounded
// inside a pass, its odd half may be computed as a plain 4 x 4 matrix of the summed
// constants, which is what both kernels here do: two 16-bit multiply-adds an output.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastload {

// `coefficients` in natural order, dequantized, 32-byte aligned; `out` gets 8 rows of 8
// samples, `stride` bytes apart. Expected: magnitudes as in
// Note [no overflow in the inverse DCT].
void idct_portable(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride);
void idct_avx2(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride);

// The same where all coefficients outside the upper left 4 x 4 are zero.
void idct_quarter_avx2(const std::int16_t* coefficients, std::uint8_t* out, std::ptrdiff_t stride);

// The same for a block whose only coefficient is its first.
void idct_flat(int dc, std::uint8_t* out, std::ptrdiff_t stride);

// Sums of LLM's constants, 13 bits of fraction.
namespace idct_constants {
constexpr int even_26_from_2 = 4433;    // FIX(0.541196100)
constexpr int even_26_from_6 = -10704;  // FIX(0.541196100) - FIX(1.847759065)
constexpr int even_37_from_2 = 10703;   // FIX(0.541196100) + FIX(0.765366865)
constexpr int even_37_from_6 = 4433;
// odd[i][j]: weight of coefficient row 2 * j + 1 in the odd half of outputs 3 - i and 4 + i.
constexpr int odd[4][4] = {{2260, -6436, 9633, -11363},
                           {6437, -11362, 2261, 9633},
                           {9633, -2259, -11362, -6436},
                           {11363, 9633, 6437, 2260}};
constexpr int fraction_bits = 13;
constexpr int pass1_bits = 2;
}  // namespace idct_constants

}  // namespace fastload
