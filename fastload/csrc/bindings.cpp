// The one file that knows Python: unpacks arguments, lets go of the GIL, raises errors.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <new>
#include <optional>

#include "bindings.h"
#include "copy_memory.h"
#include "cpu.h"
#include "hash.h"
#include "libjpeg_decode.h"
#include "markers.h"
#include "picture.h"
#include "tile_transcode.h"

static nb::object error_type(const char* name) {
  return nb::module_::import_("fastload.errors").attr(name);
}

void raise_unless_ok(const Status& status) {
  const char* type = nullptr;
  switch (status.code) {
    case Code::ok:
      return;
    case Code::argument:
      throw nb::value_error(status.message.c_str());
    case Code::memory:
      throw std::bad_alloc();
    case Code::limit:
      type = "LimitError";
      break;
    case Code::unsupported:
      type = "UnsupportedPictureError";
      break;
    case Code::not_tileable:
      type = "NotTileableError";
      break;
    case Code::decode:
    case Code::record:
      type = "DecodeError";
      break;
  }
  PyErr_SetString(error_type(type).ptr(), status.message.c_str());
  nb::raise_python_error();
}

PictureScratch& thread_scratch() {
  thread_local PictureScratch scratch;
  return scratch;
}

Output output_of(const Buffer& target, DType dtype, int channels, int height, int width,
                 const std::optional<Buffer>& table) {
  const Py_buffer& view = target.view();
  const Py_ssize_t item = dtype == DType::uint8 ? 1 : dtype == DType::float32 ? 4 : 2;
  if (view.ndim != 3 || view.readonly || view.itemsize != item || view.shape[0] != channels ||
      view.shape[1] != height || view.shape[2] != width) {
    throw nb::value_error("out has to be a writable array of shape [channels, height, width]");
  }
  if (table && table->bytes().size != static_cast<std::size_t>(channels * kTableSize * item)) {
    throw nb::value_error("table has to be an array of shape [channels, 256] and of out's dtype");
  }
  return {view.buf,
          dtype,
          channels,
          view.strides[0] / item,
          view.strides[1] / item,
          view.strides[2] / item,
          table ? table->view().buf : nullptr};
}

SourcePixels pixels_of(const Buffer& pixels) {
  const Py_buffer& view = pixels.view();
  const bool gray = view.ndim == 2;
  if (view.itemsize != 1 || !(gray || (view.ndim == 3 && view.shape[2] == 3))) {
    throw nb::value_error("expected a uint8 array of shape [height, width] or [height, width, 3]");
  }
  SourcePixels source;
  source.data = pixels.bytes().data;
  source.pixel_bytes = gray ? 1 : 3;
  source.row_stride = source.pixel_bytes * view.shape[1];
  source.region = {0, 0, static_cast<int>(view.shape[0]), static_cast<int>(view.shape[1])};
  return source;
}

