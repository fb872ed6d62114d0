#include "libjpeg_decode.h"

#include <csetjmp>
#include <cstdio>
#include <cstring>

// jpeglib.h needs size_t and FILE to be declared before it.
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "markers.h"
#include "sound_scan.h"

namespace fastload {
namespace {

// libjpeg's texts by their code: jerror.h is made to be included for them, too.
#define JCOPYRIGHT_SHORT ""  // of two messages that are never given
#define JVERSION ""
constexpr const char* messages[] = {
#define JMESSAGE(code, text) text,
#include <jerror.h>
};

// Note [libjpeg error handling]
// libjpeg reports errors by calling error_exit, which must not return; here it jumps back to
// the setjmp in guarded(). A jump across a frame skips the destructors in it, so everything
// between setjmp and longjmp works on the plain structs below, and rows that are needed on
// the way come from libjpeg's own pools, which jpeg_destroy_decompress frees. The message
// stays in a fixed buffer until the jump has landed. No call is left to jpeg_std_error, whose
// functions print: Debian's archive has them in the one object that no shared library can take.
// test_hostile.py feeds it every kind of damage, also under sanitizers.
struct Session {
  jpeg_decompress_struct decompressor;
  jpeg_error_mgr errors;
  jpeg_source_mgr source;
  jpeg_progress_mgr progress;
  std::jmp_buf landing;
  int max_scans;
  bool too_many_scans;
  bool exhausted;
  char message[JMSG_LENGTH_MAX];
};

Session& session_of(j_common_ptr common) { return *static_cast<Session*>(common->client_data); }

void format_message(j_common_ptr common, char* buffer) {
  const jpeg_error_mgr& errors = *common->err;
  const auto code = static_cast<std::size_t>(errors.msg_code);
  const char* text = messages[code < std::size(messages) ? code : 0];
  if (std::strstr(text, "%s") != nullptr) {
    std::snprintf(buffer, JMSG_LENGTH_MAX, text, errors.msg_parm.s);
  } else {
    const int* i = errors.msg_parm.i;
    std::snprintf(buffer, JMSG_LENGTH_MAX, text, i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7]);
  }
}

void jump_out(j_common_ptr common) {
  Session& session = session_of(common);
  format_message(common, session.message);
  std::longjmp(session.landing, 1);
}

void count_warning(j_common_ptr common, int level) {
  if (level < 0) ++common->err->num_warnings;
}

void no_output(j_common_ptr) {}

void forget_warnings(j_common_ptr common) {
  common->err->num_warnings = 0;
  common->err->msg_code = 0;
}

void no_operation(j_decompress_ptr) {}

// The whole file is in memory from the start, so being asked for more means that it is cut
// short. FALSE suspends, as in Pillow: rows that are complete are still given.
boolean end_of_file(j_decompress_ptr decompressor) {
  session_of(reinterpret_cast<j_common_ptr>(decompressor)).exhausted = true;
  return FALSE;
}

void skip_bytes(j_decompress_ptr decompressor, long count) {
  jpeg_source_mgr* source = decompressor->src;
  if (count <= 0) return;
  const std::size_t step = std::min(static_cast<std::size_t>(count), source->bytes_in_buffer);
  source->next_input_byte += step;
  source->bytes_in_buffer -= step;
}

void check_scans(j_common_ptr common) {
  Session& session = session_of(common);
  if (session.decompressor.input_scan_number <= session.max_scans) return;
  session.too_many_scans = true;
  std::snprintf(session.message, sizeof session.message, "more than %d scans", session.max_scans);
  std::longjmp(session.landing, 1);
}

void open(Session& session, ByteSpan file, const JpegLimits& limits) {
  std::memset(&session, 0, sizeof session);
  jpeg_decompress_struct& d = session.decompressor;
  d.err = &session.errors;
  session.errors.error_exit = jump_out;
  session.errors.emit_message = count_warning;
  session.errors.output_message = no_output;
  session.errors.format_message = format_message;
  session.errors.reset_error_mgr = forget_warnings;
  session.max_scans = limits.max_scans;
  session.progress.progress_monitor = check_scans;
  session.source.init_source = no_operation;
  session.source.fill_input_buffer = end_of_file;
  session.source.skip_input_data = skip_bytes;
  session.source.resync_to_restart = jpeg_resync_to_restart;
  session.source.term_source = no_operation;
  session.source.next_input_byte = file.data;
  session.source.bytes_in_buffer = file.size;
  d.client_data = &session;
}

bool is_beyond_this_library(int error) {
  return error == JERR_SOF_UNSUPPORTED || error == JERR_ARITH_NOTIMPL ||
         error == JERR_BAD_PRECISION || error == JERR_NOT_COMPILED ||
         error == JERR_FRACT_SAMPLE_NOTIMPL || error == JERR_CONVERSION_NOTIMPL;
}

Status cut_short() {
  return Status::error(Code::decode, "the JPEG file is cut short: it ends before its last row");
}

// Runs work(decompressor, row buffer), which may jump out at any call to libjpeg. The status
// it leaves is used only where it returned.
template <typename Work>
Status guarded(ByteSpan file, const JpegLimits& limits, long& warnings, Work work) {
  Session session;
  open(session, file, limits);
  jpeg_decompress_struct& d = session.decompressor;
  // Read after the jump, hence volatile.
  const char* volatile failure = nullptr;
  if (setjmp(session.landing) == 0) {
    jpeg_create_decompress(&d);
    d.client_data = &session;
    d.src = &session.source;
    d.progress = &session.progress;
    failure = work(d, session);
  } else {
    failure = session.message;
  }
  warnings = session.errors.num_warnings;
  const int error = session.errors.msg_code;
  jpeg_destroy_decompress(&d);
  if (failure == nullptr) return Status::success();
  if (failure[0] == '\0') return cut_short();
  if (failure != session.message) return Status::error(Code::unsupported, failure);
  if (session.too_many_scans) return Status::error(Code::limit, session.message);
  return Status::error(is_beyond_this_library(error) ? Code::unsupported : Code::decode,
                       std::string("libjpeg-turbo: ") + session.message);
}

constexpr const char* suspended = "";

// Whether a progressive file leaves some coefficient coarser than its quantizer. libjpeg then
// guesses at what is missing, and 2.1 guesses otherwise than 3.x, which Pillow bundles.
bool lacks_scans(const jpeg_decompress_struct& d) {
  if (d.coef_bits == nullptr) return false;
  for (int c = 0; c < d.num_components; ++c) {
    for (int k = 0; k < DCTSIZE2; ++k) {
      if (d.coef_bits[c][k] != 0) return true;
    }
  }
  return false;
}

// A scan walks over all of the picture even where the file has not a byte for it: 7 KB of empty
// scans over 170 megapixels took 19 s. Encoders write about 10; each picture may have 20, and
// smaller ones as many as cost no more than that.
int scans_in_time(const jpeg_decompress_struct& d) {
  constexpr std::uint64_t most = 20 * JpegLimits{}.max_pixels;
  const std::uint64_t pixels = std::uint64_t{d.image_width} * d.image_height;
  return static_cast<int>(std::clamp<std::uint64_t>(most / std::max<std::uint64_t>(pixels, 1), 20,
                                                    std::numeric_limits<int>::max()));
}

// Reads the header and starts to decode to RGBX. Returns what guarded() takes as a failure.
const char* start(jpeg_decompress_struct& d, Session& session, const JpegLimits& limits,
                  bool& too_large) {
  int header = JPEG_SUSPENDED;
  do {
    header = jpeg_read_header(&d, FALSE);
  } while (header == JPEG_HEADER_TABLES_ONLY && !session.exhausted);
  if (header != JPEG_HEADER_OK) return suspended;
  too_large = static_cast<std::uint64_t>(d.image_width) * d.image_height > limits.max_pixels;
  if (too_large) return suspended;
  session.max_scans = std::min(session.max_scans, scans_in_time(d));
  const bool three =
      d.num_components == 3 && (d.jpeg_color_space == JCS_YCbCr || d.jpeg_color_space == JCS_RGB);
  const bool one = d.num_components == 1 && d.jpeg_color_space == JCS_GRAYSCALE;
  if (!three && !one) return "its colours are neither gray nor YCbCr nor RGB";
  d.out_color_space = JCS_EXT_RGBX;
  d.dct_method = JDCT_ISLOW;
  d.do_fancy_upsampling = TRUE;
  if (!jpeg_start_decompress(&d)) return suspended;
  return lacks_scans(d) ? "it lacks scans, which each version of libjpeg smooths in its own way"
                        : nullptr;
}

JSAMPROW row_buffer(jpeg_decompress_struct& d) {
  const auto bytes = static_cast<std::size_t>(d.output_width) * 4;
  return static_cast<JSAMPROW>(
      d.mem->alloc_large(reinterpret_cast<j_common_ptr>(&d), JPOOL_IMAGE, bytes));
}

Status above_limit(const JpegReport& report, const JpegLimits& limits) {
  return Status::error(Code::limit, "the picture has " + std::to_string(report.width) + " x " +
                                        std::to_string(report.height) +
                                        " pixels, above the limit of " +
                                        std::to_string(limits.max_pixels));
}

// libjpeg changes its upsampling for very narrow crops, so none is narrower than this.
constexpr int min_crop_width = 64;

}  // namespace

