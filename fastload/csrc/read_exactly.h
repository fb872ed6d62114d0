// Reading a stretch of a file, whole.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastload {

// The file ends before the stretch does.
constexpr int file_too_short = -1;

// Returns 0, an errno, or file_too_short; then some of `out` may have been written.
int read_exactly(int descriptor, std::uint64_t offset, std::size_t size, std::uint8_t* out);

}  // namespace fastload
