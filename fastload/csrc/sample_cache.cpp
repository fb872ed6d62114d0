#include "sample_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "hash.h"
#include "read_exactly.h"

namespace fastload {
namespace {

constexpr std::uint64_t slot_magic = 0x31544F4C53434C46;  // "FLCSLOT1"
constexpr std::size_t alignment = 64;

// A slot's header: magic, index, fingerprint, checksum, zeros. All u64.
constexpr std::size_t named_bytes = 24;  // what the checksum covers beside the pixels

// 0, or an errno.
int write_fully(int descriptor, std::uint64_t offset, std::size_t size, const std::uint8_t* data) {
  while (size > 0) {
    const ssize_t put = pwrite(descriptor, data, size, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    if (put == 0) return ENOSPC;
    data += put;
    offset += static_cast<std::uint64_t>(put);
    size -= static_cast<std::size_t>(put);
  }
  return 0;
}

std::uint64_t allocated_bytes(int descriptor) {
  struct stat info{};
  return fstat(descriptor, &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) * 512 : 0;
}

}  // namespace

SampleCache::SampleCache(int descriptor, int channels, int height, int width, std::uint64_t key,
                         std::uint64_t budget_bytes, bool writable)
    : descriptor_(descriptor),
      channels_(channels),
      height_(height),
      width_(width),
      key_(key),
      budget_bytes_(budget_bytes),
      writable_(writable),
      slot_bytes_(slot_bytes(channels, height, width)),
      used_at_first_(allocated_bytes(descriptor)) {
#ifdef POSIX_FADV_RANDOM
  // Or looking for a sample that is not there would have the system read ahead: 36 us an image.
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
#endif
}

SampleCache::~SampleCache() { ::close(descriptor_); }

std::size_t SampleCache::slot_bytes(int channels, int height, int width) {
  const std::size_t size = slot_header_bytes + static_cast<std::size_t>(channels) *
                                                   static_cast<std::size_t>(height) *
                                                   static_cast<std::size_t>(width);
  return (size + alignment - 1) / alignment * alignment;
}

std::size_t SampleCache::pixel_bytes() const {
  return static_cast<std::size_t>(channels_) * static_cast<std::size_t>(height_) *
         static_cast<std::size_t>(width_);
}

std::uint64_t SampleCache::used_bytes() const { return allocated_bytes(descriptor_); }

// Some file systems tell late what a file takes, so this process counts for itself as well.
bool SampleCache::has_room(std::uint64_t more_bytes) const {
  const std::uint64_t pending = pending_bytes_.load(std::memory_order_acquire);
  const std::uint64_t counted = used_at_first_ + added_bytes_.load(std::memory_order_relaxed);
  return std::max(counted, used_bytes()) + pending + more_bytes <= budget_bytes_;
}

std::uint64_t SampleCache::checksum(const KeptSample& sample) const {
  const std::uint8_t* slot = sample.slot.data();
  return xxh3_64({slot + slot_header_bytes, pixel_bytes()}, key_ ^ xxh3_64({slot, named_bytes}));
}

SampleCache::Found SampleCache::find(const Source& source, std::size_t index,
                                     KeptSample& sample) const {
  sample.fingerprint = source.fingerprint(index);
  sample.overwrites = false;
  if (sample.fingerprint == 0) return Found::nothing;
  sample.slot.resize(slot_bytes_);
  std::uint8_t* slot = sample.slot.data();
  // The header alone first: most of what was never written need not be read.
  const std::uint64_t offset = offset_of(index);
  if (read_exactly(descriptor_, offset, slot_header_bytes, slot) == 0 &&
      load_le<std::uint64_t>(slot) == slot_magic) {
    if (load_le<std::uint64_t>(slot + 8) == index &&
        load_le<std::uint64_t>(slot + 16) == sample.fingerprint &&
        read_exactly(descriptor_, offset + slot_header_bytes, pixel_bytes(),
                     slot + slot_header_bytes) == 0 &&
        load_le<std::uint64_t>(slot + 24) == checksum(sample)) {
      return Found::pixels;
    }
    sample.overwrites = true;
  }
  if (!writable_ || write_error() != 0) return Found::nothing;
  return sample.overwrites || has_room(most_slot_bytes()) ? Found::room : Found::nothing;
}

Output SampleCache::planes(KeptSample& sample) const {
  sample.slot.resize(slot_bytes_);
  return {sample.slot.data() + slot_header_bytes,
          DType::uint8,
          channels_,
          std::int64_t{height_} * width_,
          width_,
          1,
          nullptr};
}

void SampleCache::keep(std::size_t index, KeptSample& sample) {
  std::uint8_t* slot = sample.slot.data();
  std::fill_n(slot, slot_header_bytes, std::uint8_t{0});
  store_le(slot, slot_magic);
  store_le(slot + 8, static_cast<std::uint64_t>(index));
  store_le(slot + 16, sample.fingerprint);
  store_le(slot + 24, checksum(sample));
  // Reserved before room is looked for, so that threads together stay within the budget.
  const std::uint64_t more = sample.overwrites ? 0 : most_slot_bytes();
  pending_bytes_.fetch_add(more, std::memory_order_acq_rel);
  if (sample.overwrites || has_room(0)) {
    const int error = write_fully(descriptor_, offset_of(index), slot_bytes_, slot);
    if (error == 0) {
      written_.fetch_add(1, std::memory_order_relaxed);
      if (!sample.overwrites) added_bytes_.fetch_add(slot_bytes_, std::memory_order_relaxed);
    } else {
      write_error_.store(error, std::memory_order_relaxed);
    }
  }
  pending_bytes_.fetch_sub(more, std::memory_order_acq_rel);
}

void SampleCache::write(const KeptSample& sample, const Output& output) const {
  // Slots of batches are contiguous, so that all rows are one.
  const std::int64_t pixels = std::int64_t{height_} * width_;
  PlaneRow row;
  row.width = static_cast<int>(pixels);
  const std::uint8_t* first = sample.slot.data() + slot_header_bytes;
  for (int c = 0; c < channels_; ++c) row.planes[c] = first + c * pixels;
  write_row(output, 0, row, Fill{});
}

bool SampleCache::announce(std::size_t index) const {
#if defined(SEEK_DATA) && defined(POSIX_FADV_WILLNEED)
  const auto offset = static_cast<off_t>(offset_of(index));
  // Its first page may be there for its neighbour's sake, so ask for the middle.
  const off_t middle = offset + static_cast<off_t>(slot_bytes_ / 2);
  if (lseek(descriptor_, middle, SEEK_DATA) != middle) return false;
  posix_fadvise(descriptor_, offset, static_cast<off_t>(slot_bytes_), POSIX_FADV_WILLNEED);
  return true;
#else
  (void)index;
  return false;
#endif
}

}  // namespace fastload
