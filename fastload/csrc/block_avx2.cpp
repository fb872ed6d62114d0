#include "block_read.inl"
#include "idct.h"

namespace fastload {

const BlockKernels& block_kernels_avx2() {
  static constexpr BlockKernels kernels = {read_coefficients, idct_avx2, idct_quarter_avx2};
  return kernels;
}

}  // namespace fastload
