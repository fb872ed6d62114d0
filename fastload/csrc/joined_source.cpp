#include "joined_source.h"

#include <algorithm>
#include <utility>

namespace fastload {

JoinedSource::JoinedSource(std::vector<std::uint32_t> parts, std::vector<std::uint32_t> places,
                           std::vector<std::uint64_t> fingerprints)
    : parts_(std::move(parts)), places_(std::move(places)), fingerprints_(std::move(fingerprints)) {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i] >= sizes_.size()) sizes_.resize(std::size_t{parts_[i]} + 1);
    sizes_[parts_[i]] = std::max(sizes_[parts_[i]], std::size_t{places_[i]} + 1);
  }
  attached_.resize(sizes_.size());
}

bool JoinedSource::attach(std::size_t part, std::shared_ptr<Source> source) {
  if (part >= sizes_.size() || (source && source->size() < sizes_[part])) return false;
  const std::lock_guard<std::mutex> lock(mutex_);
  attached_[part].swap(source);  // what was there goes behind the lock
  return true;
}

std::shared_ptr<Source> JoinedSource::part_of(std::size_t index) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return attached_[parts_[index]];
}

Status JoinedSource::read(std::size_t index, ReadBuffer& buffer, Record& record,
                          std::size_t& bytes_read) {
  const std::shared_ptr<Source> part = part_of(index);
  if (!part) return Status::error(Code::unsupported, "its part is not at hand");
  return part->read(places_[index], buffer, record, bytes_read);
}

void JoinedSource::announce(std::size_t index) {
  if (const std::shared_ptr<Source> part = part_of(index)) part->announce(places_[index]);
}

}  // namespace fastload