Status check_jpeg(ByteSpan file, const JpegLimits& limits, JpegReport& report) {
  if (is_plainly_sound(file, limits, report)) return Status::success();
  return check_jpeg_by_decoding(file, limits, report);
}

Status check_jpeg_by_decoding(ByteSpan file, const JpegLimits& limits, JpegReport& report) {
  // libjpeg skips bytes in search of a marker; Pillow knows a JPEG by its first three.
  if (file.size < 3 || file.data[0] != 0xFF || file.data[1] != 0xD8 || file.data[2] != 0xFF) {
    return Status::error(Code::decode, "not a JPEG: expected it to start with FF D8 FF");
  }
  JpegHeader header;
  const bool parsed = parse_header(file, limits.max_pixels, header).ok();
  if (parsed && (header.strays || find_ending(file, header.scan_offset) == Ending::odd)) {
    return Status::error(Code::unsupported,
                         "markers where none belong, which each version of "
                         "libjpeg, and Pillow, take in their own way");
  }
  bool too_large = false;
  const auto work = [&](jpeg_decompress_struct& d, Session& session) -> const char* {
    const char* failure = start(d, session, limits, too_large);
    report.width = static_cast<int>(d.image_width);
    report.height = static_cast<int>(d.image_height);
    if (failure != nullptr) return failure;
    JSAMPROW row = row_buffer(d);
    while (d.output_scanline < d.output_height) {
      if (jpeg_read_scanlines(&d, &row, 1) != 1) return suspended;
    }
    jpeg_finish_decompress(&d);  // a missing end marker is no error, as in Pillow
    return nullptr;
  };
  Status status = guarded(file, limits, report.warnings, work);
  return too_large ? above_limit(report, limits) : status;
}

