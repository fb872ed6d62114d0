// What the files that know Python share: buffers, and errors from statuses.
#pragma once

#include <nanobind/nanobind.h>

#include <new>
#include <optional>

#include "bytes.h"
#include "output.h"
#include "picture.h"
#include "status.h"

namespace nb = nanobind;
using namespace fastload;

// Any object with a contiguous buffer. `bytes` and memory maps are not writable; outputs are.
class Buffer {
 public:
  Buffer(nb::handle object, bool writable) {
    const int flags = writable ? PyBUF_STRIDED : PyBUF_ND;  // PyBUF_ND: C-contiguous
    if (PyObject_GetBuffer(object.ptr(), &view_, flags | PyBUF_FORMAT) != 0)
      nb::raise_python_error();
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  ByteSpan bytes() const {
    return {static_cast<const std::uint8_t*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }
  const Py_buffer& view() const { return view_; }

 private:
  Py_buffer view_;
};

// Raises what the status means: DecodeError for what is wrong with bytes, ValueError for what is
// wrong with a call.
void raise_unless_ok(const Status& status);

// The array [channels, height, width] of `dtype` that `target` is, with any strides.
Output output_of(const Buffer& target, DType dtype, int channels, int height, int width,
                 const std::optional<Buffer>& table);

// An array of uint8 [height, width, 3] or [height, width]; good while `pixels` is.
SourcePixels pixels_of(const Buffer& pixels);

// A thread's own.
PictureScratch& thread_scratch();

void bind_recipe(nb::module_& m);
void bind_engine(nb::module_& m);
