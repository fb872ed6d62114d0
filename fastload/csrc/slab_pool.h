// Memory of batches. A slab goes back when its last user lets go, and is handed out again:
// writing into fresh pages costs more than a third of decoding a photo.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace fastload {

class SlabPool : public std::enable_shared_from_this<SlabPool> {
 public:
  // Page-aligned bytes, owned until the pointer and all its copies are gone. Null: no memory.
  std::shared_ptr<std::byte> acquire(std::size_t size);

  // Held by users or waiting to be used again.
  std::size_t total_bytes() const;
  // Frees what waits to be used again, and what is in use once it comes back.
  void trim();
  // The same, for ever.
  void close();

 private:
  void give_back(std::byte* data, std::size_t size, std::uint64_t trims);
  void free_waiting(bool closing);

  int process_ = getpid();  // in a forked child the mutex may be held by nobody who is there
  mutable std::mutex mutex_;
  std::multimap<std::size_t, std::byte*> free_;
  std::size_t total_bytes_ = 0;
  std::uint64_t trims_ = 0;
  bool closed_ = false;
};

}  // namespace fastload
