// Several sources under one numbering, such as the shards of a set; some may not be at hand.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "source.h"

namespace fastload {

// Parts come and go while threads read: who reads holds its part meanwhile. A sample whose part is
// not at hand is Code::unsupported, which leaves it to those who can bring the part.
class JoinedSource final : public Source {
 public:
  // Sample i is sample places[i] of part parts[i]; `fingerprints` are what the parts' would be.
  JoinedSource(std::vector<std::uint32_t> parts, std::vector<std::uint32_t> places,
               std::vector<std::uint64_t> fingerprints);

  // False: there is no such part, or it is too small. Null takes a part away.
  bool attach(std::size_t part, std::shared_ptr<Source> source);

  std::size_t size() const override { return parts_.size(); }
  Status read(std::size_t index, ReadBuffer& buffer, Record& record,
              std::size_t& bytes_read) override;
  void announce(std::size_t index) override;
  std::uint64_t fingerprint(std::size_t index) const override { return fingerprints_[index]; }

 private:
  std::shared_ptr<Source> part_of(std::size_t index) const;

  std::vector<std::uint32_t> parts_;
  std::vector<std::uint32_t> places_;
  std::vector<std::uint64_t> fingerprints_;
  std::vector<std::size_t> sizes_;  // of each part, at least
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Source>> attached_;  // guarded by mutex_
};

}  // namespace fastload
