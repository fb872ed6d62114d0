#include "upsample_kernels.inl"

namespace fastload {
const UpsampleKernels& upsample_kernels_avx2() { return kernels; }
}  // namespace fastload
