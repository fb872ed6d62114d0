// Everything that reads bytes from outside, as a libFuzzer target (tools/fuzz_native builds and
// runs it) and, built as the other tests here, as a short self-test: without arguments it damages
// a built-in picture in a few thousand ways; with arguments it runs each file named.
//
// An input that starts with "FLRC" is a record, whose checksums are made to fit first; every
// other one is a JPEG file. Rules: no sanitizer report, and
//   - a file whose codes alone show it to be sound decodes without a warning,
//   - a file that is tiled comes back byte for byte,
//   - where libjpeg-turbo has no warning, tiles and own bytes give the same pixels,
//   - a decode writes nothing outside its rows.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "hash.h"
#include "libjpeg_decode.h"
#include "markers.h"
#include "picture.h"
#include "record.h"
#include "sound_scan.h"
#include "tile_decode.h"
#include "tile_transcode.h"

using namespace fastload;

namespace {

constexpr JpegLimits limits{4'000'000, 30};

void require(bool kept, const char* rule) {
  if (kept) return;
  std::fprintf(stderr, "broken rule: %s\n", rule);
  std::abort();
}

// Windows that depend on the input alone: the whole, and two smaller ones.
std::vector<Window> windows_of(ByteSpan input, int height, int width) {
  std::vector<Window> windows{{0, 0, height, width}};
  std::uint64_t random = xxh3_64(input);
  for (int i = 0; i < 2; ++i) {
    Window window;
    window.height = 1 + static_cast<int>(random % static_cast<unsigned>(height));
    random = random / 7919 + (random << 40);
    window.width = 1 + static_cast<int>(random % static_cast<unsigned>(width));
    random = random / 7919 + (random << 40);
    window.top = static_cast<int>(random % static_cast<unsigned>(height - window.height + 1));
    window.left = static_cast<int>(random % static_cast<unsigned>(width - window.width + 1));
    windows.push_back(window);
  }
  return windows;
}

// Pixels with a guard in front and behind.
class Canvas {
 public:
  explicit Canvas(const Window& window)
      : stride_(4 * static_cast<std::ptrdiff_t>(window.width)),
        bytes_(2 * guard + static_cast<std::size_t>(stride_ * window.height), 0xA5) {}
  std::uint8_t* data() { return bytes_.data() + guard; }
  std::ptrdiff_t stride() const { return stride_; }
  bool guards_are_intact() const {
    for (std::size_t i = 0; i < guard; ++i) {
      if (bytes_[i] != 0xA5 || bytes_[bytes_.size() - 1 - i] != 0xA5) return false;
    }
    return true;
  }
  bool operator==(const Canvas& other) const { return bytes_ == other.bytes_; }

