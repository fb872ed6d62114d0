// Bits of an entropy-coded stretch, most significant first, without byte stuffing.
#pragma once

#include <cstdint>
#include <vector>

#include "bytes.h"

namespace fastload {

// The value that JPEG codes as these `size` bits (T.81, F.2.2.1, EXTEND).
inline int extended(int raw, int size) {
  return raw + (((raw >> (size - 1)) - 1) & (1 - (1 << size)));
}

// Loads 8 bytes at a time: 8 bytes behind the end of the span have to be readable.
// Reading on past the end yields whatever stands there and makes overrun() true.
class BitReader {
 public:
  static constexpr int slack_bytes = 8;

  explicit BitReader(ByteSpan bytes) : next_(bytes.data), end_(bytes.end()) {}

  // Afterwards at least 56 bits can be peeked at; behind the end they mean nothing.
  // False: what was dropped before was not there any more.
  bool refill() {
    if (next_ >= end_) return count_ >= 0;
    buffer_ |= load_be64(next_) >> count_;
    next_ += (63 - count_) >> 3;
    count_ |= 56;
    return true;
  }
  std::uint32_t peek(int bits) const { return static_cast<std::uint32_t>(buffer_ >> (64 - bits)); }
  void drop(int bits) {
    buffer_ <<= bits;
    count_ -= bits;
  }
  // A value of `size` bits, 1 to 15.
  int value(int size) {
    const int raw = static_cast<int>(peek(size));
    drop(size);
    return extended(raw, size);
  }
  // The same of 0 to 15 bits, for sizes that a branch would not foresee.
  int value_or_zero(int size) {
    const auto raw = static_cast<int>(buffer_ >> 1 >> (63 - size));
    const auto negative = static_cast<int>(static_cast<std::int64_t>(~buffer_) >> 63);
    drop(size);
    return raw + (negative & (1 - (1 << size)));
  }
  // Up to 15 bits that come behind `skipped` ones.
  std::uint64_t peek_behind(int skipped, int bits) const {
    return buffer_ << skipped >> 1 >> (63 - bits);
  }

  // Bits that are still to be read: negative where more were taken than the span holds.
  std::int64_t bits_left() const { return (end_ - next_) * 8 + count_; }
  bool overrun() const { return bits_left() < 0; }

 private:
  const std::uint8_t* next_;
  const std::uint8_t* end_;
  std::uint64_t buffer_ = 0;
  int count_ = 0;
};

// Where bits are put next. A small value that a loop keeps in registers: stores through a
// byte pointer might change anything that lives in memory.
struct BitCursor {
  std::uint8_t* at = nullptr;
  std::uint64_t buffer = 0;  // its lowest `count` bits do not fill a byte yet; the others are done
  int count = 0;

  // 0 to 56 bits; those of `bits` above `size` have to be zero. Whole bytes go out at once,
  // by one store of 8 bytes, which costs less than a branch that is hard to foresee.
  void put(std::uint64_t bits, int size) {
    buffer = (buffer << size) | bits;
    count += size;
    store_le(at, __builtin_bswap64(buffer << ((64 - count) & 63)));  // no bits: anything
    at += count >> 3;
    count &= 7;
  }
};

// Appends bits to a vector of bytes. The vector is longer than what was written, by at least
// the 8 bytes that a BitReader wants behind its span.
class BitWriter {
 public:
  explicit BitWriter(std::vector<std::uint8_t>& out) : out_(out) {}

  // A cursor with room for `bits`; nothing is written until it is given back by close().
  BitCursor open(std::size_t bits) {
    const std::size_t needed = at_ + bits / 8 + 16;
    if (needed > out_.size()) out_.resize(needed + needed / 2);
    BitCursor cursor = state_;
    cursor.at = out_.data() + at_;
    return cursor;
  }
  void close(const BitCursor& cursor) {
    at_ = static_cast<std::size_t>(cursor.at - out_.data());
    state_ = cursor;
  }
  // Fills the last byte with ones, as T.81 (F.1.2.3) asks. Returns the bytes written so far.
  std::size_t flush() {
    BitCursor cursor = open(8);
    if (cursor.count > 0) cursor.put((1u << (8 - cursor.count)) - 1, 8 - cursor.count);
    close(cursor);
    return at_;
  }
  void restart() {
    at_ = 0;
    state_ = BitCursor{};
  }

 private:
  std::vector<std::uint8_t>& out_;
  std::size_t at_ = 0;
  BitCursor state_;
};

}  // namespace fastload
