// Copies many stretches of memory, as a snapshot of a training state is.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastload {

// Addresses and bytes; the stretches of one call do not overlap.
struct CopyPiece {
  std::uint64_t target;
  std::uint64_t source;
  std::uint64_t size;
};

// Copies all with at most `threads` threads, the calling one included; throws std::bad_alloc.
// Helping threads are waited for only while they copy: one that the system has not yet let run when
// nothing is left to copy holds nobody up.
void copy_memory(const CopyPiece* pieces, std::size_t count, int threads);

}  // namespace fastload
