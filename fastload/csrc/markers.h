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
  bool strays = false;            // something other than segments stands before the scan
  bool foreign_segments = false;  // segments stand before the scan that baseline JPEG lacks
  bool odd_application = false;   // a JFIF or Adobe segment that libjpeg warns of
  std::size_t scan_offset = 0;    // first byte of entropy-coded data
};

// How a file goes on behind its first scan's header: to its end marker, without one, or by way of
// a marker that has no business there, such as a second frame's.
enum class Ending { marked, missing, odd };

// Errors: Code::decode where the walk ends without a frame and a scan; Code::limit above
// `max_pixels`. Takes no memory that depends on the file.
Status parse_header(ByteSpan file, std::uint64_t max_pixels, JpegHeader& header);

// Looks at every marker from `scan_offset` on, and at none behind the first end marker.
Ending find_ending(ByteSpan file, std::size_t scan_offset);

}  // namespace fastload
