// Walks the marker segments of a JPEG file up to its first scan.
#pragma once

#include "bytes.h"
#include "frame.h"
#include "status.h"

namespace fastload {

struct JpegHeader {
  Frame frame;
  JpegTables tables;
  ColorSpace color_space = ColorSpace::other;
  int restart_interval = 0;  // MCUs; 0: none
  int orientation = 0;       // EXIF value 1 to 8; 0: not stated
  bool baseline = false;     // SOF0, or SOF1 with 8 bits: sequential Huffman coding
  bool progressive = false;
  bool arithmetic = false;
  bool lossless = false;
  bool whole_scan = false;        // the first scan holds all components and coefficients
  bool tables_redefined = false;  // a table is defined twice before the scan
  std::size_t scan_offset = 0;    // first byte of entropy-coded data
};

// Errors: Code::decode where the walk ends without a frame and a scan; Code::limit above
// `max_pixels`. Takes no memory that depends on the file.
Status parse_header(ByteSpan file, std::uint64_t max_pixels, JpegHeader& header);

}  // namespace fastload
