#include "block_read.inl"
#include "idct.h"

namespace fastload {

const BlockKernels& block_kernels_portable() {
  static constexpr BlockKernels kernels = {read_coefficients, idct_portable, idct_portable};
  return kernels;
}

}  // namespace fastload
