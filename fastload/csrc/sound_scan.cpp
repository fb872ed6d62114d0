#include "sound_scan.h"

#include <limits>

#include "scan.h"
#include "symbol_runs.h"

namespace fastload {
namespace {

bool ids_differ(const Frame& frame) {
  for (int c = 1; c < frame.component_count; ++c) {
    for (int before = 0; before < c; ++before) {
      if (frame.at(c).id == frame.at(before).id) return false;
    }
  }
  return true;
}

struct Skipping {
  void entry(std::uint32_t, SkipRuns::Entry, int) {}
  bool symbol(int, std::uint32_t, int) { return true; }
};

// Whether DC values could grow beyond an int, which libjpeg does not expect: only a picture of some
// 67 megapixels has blocks enough for that.
bool dc_can_overflow(const Frame& frame, std::int64_t mcus) {
  constexpr int most_a_block = (1 << max_dc_size) - 1;
  return mcus * frame.max_h * frame.max_v > std::numeric_limits<int>::max() / most_a_block;
}

// The blocks of an MCU: which tables each is read with.
class BlockSkipper {
 public:
  explicit BlockSkipper(const JpegHeader& header) {
    for_each_block(header.frame, [&](std::size_t, const Component& component) {
      blocks_[count_++] = {&dc_.of(header.tables.dc, component.dc),
                           &ac_.of(header.tables.ac, component.ac)};
      return true;
    });
  }

  bool mcu(BitReader& position) const {
    BitReader reader = position;  // a copy, so that it stays in registers
    for (std::size_t i = 0; i < count_; ++i) {
      int difference = 0;
      Skipping skipping;
      if (!read_dc(reader, *blocks_[i].dc, difference) ||
          !read_runs(reader, *blocks_[i].ac, skipping)) {
        return false;
      }
    }
    position = reader;
    return true;
  }

 private:
  struct Block {
    const HuffmanDecoder* dc;
    const SkipRuns* ac;
  };
  BuiltTables<HuffmanDecoder> dc_;
  BuiltTables<SkipRuns> ac_;
  std::array<Block, 10> blocks_{};  // read_whole_scan lets no more pass
  std::size_t count_ = 0;
};

}  // namespace

bool is_plainly_sound(ByteSpan file, const JpegLimits& limits, JpegReport& report) {
  WholeScan whole;
  if (limits.max_scans < 1 || !read_whole_scan(file, limits.max_pixels, whole).ok()) return false;
  const Frame& frame = whole.header.frame;
  const std::int64_t mcus = std::int64_t{frame.mcu_columns()} * frame.mcu_rows();
  if (whole.header.odd_application || !ids_differ(frame) || dc_can_overflow(frame, mcus)) {
    return false;
  }
  const BlockSkipper skipper(whole.header);
  StretchReader reader(whole);
  bool restarted = false;
  for (std::int64_t i = 0; i < mcus; ++i) {
    if (!reader.advance(restarted) || !skipper.mcu(reader.bits())) return false;
  }
  if (!reader.finished()) return false;
  report.width = frame.width;
  report.height = frame.height;
  report.warnings = 0;
  return true;
}

}  // namespace fastload