namespace {

nb::bytes to_bytes(ByteSpan span) {
  return nb::bytes(reinterpret_cast<const char*>(span.data), span.size);
}
nb::bytes to_bytes(const std::vector<std::uint8_t>& bytes) {
  return to_bytes(ByteSpan{bytes.data(), bytes.size()});
}

using Four = std::tuple<int, int, int, int>;
using Two = std::tuple<int, int>;

Window to_window(const Four& four) {
  return {std::get<0>(four), std::get<1>(four), std::get<2>(four), std::get<3>(four)};
}

JpegHeader header_of(nb::handle data, std::uint64_t max_pixels) {
  const Buffer file(data, false);
  JpegHeader header;
  raise_unless_ok(parse_header(file.bytes(), max_pixels, header));
  return header;
}

std::tuple<long, int, int> check(nb::handle data, std::uint64_t max_pixels, int max_scans,
                                 bool by_decoding) {
  const Buffer file(data, false);
  JpegReport report;
  Status status;
  {
    nb::gil_scoped_release release;
    status = (by_decoding ? check_jpeg_by_decoding : check_jpeg)(file.bytes(),
                                                                 {max_pixels, max_scans}, report);
  }
  raise_unless_ok(status);
  return {report.warnings, report.height, report.width};
}

nb::tuple tile_file(nb::handle data, int tile_width, std::uint64_t max_pixels) {
  const Buffer file(data, false);
  TiledJpeg tiled;
  Status status;
  {
    nb::gil_scoped_release release;
    status = tile(file.bytes(), tile_width, max_pixels, tiled);
  }
  raise_unless_ok(status);
  return nb::make_tuple(to_bytes(tiled.head), to_bytes(tiled.entropy),
                        to_bytes(tiled.source_header), to_bytes(tiled.source_trailer));
}

nb::bytes untile_file(nb::handle head, nb::handle entropy, nb::handle source_header,
                      nb::handle source_trailer) {
  const Buffer h(head, false);
  const Buffer e(entropy, false);
  const Buffer sh(source_header, false);
  const Buffer st(source_trailer, false);
  std::vector<std::uint8_t> file;
  Status status;
  {
    nb::gil_scoped_release release;
    status = untile(h.bytes(), e.bytes(), sh.bytes(), st.bytes(), file);
  }
  raise_unless_ok(status);
  return to_bytes(file);
}

// An array of uint8 [height, width, 3], C-contiguous and writable.
void check_rgb(const Buffer& buffer, int height, int width) {
  const Py_buffer& view = buffer.view();
  const bool fits = view.ndim == 3 && view.itemsize == 1 && !view.readonly &&
                    view.shape[0] == height && view.shape[1] == width && view.shape[2] == 3 &&
                    PyBuffer_IsContiguous(&view, 'C');
  if (!fits) {
    throw nb::value_error(("out has to be a writable, C-contiguous uint8 array of shape [" +
                           std::to_string(height) + ", " + std::to_string(width) + ", 3]")
                              .c_str());
  }
}

Two record_size(nb::handle data) {
  const Buffer bytes(data, false);
  Record record;
  raise_unless_ok(parse_record(bytes.bytes(), record));
  return {record.height, record.width};
}

void decode(nb::handle data, const Four& region, nb::handle out) {
  const Buffer bytes(data, false);
  const Buffer target(out, true);
  const Window window = to_window(region);
  check_rgb(target, window.height, window.width);
  Record record;
  Status status;
  {
    nb::gil_scoped_release release;
    status = parse_record(bytes.bytes(), record);
    if (status.ok()) {
      auto* rgb = static_cast<std::uint8_t*>(target.view().buf);
      status = decode_rgb(record, 0, window, rgb, thread_scratch());
    }
  }
  raise_unless_ok(status);
}

DType dtype_of(int code) {
  if (code < 0 || code > 3) throw nb::value_error("dtype code has to be 0 to 3");
  return static_cast<DType>(code);
}

Geometry geometry_of(const Four& crop, const Two& resize, const Four& window, int filter, int order,
                     bool flip_horizontal, bool flip_vertical) {
  if (filter < 0 || filter > 5) throw nb::value_error("filter has to be one of Pillow's, 0 to 5");
  if (order < 0 || order > 2) throw nb::value_error("order has to be 0 to 2");
  return {to_window(crop),
          std::get<0>(resize),
          std::get<1>(resize),
          to_window(window),
          static_cast<Filter>(filter),
          static_cast<PassOrder>(order),
          flip_horizontal,
          flip_vertical};
}

Fill fill_of(const std::tuple<int, int, int>& fill) {
  const auto byte = [](int value) {
    if (value < 0 || value > 255) throw nb::value_error("fill has to be three values of 0 to 255");
    return static_cast<std::uint8_t>(value);
  };
  return {byte(std::get<0>(fill)), byte(std::get<1>(fill)), byte(std::get<2>(fill))};
}

template <typename Run>
void render_into(nb::handle out, int dtype, int channels, const Window& window, nb::handle table,
                 Run run) {
  const Buffer target(out, true);
  std::optional<Buffer> values;
  if (!table.is_none()) values.emplace(table, false);
  const Output output =
      output_of(target, dtype_of(dtype), channels, window.height, window.width, values);
  Status status;
  {
    nb::gil_scoped_release release;
    status = run(output);
  }
  raise_unless_ok(status);
}

void decode_resized_crop(nb::handle data, const Four& crop, const Two& resize, const Four& window,
                         int filter, int order, bool flip_horizontal, bool flip_vertical,
                         const std::tuple<int, int, int>& fill, int dtype, nb::handle table,
                         nb::handle out) {
  const Buffer bytes(data, false);
  const Geometry geometry =
      geometry_of(crop, resize, window, filter, order, flip_horizontal, flip_vertical);
  const Fill color = fill_of(fill);
  render_into(out, dtype, 3, geometry.window, table, [&](const Output& output) {
    Record record;
    Status status = parse_record(bytes.bytes(), record);
    return status.ok() ? render_geometry(record, 0, geometry, color, output, thread_scratch())
                       : status;
  });
}

void resample(nb::handle image, const Four& crop, const Two& resize, const Four& window, int filter,
              int order, bool flip_horizontal, bool flip_vertical,
              const std::tuple<int, int, int>& fill, int dtype, nb::handle table, nb::handle out) {
  const Buffer pixels(image, false);
  const Geometry geometry =
      geometry_of(crop, resize, window, filter, order, flip_horizontal, flip_vertical);
  const Fill color = fill_of(fill);
  const SourcePixels source = pixels_of(pixels);
  render_into(out, dtype, source.pixel_bytes, geometry.window, table, [&](const Output& output) {
    return render(source, geometry, color, output, thread_scratch().render);
  });
}

const char* name_of(ColorSpace space) {
  switch (space) {
    case ColorSpace::gray:
      return "gray";
    case ColorSpace::ycbcr:
      return "ycbcr";
    case ColorSpace::rgb:
      return "rgb";
    case ColorSpace::cmyk:
      return "cmyk";
    case ColorSpace::ycck:
      return "ycck";
    case ColorSpace::other:
      break;
  }
  return "other";
}

constexpr std::uint64_t default_max_pixels = JpegLimits{}.max_pixels;

// Hashing so many bytes takes some 10 us: more than giving the lock away and waiting for it again.
constexpr std::size_t worth_releasing_the_gil = 128 << 10;

}  // namespace

