#include "output.h"

#include <cstring>

#include "cpu.h"
#include "output_avx2.h"

namespace fastload {
namespace {

// How one row's values get from planes to the array: as they are, or through a table.
// A `Map` gives one value, a channel's run side by side, and three channels' in turn.
struct Identity {
  using Value = std::uint8_t;

  Value value(int, std::uint8_t pixel) const { return pixel; }

  void run(int, const std::uint8_t* plane, int width, Value* out) const {
    if (width > 0) std::memcpy(out, plane, static_cast<std::size_t>(width));
  }

  bool turns(const std::uint8_t* const* planes, int width, Value* out) const {
    if (!use_avx2()) return false;
    interleave_avx2(planes, width, out);
    return true;
  }
};

template <typename T>
struct Lookup {
  using Value = T;
  const T* tables;

  T value(int channel, std::uint8_t pixel) const { return tables[channel * kTableSize + pixel]; }

  void run(int channel, const std::uint8_t* plane, int width, T* out) const {
    const T* table = tables + channel * kTableSize;
    if constexpr (sizeof(T) > 1) {
      if (use_avx2()) return look_up_avx2(plane, width, table, out);
    }
    for (int x = 0; x < width; ++x) out[x] = table[plane[x]];
  }

  bool turns(const std::uint8_t* const* planes, int width, T* out) const {
    if constexpr (sizeof(T) > 1) {
      if (use_avx2()) {
        look_up_interleaved_avx2(planes, width, tables, out);
        return true;
      }
    }
    return false;
  }
};

template <typename T>
void write_fill(T value, int width, T* out, std::int64_t stride) {
  for (int x = 0; x < width; ++x) out[x * stride] = value;
}

template <typename Map>
void write_channel(const Map& map, int channel, const std::uint8_t* plane, int width,
                   typename Map::Value* out, std::int64_t stride) {
  if (stride == 1) return map.run(channel, plane, width, out);
  for (int x = 0; x < width; ++x) out[x * stride] = map.value(channel, plane[x]);
}

template <typename Map>
void write_mapped(const Map& map, const Output& output, int row, const PlaneRow& source,
                  const Fill& fill) {
  using Value = typename Map::Value;
  Value* const first = static_cast<Value*>(output.data) + row * output.row_stride;
  const std::int64_t step = output.column_stride;
  const bool side_by_side = output.channels == 3 && output.channel_stride == 1 && step == 3;
  const bool done =
      side_by_side && map.turns(source.planes, source.width, first + source.fill_before * step);
  for (int c = 0; c < output.channels; ++c) {
    Value* out = first + c * output.channel_stride;
    const Value value = map.value(c, fill[static_cast<std::size_t>(c)]);
    write_fill(value, source.fill_before, out, step);
    out += source.fill_before * step;
    if (!done) write_channel(map, c, source.planes[c], source.width, out, step);
    write_fill(value, source.fill_after, out + source.width * step, step);
  }
}

template <typename T>
void write_looked_up(const Output& output, int row, const PlaneRow& source, const Fill& fill) {
  write_mapped(Lookup<T>{static_cast<const T*>(output.table)}, output, row, source, fill);
}

}  // namespace

void write_row(const Output& output, int row, const PlaneRow& source, const Fill& fill) {
  switch (output.dtype) {
    case DType::uint8:
      if (output.table == nullptr) return write_mapped(Identity{}, output, row, source, fill);
      return write_looked_up<std::uint8_t>(output, row, source, fill);
    case DType::float32:
      // Table entries are only copied, so that their bits arrive whatever they mean.
      return write_looked_up<std::uint32_t>(output, row, source, fill);
    case DType::float16:
    case DType::bfloat16:
      return write_looked_up<std::uint16_t>(output, row, source, fill);
  }
}

}  // namespace fastload
