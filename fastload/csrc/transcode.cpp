#include "transcode.h"

namespace fastload {

Transcoder::Transcoder(const Frame& from, const JpegTables& from_tables, const Frame& to,
                       const JpegTables& to_tables) {
  for (int c = 0; c < from.component_count; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const Component& read = from.at(c);
    const Component& written = to.at(c);
    const auto written_dc = static_cast<std::size_t>(written.dc);
    const auto written_ac = static_cast<std::size_t>(written.ac);
    if (!dc_codes_[written_dc]) dc_codes_[written_dc].emplace(to_tables.dc[written_dc]);
    if (!ac_codes_[written_ac]) ac_codes_[written_ac].emplace(to_tables.ac[written_ac]);
    Part& part = parts_[i];
    part = {&dc_.of(from_tables.dc, read.dc), &*dc_codes_[written_dc], nullptr,
            &*ac_codes_[written_ac]};
    for (int before = 0; before < c && part.runs == nullptr; ++before) {
      if (from.at(before).ac == read.ac && to.at(before).ac == written.ac) {
        part.runs = parts_[static_cast<std::size_t>(before)].runs;
      }
    }
    if (part.runs == nullptr) {
      runs_[i].reset(new RecodeRuns);
      runs_[i]->build(from_tables.ac[static_cast<std::size_t>(read.ac)], *part.ac_codes);
      part.runs = runs_[i].get();
    }
  }
  for_each_block(from, [this](std::size_t c, const Component&) {
    block_components_[block_count_++] = static_cast<std::uint8_t>(c);
    return true;
  });
}

}  // namespace fastload
