#include "cpu.h"

#include <atomic>

#include "resample.h"

namespace fastload {
namespace {

enum class Simd : int { undecided, portable, avx2 };

std::atomic<Simd> current{Simd::undecided};

bool has_avx2() {
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
  return avx2_compiled() && __builtin_cpu_supports("avx2") != 0;
#else
  return false;
#endif
}

Simd decide() {
  Simd simd = current.load(std::memory_order_relaxed);
  if (simd == Simd::undecided) {
    simd = has_avx2() ? Simd::avx2 : Simd::portable;
    current.store(simd, std::memory_order_relaxed);
  }
  return simd;
}

}  // namespace

bool use_avx2() { return decide() == Simd::avx2; }

const char* simd_name() { return use_avx2() ? "avx2" : "portable"; }

bool set_simd(const std::string& name) {
  if (name == "portable") {
    current.store(Simd::portable, std::memory_order_relaxed);
    return true;
  }
  if (name == "avx2" && has_avx2()) {
    current.store(Simd::avx2, std::memory_order_relaxed);
    return true;
  }
  return false;
}

}  // namespace fastload
