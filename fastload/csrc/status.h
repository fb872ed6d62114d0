// What a kernel reports: a code for the program, a sentence for the person.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace fastload {

enum class Code : std::uint8_t {
  ok = 0,
  decode,        // damaged, cut short, or not a picture
  limit,         // above a limit that was set
  unsupported,   // a picture, but not one this call can handle (Pillow may)
  not_tileable,  // decodes, but its file could not be given back byte for byte
  record,        // a store's record that is damaged
  argument,      // the caller's mistake
  memory,
};

struct Status {
  Code code = Code::ok;
  std::string message;

  bool ok() const { return code == Code::ok; }
  static Status success() { return {}; }
  static Status error(Code code, std::string message) { return {code, std::move(message)}; }
};

}  // namespace fastload
