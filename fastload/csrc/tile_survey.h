// What has to be known of a scan before its tiles can be written.
#pragma once

#include <array>
#include <cstdint>

#include "scan.h"

namespace fastload {

// How often each symbol stands in the tiled form, by table.
struct SymbolCounts {
  std::array<std::array<std::uint32_t, 256>, 4> dc{};
  std::array<std::array<std::uint32_t, 256>, 4> ac{};
};

// Reads all of the scan. Code::not_tileable where its data is damaged, or holds coefficients on
// which inverse DCTs may differ. Adds to `counts`, for tiles of `tile_mcus` MCUs.
Status survey(const WholeScan& source, int tile_mcus, SymbolCounts& counts);

}  // namespace fastload