Status decode_jpeg(ByteSpan file, const JpegLimits& limits, int height, int width,
                   const Window& region, std::uint8_t* rgbx, std::ptrdiff_t stride) {
  bool too_large = false;
  JpegReport report;
  const auto work = [&](jpeg_decompress_struct& d, Session& session) -> const char* {
    const char* failure = start(d, session, limits, too_large);
    report.width = static_cast<int>(d.image_width);
    report.height = static_cast<int>(d.image_height);
    if (failure != nullptr) return failure;
    if (report.width != width || report.height != height) return "its size is not the one stated";
    // One more pixel on each side, so that upsampling sees its neighbours.
    int left = std::max(region.left - 1, 0);
    const int right =
        std::min(std::max(region.left + region.width + 1, left + min_crop_width), width);
    left = std::min(left, std::max(right - min_crop_width, 0));
    auto offset = static_cast<JDIMENSION>(left);
    auto columns = static_cast<JDIMENSION>(right - left);
    jpeg_crop_scanline(&d, &offset, &columns);
    const int skipped = std::max(region.top - 1, 0);
    if (skipped > 0 && jpeg_skip_scanlines(&d, static_cast<JDIMENSION>(skipped)) !=
                           static_cast<JDIMENSION>(skipped)) {
      return suspended;
    }
    JSAMPROW row = row_buffer(d);
    const std::size_t first = 4 * static_cast<std::size_t>(region.left - static_cast<int>(offset));
    const std::size_t bytes = 4 * static_cast<std::size_t>(region.width);
    for (int y = skipped; y < region.top + region.height; ++y) {
      if (jpeg_read_scanlines(&d, &row, 1) != 1) return suspended;
      if (y >= region.top) std::memcpy(rgbx + (y - region.top) * stride, row + first, bytes);
    }
    return nullptr;  // the rest of the file is not read
  };
  long warnings = 0;
  Status status = guarded(file, limits, warnings, work);
  return too_large ? above_limit(report, limits) : status;
}

const char* libjpeg_turbo_version() {
#define FASTLOAD_TEXT(value) FASTLOAD_TEXT_OF(value)
#define FASTLOAD_TEXT_OF(value) #value
  return FASTLOAD_TEXT(LIBJPEG_TURBO_VERSION);
#undef FASTLOAD_TEXT
#undef FASTLOAD_TEXT_OF
}

}  // namespace fastload
