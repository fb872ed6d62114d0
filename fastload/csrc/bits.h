// Bits of an entropy-coded stretch, most significant first, without byte stuffing.
#pragma once

#include <cstdint>
#include <vector>

#include "bytes.h"

namespace fastload {

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
  // `size` bits as JPEG codes a value of that size (T.81, F.2.2.1, EXTEND); size 1 to 15.
  int value(int size) {
    const int raw = static_cast<int>(peek(size));
    drop(size);
    return raw + (((raw >> (size - 1)) - 1) & (1 - (1 << size)));
  }

  // Bits used past the end: positive where more were taken than the span holds.
  std::int64_t bits_left() const { return (end_ - next_) * 8 + count_; }
  bool overrun() const { return bits_left() < 0; }

 private:
  const std::uint8_t* next_;
  const std::uint8_t* end_;
  std::uint64_t buffer_ = 0;
  int count_ = 0;
};

// Appends bits to a vector of bytes; with `stuffing`, a zero byte follows every 0xFF.
// The vector is longer than what was written until finish() cuts it.
class BitWriter {
 public:
  BitWriter(std::vector<std::uint8_t>& out, bool stuffing) : out_(out), stuffing_(stuffing) {
    at_ = out.size();
  }

  // To be called before at most `bits` are put.
  void reserve_bits(std::size_t bits) {
    const std::size_t needed = at_ + bits / 4 + 16;  // twice the bytes, for stuffing
    if (needed > out_.size()) out_.resize(needed + out_.size() / 2);
  }
  // At most 32 bits; those of `bits` above `count` have to be zero.
  void put(std::uint32_t bits, int count) {
    buffer_ = (buffer_ << count) | bits;
    count_ += count;
    if (count_ >= 32) {
      count_ -= 32;
      word(static_cast<std::uint32_t>(buffer_ >> count_));
    }
  }
  // Fills the last byte with ones, as T.81 (F.1.2.3) asks. Returns the bytes written so far.
  std::size_t flush() {
    reserve_bits(64);
    if (count_ % 8 != 0) put((1u << (8 - count_ % 8)) - 1, 8 - count_ % 8);
    for (; count_ >= 8; count_ -= 8) byte(static_cast<std::uint8_t>(buffer_ >> (count_ - 8)));
    return at_;
  }
  // As bytes, without bits and stuffing; only after flush().
  void marker(std::uint8_t code) {
    reserve_bits(16);
    out_[at_++] = 0xFF;
    out_[at_++] = code;
  }
  void finish() {
    flush();
    out_.resize(at_);
  }

 private:
  void byte(std::uint8_t value) {
    out_[at_++] = value;
    if (stuffing_ && value == 0xFF) out_[at_++] = 0;
  }
  void word(std::uint32_t value) {
    // A byte of value has all bits set where its complement's byte is zero.
    const std::uint32_t inverse = ~value;
    const bool has_ff = ((inverse - 0x01010101u) & ~inverse & 0x80808080u) != 0;
    if (stuffing_ && has_ff) {
      for (int shift = 24; shift >= 0; shift -= 8) byte(static_cast<std::uint8_t>(value >> shift));
    } else {
      store_le(out_.data() + at_, __builtin_bswap32(value));
      at_ += 4;
    }
  }

  std::vector<std::uint8_t>& out_;
  bool stuffing_;
  std::size_t at_ = 0;
  std::uint64_t buffer_ = 0;
  int count_ = 0;
};

}  // namespace fastload
