#include "read_exactly.h"

#include <unistd.h>

#include <cerrno>

namespace fastload {

int read_exactly(int descriptor, std::uint64_t offset, std::size_t size, std::uint8_t* out) {
  while (size > 0) {
    const ssize_t got = pread(descriptor, out, size, static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (got == 0) return file_too_short;
    out += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return 0;
}

}  // namespace fastload
