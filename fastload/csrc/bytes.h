// A view of bytes that somebody else owns, and loads from it in a stated byte order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fastload {

struct ByteSpan {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;

  const std::uint8_t* end() const { return data + size; }
  ByteSpan from(std::size_t offset) const { return {data + offset, size - offset}; }
  ByteSpan slice(std::size_t offset, std::size_t length) const { return {data + offset, length}; }
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fastload's formats are little-endian");

template <typename T>
T load_le(const std::uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

template <typename T>
void store_le(std::uint8_t* p, T value) {
  std::memcpy(p, &value, sizeof value);
}

inline std::uint16_t load_be16(const std::uint8_t* p) {
  return static_cast<std::uint16_t>((p[0] << 8) | p[1]);
}

inline std::uint64_t load_be64(const std::uint8_t* p) {
  return __builtin_bswap64(load_le<std::uint64_t>(p));
}

inline int divide_up(int a, int b) { return (a + b - 1) / b; }

}  // namespace fastload
