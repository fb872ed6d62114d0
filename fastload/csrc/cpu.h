// Which instruction set the kernels use. Both choices give the same bits.
#pragma once

#include <string>

namespace fastload {

// "avx2" or "portable". Settled at first use from what the processor offers.
const char* simd_name();

// Chooses by name; false (and no change) where the name is unknown or the processor or the
// build cannot run it. Meant for tests and benchmarks, not for use while kernels run.
bool set_simd(const std::string& name);

// Whether the kernels of *_avx2.cpp are to be called.
bool use_avx2();

}  // namespace fastload
