#include "slab_pool.h"

#include <sys/mman.h>

namespace fastload {
namespace {

std::size_t whole_pages(std::size_t size) {
  constexpr std::size_t page = 4096;
  return (size + page - 1) / page * page;
}

}  // namespace

std::shared_ptr<std::byte> SlabPool::acquire(std::size_t size) {
  std::size_t bytes = whole_pages(size == 0 ? 1 : size);
  std::byte* data = nullptr;
  std::uint64_t trims = 0;
  std::multimap<std::size_t, std::byte*> too_small;
  {
    const std::lock_guard lock(mutex_);
    trims = trims_;
    // A larger slab will do (an epoch's last batch is smaller); smaller ones never will, and
    // would only add up where sizes differ from batch to batch.
    if (auto found = free_.lower_bound(bytes); found != free_.end()) {
      bytes = found->first;
      data = found->second;
      free_.erase(found);
    } else {
      too_small.swap(free_);
      for (const auto& slab : too_small) total_bytes_ -= slab.first;
      total_bytes_ += bytes;
    }
  }
  for (const auto& [small, slab] : too_small) munmap(slab, small);
  if (data == nullptr) {
    void* fresh = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fresh == MAP_FAILED) {
      const std::lock_guard lock(mutex_);
      total_bytes_ -= bytes;
      return nullptr;
    }
#ifdef MADV_HUGEPAGE
    madvise(fresh, bytes, MADV_HUGEPAGE);  // fewer faults; only a hint
#endif
    data = static_cast<std::byte*>(fresh);
  }
  return {data, [pool = shared_from_this(), bytes, trims](std::byte* p) {
            pool->give_back(p, bytes, trims);
          }};
}

void SlabPool::give_back(std::byte* data, std::size_t size, std::uint64_t trims) {
  if (getpid() == process_) {
    const std::lock_guard lock(mutex_);
    if (!closed_ && trims == trims_) {
      free_.emplace(size, data);
      return;
    }
    total_bytes_ -= size;
  }
  munmap(data, size);
}

std::size_t SlabPool::total_bytes() const {
  const std::lock_guard lock(mutex_);
  return total_bytes_;
}

void SlabPool::trim() { free_waiting(false); }

void SlabPool::close() { free_waiting(true); }

void SlabPool::free_waiting(bool closing) {
  std::multimap<std::size_t, std::byte*> gone;
  {
    const std::lock_guard lock(mutex_);
    closed_ = closed_ || closing;
    ++trims_;
    gone.swap(free_);
    for (const auto& [size, data] : gone) total_bytes_ -= size;
  }
  for (const auto& [size, data] : gone) munmap(data, size);
}

}  // namespace fastload
