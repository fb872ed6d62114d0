#include "output.h"

#include <algorithm>
#include <cstring>

namespace fastload {
namespace {

struct Identity {
  std::uint8_t operator()(std::uint8_t value) const { return value; }
};

template <typename T>
struct Lookup {
  const T* table;
  T operator()(std::uint8_t value) const { return table[value]; }
};

template <typename T, typename Map>
void write_plane(const std::uint8_t* plane, int width, Map map, T* out, std::int64_t stride) {
  if (stride == 1) {
    for (int x = 0; x < width; ++x) out[x] = map(plane[x]);
  } else {
    for (int x = 0; x < width; ++x) out[x * stride] = map(plane[x]);
  }
}

template <typename T>
void write_fill(T value, int width, T* out, std::int64_t stride) {
  for (int x = 0; x < width; ++x) out[x * stride] = value;
}

// Three channels side by side, as channels_last has them.
template <typename T, typename Map>
void write_interleaved(const PlaneRow& source, const Map* maps, T* out) {
  const std::uint8_t* red = source.planes[0];
  const std::uint8_t* green = source.planes[1];
  const std::uint8_t* blue = source.planes[2];
  for (int x = 0; x < source.width; ++x, out += 3) {
    out[0] = maps[0](red[x]);
    out[1] = maps[1](green[x]);
    out[2] = maps[2](blue[x]);
  }
}

template <typename T, typename Map>
void write_mapped(const Output& output, int row, const PlaneRow& source, const Fill& fill,
                  const Map* maps) {
  T* const first = static_cast<T*>(output.data) + row * output.row_stride;
  const std::int64_t step = output.column_stride;
  const bool interleaved = output.channels == 3 && output.channel_stride == 1 && step == 3;
  if (interleaved) write_interleaved(source, maps, first + source.fill_before * step);
  for (int c = 0; c < output.channels; ++c) {
    T* out = first + c * output.channel_stride;
    const T value = maps[c](fill[static_cast<std::size_t>(c)]);
    write_fill(value, source.fill_before, out, step);
    out += source.fill_before * step;
    if (!interleaved) write_plane(source.planes[c], source.width, maps[c], out, step);
    out += source.width * step;
    write_fill(value, source.fill_after, out, step);
  }
}

template <typename T>
void write_looked_up(const Output& output, int row, const PlaneRow& source, const Fill& fill) {
  const T* table = static_cast<const T*>(output.table);
  Lookup<T> maps[3];
  for (int c = 0; c < output.channels; ++c) maps[c] = {table + c * kTableSize};
  write_mapped<T>(output, row, source, fill, maps);
}

}  // namespace

void write_row(const Output& output, int row, const PlaneRow& source, const Fill& fill) {
  switch (output.dtype) {
    case DType::uint8:
      if (output.table == nullptr) {
        const Identity maps[3];
        return write_mapped<std::uint8_t>(output, row, source, fill, maps);
      }
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
