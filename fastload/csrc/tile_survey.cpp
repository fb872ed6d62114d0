#include "tile_survey.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>

#include "transcode.h"

namespace fastload {
namespace {

// Note [no overflow in the inverse DCT]
// libjpeg's inverse DCTs (C, SSE2, AVX2, Neon) agree as long as no 16-bit intermediate
// overflows. The largest are sums of two columns behind the first pass, where a coefficient
// weighs at most 5.66 times: sums of dequantized magnitudes of any two columns up to
// 32767 / 5.66 are safe. Photographs stay far below; a file that does not keeps its own
// bytes and libjpeg decodes it. test_extreme_coefficients_keep_their_own_bytes shows it.
constexpr int max_column_pair_sum = 5789;

Status refuse(const char* why) { return Status::error(Code::not_tileable, why); }

// One component's blocks, as a survey reads them.
struct SurveyedComponent {
  const HuffmanDecoder* dc = nullptr;
  const SkipRuns* runs = nullptr;
  SkipRuns::Uses* uses = nullptr;
  std::uint32_t* dc_frequency = nullptr;
  std::uint32_t* ac_frequency = nullptr;
  const std::array<std::uint16_t, 64>* quant = nullptr;
  std::array<std::uint16_t, 65> most_quant{};  // by k: of the AC coefficients before k
};

// Counts a block's symbols and bounds the sum of its coefficients' dequantized magnitudes.
struct Counting {
  std::uint32_t* uses;
  std::uint32_t* frequency;
  const std::uint16_t* most_quant;
  std::int64_t bound = 0;

  void entry(std::uint32_t index, SkipRuns::Entry entry, int k) {
    ++uses[index];
    bound += std::int64_t{SkipRuns::magnitude(entry)} * most_quant[k];
  }
  bool symbol(int symbol, std::uint32_t, int k) {
    ++frequency[symbol];
    bound += std::int64_t{(1 << (symbol & 15)) - 1} * most_quant[k];
    return true;
  }
};

// Reads a block again that was read without complaint, to know its magnitudes exactly. `dc` is the
// absolute value. See Note [no overflow in the inverse DCT].
bool within_bounds(BitReader reader, const SurveyedComponent& component, int dc) {
  const auto& quant = *component.quant;
  std::array<std::int64_t, 8> by_column{std::int64_t{std::abs(dc)} * quant[0]};
  int difference = 0;
  read_dc(reader, *component.dc, difference);
  for (std::size_t k = 1; k < 64; ++k) {
    reader.refill();
    const int symbol = component.runs->codes().symbol(reader);
    if (symbol <= 0) break;
    k += static_cast<std::size_t>(symbol >> 4);
    const std::int64_t magnitude = std::abs(reader.value_or_zero(symbol & 15));
    by_column[natural_order[k & 63] % 8u] += magnitude * quant[k & 63];
  }
  const std::int64_t total = std::accumulate(by_column.begin(), by_column.end(), std::int64_t{0});
  std::partial_sort(by_column.begin(), by_column.begin() + 2, by_column.end(), std::greater<>());
  return total <= 32767 && by_column[0] + by_column[1] <= max_column_pair_sum;
}

class Surveyor {
 public:
  Surveyor(const WholeScan& source, SymbolCounts& counts) : source_(source), counts_(counts) {
    const Frame& frame = source.header.frame;
    const JpegTables& tables = source.header.tables;
    for (int c = 0; c < frame.component_count; ++c) {
      const auto d = static_cast<std::size_t>(frame.at(c).dc);
      const auto a = static_cast<std::size_t>(frame.at(c).ac);
      if (!uses_[a]) uses_[a].reset(new SkipRuns::Uses{});
      SurveyedComponent& component = components_[static_cast<std::size_t>(c)];
      component.dc = &dc_.of(tables.dc, frame.at(c).dc);
      component.runs = &runs_.of(tables.ac, frame.at(c).ac);
      component.uses = uses_[a].get();
      component.dc_frequency = counts.dc[d].data();
      component.ac_frequency = counts.ac[a].data();
      component.quant = &tables.quant[static_cast<std::size_t>(frame.at(c).quant)].zigzag;
      for (std::size_t k = 1; k < 64; ++k) {
        component.most_quant[k + 1] = std::max(component.most_quant[k], (*component.quant)[k]);
      }
    }
  }

  Status run(int tile_mcus) {
    const Frame& frame = source_.header.frame;
    StretchReader reader(source_);
    bool restarted = false;
    for (int row = 0; row < frame.mcu_rows(); ++row) {
      for (int column = 0; column < frame.mcu_columns(); ++column) {
        if (!reader.advance(restarted)) return refuse("a restart interval does not end clean");
        if (restarted) source_dc_ = {};
        if (column % tile_mcus == 0) tile_dc_ = {};
        const bool read = for_each_block(frame, [&](std::size_t c, const Component&) {
          return block(reader.bits(), components_[c], source_dc_[c], tile_dc_[c]);
        });
        if (!read) {
          return refuse(extreme_ ? "coefficients beyond what a photograph has"
                                 : "damaged entropy-coded data");
        }
      }
    }
    if (!reader.finished()) return refuse("the scan does not end clean");
    const auto& specs = source_.header.tables.ac;
    for (std::size_t a = 0; a < 4; ++a) {
      if (!uses_[a]) continue;
      runs_.of(specs, static_cast<int>(a)).count_symbols(specs[a], *uses_[a], counts_.ac[a]);
    }
    for (int c = 0; c < frame.component_count; ++c) {  // the flat MCUs that fill the last tile
      ++components_[static_cast<std::size_t>(c)].dc_frequency[0];
      ++components_[static_cast<std::size_t>(c)].ac_frequency[0];
    }
    return Status::success();
  }

 private:
  bool block(BitReader& position, const SurveyedComponent& component, int& source_dc,
             int& tile_dc) {
    BitReader reader = position;
    int difference = 0;
    if (!read_dc(reader, *component.dc, difference)) return false;
    source_dc += difference;
    const int size = bit_size(source_dc - tile_dc);
    tile_dc = source_dc;
    Counting counting{component.uses->data(), component.ac_frequency, component.most_quant.data()};
    if (!read_runs(reader, *component.runs, counting)) return false;
    counting.bound += std::int64_t{std::abs(source_dc)} * (*component.quant)[0];
    extreme_ = size > max_dc_size || (counting.bound > max_column_pair_sum &&
                                      !within_bounds(position, component, source_dc));
    ++component.dc_frequency[size & 15];
    position = reader;
    return !extreme_;
  }

  const WholeScan& source_;
  SymbolCounts& counts_;
  BuiltTables<HuffmanDecoder> dc_;
  BuiltTables<SkipRuns> runs_;
  std::array<std::unique_ptr<SkipRuns::Uses>, 4> uses_;
  std::array<SurveyedComponent, 4> components_;
  Predictions source_dc_{};
  Predictions tile_dc_{};
  bool extreme_ = false;
};

}  // namespace

Status survey(const WholeScan& source, int tile_mcus, SymbolCounts& counts) {
  return Surveyor(source, counts).run(tile_mcus);
}

}  // namespace fastload
