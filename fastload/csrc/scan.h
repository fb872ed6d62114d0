// Entropy-coded data of a sequential JPEG scan: its stretches between restart markers, and
// reading it strictly (anything odd is refused, not repaired).
#pragma once

#include <memory>
#include <vector>

#include "bits.h"
#include "frame.h"
#include "markers.h"
#include "status.h"

namespace fastload {

// The scan without byte stuffing and markers. 8 readable bytes follow the last stretch.
struct PlainScan {
  std::unique_ptr<std::uint8_t[]> bytes;
  std::vector<std::size_t> starts;  // of each stretch in `bytes`, and the end of the last
  std::size_t end_offset = 0;       // in the file: the marker behind the scan, or its end

  ByteSpan stretch(std::size_t i) const {
    return {bytes.get() + starts[i], starts[i + 1] - starts[i]};
  }
  std::size_t size() const { return starts.back(); }
};

// Expected: exactly `stretches` of them, parted by RST0, RST1, ... in turn.
Status read_plain_scan(ByteSpan file, std::size_t scan_offset, std::size_t stretches,
                       PlainScan& scan);

// Whether all Huffman tables that the frame's components name are there and usable.
bool tables_are_sound(const Frame& frame, const JpegTables& tables);

// A baseline file of one scan that holds all of the picture and that the end marker follows.
struct WholeScan {
  JpegHeader header;  // of a lone component, without its sampling factors
  PlainScan scan;
  std::size_t mcus_per_stretch = 0;
};

// Everything is checked but the entropy-coded data itself. Code::not_tileable where the file is
// not of that kind, or might be read in another way by libjpeg.
Status read_whole_scan(ByteSpan file, std::uint64_t max_pixels, WholeScan& whole);

// Whether nothing but the ones that fill the last byte is left.
bool ends_clean(BitReader& reader);

// A reader that goes from one stretch of a scan to the next.
class StretchReader {
 public:
  explicit StretchReader(const WholeScan& whole) : whole_(whole), bits_(whole.scan.stretch(0)) {}

  // To be called before each MCU. False where the stretch before did not end clean; true in
  // `restarted` where this MCU is the first of its stretch, but not of the first.
  bool advance(bool& restarted) {
    restarted = mcus_in_stretch_ == whole_.mcus_per_stretch;
    if (restarted) {
      if (!ends_clean(bits_)) return false;
      bits_ = BitReader(whole_.scan.stretch(++index_));
      mcus_in_stretch_ = 0;
    }
    ++mcus_in_stretch_;
    return true;
  }
  BitReader& bits() { return bits_; }
  bool finished() { return ends_clean(bits_); }

 private:
  const WholeScan& whole_;
  BitReader bits_;
  std::size_t index_ = 0;
  std::size_t mcus_in_stretch_ = 0;
};

}  // namespace fastload