 private:
  static constexpr std::size_t guard = 64;
  std::ptrdiff_t stride_;
  std::vector<std::uint8_t> bytes_;
};

void try_tiles(ByteSpan file, const JpegReport& report) {
  TiledJpeg tiled;
  if (!tile(file, 32, limits.max_pixels, tiled).ok()) return;
  const ByteSpan head{tiled.head.data(), tiled.head.size()};
  const ByteSpan entropy{tiled.entropy.data(), tiled.entropy.size()};
  std::vector<std::uint8_t> restored;
  const Status status = untile(head, entropy, tiled.source_header, tiled.source_trailer, restored);
  require(status.ok() && restored.size() == file.size &&
              std::memcmp(restored.data(), file.data, file.size) == 0,
          "a tiled file comes back byte for byte");
  if (report.warnings != 0) return;
  TileScratch scratch;
  TileHead parsed;
  require(parse_tile_head(head, report.width, report.height, parsed).ok(), "own heads are read");
  for (const Window& window : windows_of(file, report.height, report.width)) {
    Canvas from_tiles(window);
    Canvas from_file(window);
    const Status first =
        decode_tiles(parsed, entropy, 0, window, from_tiles.data(), from_tiles.stride(), scratch);
    const Status second = decode_jpeg(file, limits, report.height, report.width, window,
                                      from_file.data(), from_file.stride());
    require(first.ok() && second.ok(), "a sound file decodes");
    require(from_tiles.guards_are_intact() && from_file.guards_are_intact(), "rows are kept to");
    require(from_tiles == from_file, "tiles and own bytes give the same pixels");
  }
}

void try_file(ByteSpan file) {
  JpegHeader header;
  parse_header(file, limits.max_pixels, header);
  JpegReport report;
  JpegReport walked;
  const bool decodes = check_jpeg_by_decoding(file, limits, report).ok();
  require(!is_plainly_sound(file, limits, walked) ||
              (decodes && report.warnings == 0 && walked.warnings == 0 &&
               walked.height == report.height && walked.width == report.width),
          "a file whose codes show it to be sound decodes without a warning");
  if (!decodes) {
    TiledJpeg tiled;  // must take anything, whatever the check said
    tile(file, 32, limits.max_pixels, tiled);
    return;
  }
  for (const Window& window : windows_of(file, report.height, report.width)) {
    Canvas canvas(window);
    decode_jpeg(file, limits, report.height, report.width, window, canvas.data(), canvas.stride());
    require(canvas.guards_are_intact(), "rows are kept to");
  }
  try_tiles(file, report);
}

// What a hostile store can hold: any record under checksums that fit.
void make_checksums_fit(std::vector<std::uint8_t>& record) {
  std::size_t head_size = load_le<std::uint32_t>(record.data() + 24);
  if (head_size > record.size() - record_header_size) {
    head_size = record.size() - record_header_size;
    store_le(record.data() + 24, static_cast<std::uint32_t>(head_size));
  }
  const std::size_t body_size = record.size() - record_header_size - head_size;
  store_le(record.data() + 32, static_cast<std::uint64_t>(body_size));
  const std::uint8_t* body = record.data() + record_header_size + head_size;
  store_le(record.data() + 40, xxh3_64({body, body_size}));
  std::vector<std::uint8_t> hashed(record.begin(), record.begin() + 56);
  hashed.insert(hashed.end(), record.begin() + record_header_size,
                record.begin() + static_cast<std::ptrdiff_t>(record_header_size + head_size));
  store_le(record.data() + 56, xxh3_64({hashed.data(), hashed.size()}));
}

void try_record(ByteSpan input) {
  std::vector<std::uint8_t> bytes(input.data, input.end());
  make_checksums_fit(bytes);
  Record record;
  if (!parse_record({bytes.data(), bytes.size()}, record).ok()) return;
  const auto pixels =
      static_cast<std::uint64_t>(record.height) * static_cast<std::uint64_t>(record.width);
  if (pixels > limits.max_pixels) return;
  PictureScratch scratch;
  for (const Window& window : windows_of(input, record.height, record.width)) {
    Canvas canvas(window);
    decode_region(record, 0, window, canvas.data(), canvas.stride(), scratch.tiles);
    require(canvas.guards_are_intact(), "rows are kept to");
    const Geometry geometry{window, 9, 17, {-1, -2, 12, 20}};
    std::vector<std::uint8_t> slot(3 * 12 * 20);
    const Output output{slot.data(), DType::uint8, 3, 12 * 20, 20, 1, nullptr};
    render_geometry(record, 0, geometry, Fill{}, output, scratch);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of its own, so that a read beyond the end is one that AddressSanitizer sees.
  std::vector<std::uint8_t> copy(data, data + size);
  copy.shrink_to_fit();
  const ByteSpan input{copy.data(), copy.size()};
  if (size >= record_header_size && std::memcmp(data, "FLRC", 4) == 0) {
    try_record(input);
  } else {
    try_file(input);
  }
  return 0;
}

#ifndef FASTLOAD_LIBFUZZER

namespace {

// 17 rows of 64 pixels, 4:2:0, two tiles a row; made once by Pillow.
constexpr std::uint8_t picture[] = {
    0xFF, 0xD8, 0xFF, 0xE0, 0x00, 0x10, 0x4A, 0x46, 0x49, 0x46, 0x00, 0x01, 0x01, 0x00, 0x00, 0x01,
    0x00, 0x01, 0x00, 0x00, 0xFF, 0xDB, 0x00, 0x43, 0x00, 0x1B, 0x12, 0x14, 0x17, 0x14, 0x11, 0x1B,
    0x17, 0x16, 0x17, 0x1E, 0x1C, 0x1B, 0x20, 0x28, 0x42, 0x2B, 0x28, 0x25, 0x25, 0x28, 0x51, 0x3A,
    0x3D, 0x30, 0x42, 0x60, 0x55, 0x65, 0x64, 0x5F, 0x55, 0x5D, 0x5B, 0x6A, 0x78, 0x99, 0x81, 0x6A,
    0x71, 0x90, 0x73, 0x5B, 0x5D, 0x85, 0xB5, 0x86, 0x90, 0x9E, 0xA3, 0xAB, 0xAD, 0xAB, 0x67, 0x80,
    0xBC, 0xC9, 0xBA, 0xA6, 0xC7, 0x99, 0xA8, 0xAB, 0xA4, 0xFF, 0xDB, 0x00, 0x43, 0x01, 0x1C, 0x1E,
    0x1E, 0x28, 0x23, 0x28, 0x4E, 0x2B, 0x2B, 0x4E, 0xA4, 0x6E, 0x5D, 0x6E, 0xA4, 0xA4, 0xA4, 0xA4,
    0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4,
    0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4,
    0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xA4, 0xFF, 0xC0,
    0x00, 0x11, 0x08, 0x00, 0x11, 0x00, 0x40, 0x03, 0x01, 0x22, 0x00, 0x02, 0x11, 0x01, 0x03, 0x11,
    0x01, 0xFF, 0xC4, 0x00, 0x19, 0x00, 0x00, 0x03, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x04, 0x01, 0x02, 0x05, 0xFF, 0xC4, 0x00, 0x24,
    0x10, 0x00, 0x02, 0x02, 0x01, 0x01, 0x08, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x02, 0x01, 0x03, 0x11, 0x31, 0x04, 0x12, 0x14, 0x21, 0x32, 0x71, 0x81, 0x91, 0x34,
    0x41, 0xB1, 0xFF, 0xC4, 0x00, 0x18, 0x01, 0x00, 0x03, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x04, 0x05, 0x02, 0xFF, 0xC4, 0x00, 0x21,
    0x11, 0x00, 0x02, 0x02, 0x01, 0x04, 0x02, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x03, 0x01, 0x02, 0x11, 0x04, 0x21, 0x22, 0x32, 0x12, 0x41, 0x31, 0x33, 0x71, 0xFF,
    0xDA, 0x00, 0x0C, 0x03, 0x01, 0x00, 0x02, 0x11, 0x03, 0x11, 0x00, 0x3F, 0x00, 0x22, 0xD5, 0xC8,
    0xC4, 0xDA, 0x91, 0x75, 0x59, 0xF0, 0x79, 0xB1, 0xBD, 0x92, 0x84, 0x59, 0x6D, 0x60, 0x9E, 0x8B,
    0xAF, 0x96, 0xE5, 0xCF, 0x9A, 0xE3, 0x89, 0x7F, 0x1F, 0x5E, 0x3A, 0x5B, 0xD1, 0x9C, 0x62, 0x34,
    0xC4, 0x42, 0xB7, 0x32, 0x58, 0xA7, 0xB9, 0x93, 0x5C, 0xC6, 0x99, 0x3A, 0x6A, 0xD7, 0x8D, 0xCC,
    0xDB, 0x4D, 0x3D, 0x95, 0xB5, 0xAA, 0x22, 0xCB, 0x54, 0x4B, 0x6F, 0x08, 0xB3, 0x7A, 0x74, 0x19,
    0xA7, 0x57, 0x11, 0x51, 0x34, 0xC9, 0xDD, 0x96, 0xAE, 0x4C, 0x4B, 0x57, 0x24, 0x6E, 0x96, 0xCC,
    0xF4, 0xB7, 0xA0, 0x54, 0xB2, 0x39, 0xCA, 0xB4, 0x77, 0x80, 0x84, 0xF2, 0x2E, 0x5C, 0xAF, 0x05,
    0xD1, 0xA9, 0x4D, 0x40, 0x02, 0x63, 0xB8, 0x37, 0xE0, 0x7F, 0xD1, 0xC3, 0x00, 0x03, 0xCC, 0xBB,
    0x8B, 0x62, 0x60, 0x02, 0xDD, 0x17, 0x59, 0x05, 0x7B, 0x01, 0xFB, 0x17, 0xCA, 0x4F, 0x3F, 0x92,
    0x00, 0x52, 0xDF, 0xAE, 0xDF, 0x92, 0x53, 0x4E, 0xD0, 0x7F, 0xFF, 0xD9,
};

bool run_file(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return false;
  std::vector<std::uint8_t> bytes;
  std::uint8_t part[4096];
  for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, file)) > 0;) {
    bytes.insert(bytes.end(), part, part + n);
  }
  std::fclose(file);
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  return true;
}

}  // namespace

int main(int count, char** paths) {
  for (int i = 1; i < count; ++i) {
    if (run_file(paths[i])) continue;
    std::fprintf(stderr, "cannot read %s\n", paths[i]);
    return 1;
  }
  if (count > 1) return 0;
  JpegReport walked;
  require(is_plainly_sound({picture, sizeof picture}, limits, walked) && walked.width == 64,
          "the codes of a sound file show it to be sound");
  LLVMFuzzerTestOneInput(picture, sizeof picture);
  for (std::size_t size = 0; size < sizeof picture; ++size) LLVMFuzzerTestOneInput(picture, size);
  for (std::size_t at = 0; at < sizeof picture; ++at) {
    for (const int change : {0x01, 0x10, 0x80, 0xFF}) {
      std::vector<std::uint8_t> damaged(picture, picture + sizeof picture);
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ change);
      LLVMFuzzerTestOneInput(damaged.data(), damaged.size());
    }
  }
  return 0;
}

#endif
