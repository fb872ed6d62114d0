// Rendered pixels of samples, kept in a file for the next epoch and for other processes.
//
// Note [how samples are kept]
// A sample's slot stands at a place that its number in the source gives, so that loaders of any
// order, batch size or part of the source, in any number of processes, find each other's work
// without an index that they would have to agree on. The file is sparse: what was never written
// takes no space, and the space that it does take (st_blocks) is what the budget limits. Whoever
// comes first stays; nothing is ever evicted.
// Nobody locks anything. A slot names its sample, what it was made from (Source::fingerprint), and
// a checksum of all of it, seeded with the file's key: a slot that two writers tore, that was cut
// off, or that is another file's, is a miss, and is written again. The file is read and never
// mapped: a mapped file that someone cuts short kills the process.
// Kept are the 8-bit values before the last table, plane by plane: one file serves every dtype and
// memory format. Tested in tests/core/test_sample_cache.py and tests/loader/test_cache*.py.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "output.h"
#include "source.h"

namespace fastload {

// Raise it with whatever changes a pixel that the core makes, or the layout of a slot.
constexpr int kept_pixels_version = 1;

// One sample on its way out of the cache, or into it. A thread keeps it between samples.
struct KeptSample {
  // Of the source, when the sample was looked up: before it was read. 0: not to be kept.
  std::uint64_t fingerprint = 0;
  bool overwrites = false;  // takes no more space than it has already
  std::vector<std::uint8_t> slot;
};

// Knows its shared_ptr for the reason that Source does.
class SampleCache : public std::enable_shared_from_this<SampleCache> {
 public:
  // The file's first bytes belong to whoever made it.
  static constexpr std::size_t file_header_bytes = 4096;
  static constexpr std::size_t slot_header_bytes = 64;
  static constexpr std::size_t page_bytes = 4096;

  enum class Found : std::uint8_t {
    pixels,   // in `sample`
    room,     // nothing, and the sample may be kept
    nothing,  // nothing, and there is no use in keeping the sample
  };

  // Takes the descriptor over and closes it in the end.
  SampleCache(int descriptor, int channels, int height, int width, std::uint64_t key,
              std::uint64_t budget_bytes, bool writable);
  ~SampleCache();
  SampleCache(const SampleCache&) = delete;
  SampleCache& operator=(const SampleCache&) = delete;

  Found find(const Source& source, std::size_t index, KeptSample& sample) const;
  // Where to render a sample that is to be kept: uint8 planes without a table.
  Output planes(KeptSample& sample) const;
  // Keeps what was rendered there. Nothing that goes wrong here is the caller's concern.
  void keep(std::size_t index, KeptSample& sample);
  // The sample's pixels as `output`, a whole slot of a batch, has them.
  void write(const KeptSample& sample, const Output& output) const;
  // Whether the file probably holds the sample; if so, asks the system to have it in memory soon.
  bool announce(std::size_t index) const;

  bool fits(int channels, int height, int width) const {
    return channels == channels_ && height == height_ && width == width_;
  }
  static std::size_t slot_bytes(int channels, int height, int width);
  // What the file takes now, whoever wrote it; 0 where the system does not say.
  std::uint64_t used_bytes() const;
  // Samples that this process wrote; what stopped it from writing (errno), or 0.
  std::uint64_t written() const { return written_.load(std::memory_order_relaxed); }
  int write_error() const { return write_error_.load(std::memory_order_relaxed); }

 private:
  std::uint64_t offset_of(std::size_t index) const {
    return file_header_bytes + static_cast<std::uint64_t>(index) * slot_bytes_;
  }
  std::size_t pixel_bytes() const;
  std::uint64_t checksum(const KeptSample& sample) const;
  bool has_room(std::uint64_t more_bytes) const;
  // A slot that stands alone may begin and end in a page of its own.
  std::uint64_t most_slot_bytes() const { return slot_bytes_ + 2 * page_bytes; }

  const int descriptor_;
  const int channels_;
  const int height_;
  const int width_;
  const std::uint64_t key_;
  const std::uint64_t budget_bytes_;
  const bool writable_;
  const std::size_t slot_bytes_;
  const std::uint64_t used_at_first_;
  std::atomic<std::uint64_t> added_bytes_{0};    // by this process
  std::atomic<std::uint64_t> pending_bytes_{0};  // reserved for what is being written
  std::atomic<std::uint64_t> written_{0};
  std::atomic<int> write_error_{0};
};

}  // namespace fastload