NB_MODULE(_core, m) {
  m.doc() =
      "fastload's native core. Not a public interface: see fastload.jpeg and fastload.pixels.";
  m.def("xxh3_64", [](nb::handle data) -> std::uint64_t {
    const Buffer buffer(data, false);
    if (buffer.bytes().size < worth_releasing_the_gil) return xxh3_64(buffer.bytes());
    nb::gil_scoped_release release;
    return xxh3_64(buffer.bytes());
  });
  m.def("copy_memory", [](nb::handle pieces, int threads) {
    const Buffer buffer(pieces, false);
    if (buffer.bytes().size % sizeof(CopyPiece) != 0) {
      throw nb::value_error("expected uint64 [n, 3]: target and source address, bytes");
    }
    nb::gil_scoped_release release;
    copy_memory(reinterpret_cast<const CopyPiece*>(buffer.bytes().data),
                buffer.bytes().size / sizeof(CopyPiece), threads);
  });
  m.def("xxh3_128", [](nb::handle data) {
    const auto digest = xxh3_128(Buffer(data, false).bytes());
    return nb::bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
  });
  nb::class_<Xxh3Hasher>(m, "Xxh3Hasher")
      .def(nb::init<>())
      .def("update",
           [](Xxh3Hasher& hasher, nb::handle data) { hasher.update(Buffer(data, false).bytes()); })
      .def("digest", [](const Xxh3Hasher& hasher) {
        const auto digest = hasher.digest();
        return nb::bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
      });
  m.def("libjpeg_turbo_version", &libjpeg_turbo_version);
  m.def("simd", &simd_name);
  m.def("set_simd", &set_simd);

  nb::class_<JpegHeader>(m, "JpegHeader")
      .def_prop_ro("width", [](const JpegHeader& h) { return h.frame.width; })
      .def_prop_ro("height", [](const JpegHeader& h) { return h.frame.height; })
      .def_prop_ro("components", [](const JpegHeader& h) { return h.frame.component_count; })
      .def_prop_ro("precision", [](const JpegHeader& h) { return h.frame.precision; })
      .def_prop_ro("sampling",
                   [](const JpegHeader& h) {
                     std::vector<Two> sampling;
                     for (int c = 0; c < h.frame.component_count; ++c) {
                       sampling.emplace_back(h.frame.at(c).h, h.frame.at(c).v);
                     }
                     return nb::tuple(nb::cast(sampling));
                   })
      .def_prop_ro("color_space", [](const JpegHeader& h) { return name_of(h.color_space); })
      .def_ro("progressive", &JpegHeader::progressive)
      .def_ro("arithmetic", &JpegHeader::arithmetic)
      .def_ro("lossless", &JpegHeader::lossless)
      .def_ro("restart_interval", &JpegHeader::restart_interval)
      .def_ro("orientation", &JpegHeader::orientation);

  bind_recipe(m);
  bind_engine(m);

  m.def("jpeg_header", &header_of, nb::arg("data"), nb::arg("max_pixels") = default_max_pixels);
  m.def("jpeg_check", &check, nb::arg("data"), nb::arg("max_pixels") = default_max_pixels,
        nb::arg("max_scans") = JpegLimits{}.max_scans, nb::arg("by_decoding") = false);
  m.def("tile_jpeg", &tile_file, nb::arg("data"), nb::arg("tile_width") = 32,
        nb::arg("max_pixels") = default_max_pixels);
  m.def("untile_jpeg", &untile_file, nb::arg("head"), nb::arg("entropy"), nb::arg("source_header"),
        nb::arg("source_trailer"));
  m.def("record_size", &record_size, nb::arg("record"));
  m.def("decode", &decode, nb::arg("record"), nb::arg("region"), nb::arg("out"));
  m.def("decode_resized_crop", &decode_resized_crop, nb::arg("record"), nb::arg("crop"),
        nb::arg("resize"), nb::arg("window"), nb::arg("filter"), nb::arg("order"),
        nb::arg("flip_horizontal"), nb::arg("flip_vertical"), nb::arg("fill"), nb::arg("dtype"),
        nb::arg("table").none(), nb::arg("out"));
  m.def("resample", &resample, nb::arg("image"), nb::arg("crop"), nb::arg("resize"),
        nb::arg("window"), nb::arg("filter"), nb::arg("order"), nb::arg("flip_horizontal"),
        nb::arg("flip_vertical"), nb::arg("fill"), nb::arg("dtype"), nb::arg("table").none(),
        nb::arg("out"));
}
