#include "exif.h"

namespace fastload {
namespace {

constexpr std::uint16_t orientation_tag = 0x0112;
constexpr std::uint16_t type_short = 3;

}  // namespace

int exif_orientation(ByteSpan app1) {
  constexpr std::size_t signature = 6;  // "Exif" and two zero bytes
  if (app1.size < signature + 8 || std::memcmp(app1.data, "Exif\0\0", signature) != 0) return 0;
  const ByteSpan tiff = app1.from(signature);
  const bool little = tiff.data[0] == 'I' && tiff.data[1] == 'I';
  const bool big = tiff.data[0] == 'M' && tiff.data[1] == 'M';
  if (!little && !big) return 0;
  const auto u16 = [&](std::size_t at) -> std::uint32_t {
    return little ? load_le<std::uint16_t>(tiff.data + at) : load_be16(tiff.data + at);
  };
  const auto u32 = [&](std::size_t at) -> std::uint32_t {
    const std::uint32_t first = u16(at);
    const std::uint32_t second = u16(at + 2);
    return little ? first | (second << 16) : (first << 16) | second;
  };
  const std::size_t directory = u32(4);
  if (directory + 2 > tiff.size) return 0;
  const std::uint32_t entries = u16(directory);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{12} * i;
    if (entry + 12 > tiff.size) return 0;
    if (u16(entry) == orientation_tag && u16(entry + 2) == type_short && u32(entry + 4) == 1) {
      const std::uint32_t value = u16(entry + 8);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
    }
  }
  return 0;
}

}  // namespace fastload
