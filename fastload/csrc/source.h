// Where samples' bytes come from: a store's file, or a list of files.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "record.h"

namespace fastload {

// Memory that a thread reads into; it only grows. `slack` readable bytes follow the bytes.
struct ReadBuffer {
  static constexpr std::size_t slack = 64;
  std::vector<std::uint8_t> bytes;
};

// Knows its shared_ptr, as Recipe does: without that, one that comes from Python would count the
// Python object, and the thread that lets go last, under the engine's mutex, would want the GIL.
class Source : public std::enable_shared_from_this<Source> {
 public:
  virtual ~Source() = default;
  virtual std::size_t size() const = 0;
  // Reads sample `index` into `buffer`; the record points into it. Adds to `bytes_read`.
  // Code::unsupported: Pillow has to decode it.
  virtual Status read(std::size_t index, ReadBuffer& buffer, Record& record,
                      std::size_t& bytes_read) = 0;
  // Asks the system to have the sample in memory soon. Only a hint.
  virtual void announce(std::size_t index) = 0;
  // Changes with the sample's bytes; found without reading them. Another source's sample may have
  // the same. 0: not known, or not for certain.
  virtual std::uint64_t fingerprint(std::size_t index) const = 0;
};

class StoreSource final : public Source {
 public:
  // Takes the descriptor over and closes it in the end.
  StoreSource(int descriptor, std::vector<std::uint64_t> offsets,
              std::vector<std::uint64_t> lengths);
  ~StoreSource() override;
  StoreSource(const StoreSource&) = delete;
  StoreSource& operator=(const StoreSource&) = delete;

  std::size_t size() const override { return offsets_.size(); }
  Status read(std::size_t index, ReadBuffer& buffer, Record& record,
              std::size_t& bytes_read) override;
  void announce(std::size_t index) override;
  // A store's records never change; another packing is another source.
  std::uint64_t fingerprint(std::size_t index) const override { return lengths_[index]; }

 private:
  int descriptor_;
  std::vector<std::uint64_t> offsets_;
  std::vector<std::uint64_t> lengths_;
  // A body's checksum is looked at once a process; one bit a record.
  std::vector<std::atomic<std::uint8_t>> verified_;
};

class FileSource final : public Source {
 public:
  explicit FileSource(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  std::size_t size() const override { return paths_.size(); }
  Status read(std::size_t index, ReadBuffer& buffer, Record& record,
              std::size_t& bytes_read) override;
  void announce(std::size_t) override {}  // would have to open it
  // Of what the system says about the file.
  std::uint64_t fingerprint(std::size_t index) const override;

 private:
  std::vector<std::string> paths_;
};

}  // namespace fastload
