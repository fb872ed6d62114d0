#include <fcntl.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <memory>

#include "bindings.h"
#include "engine.h"
#include "joined_source.h"

namespace {

// Ctrl-C is seen this often while waiting.
constexpr int slice_milliseconds = 50;
// Of a JoinedSource.
constexpr std::uint32_t max_parts = 1 << 20;

using Int64s = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using UInt32s = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using UInt64s = nb::ndarray<const std::uint64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::vector<std::uint64_t> copied(const UInt64s& values) {
  return {values.data(), values.data() + values.shape(0)};
}

std::shared_ptr<StoreSource> store_source(int descriptor, const UInt64s& offsets,
                                          const UInt64s& lengths) {
  if (offsets.shape(0) != lengths.shape(0)) {
    throw nb::value_error("offsets and lengths have to be of one length");
  }
  const int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (own < 0) {
    PyErr_SetFromErrno(PyExc_OSError);
    nb::raise_python_error();
  }
  return std::make_shared<StoreSource>(own, copied(offsets), copied(lengths));
}

std::shared_ptr<JoinedSource> joined_source(const UInt32s& parts, const UInt32s& places,
                                            const UInt64s& fingerprints) {
  const std::size_t count = parts.shape(0);
  if (places.shape(0) != count || fingerprints.shape(0) != count) {
    throw nb::value_error("parts, places and fingerprints have to be of one length");
  }
  // Parts are counted by their largest number, which decides about memory.
  if (count > 0 && *std::max_element(parts.data(), parts.data() + count) > max_parts) {
    throw nb::value_error("expected at most 1048576 parts");
  }
  return std::make_shared<JoinedSource>(
      std::vector<std::uint32_t>(parts.data(), parts.data() + count),
      std::vector<std::uint32_t>(places.data(), places.data() + count), copied(fingerprints));
}

std::shared_ptr<SampleCache> sample_cache(int descriptor, int channels, int height, int width,
                                          std::uint64_t key, std::uint64_t budget_bytes,
                                          bool writable) {
  constexpr std::int64_t most = std::int64_t{1} << 30;
  if ((channels != 1 && channels != 3) || height < 1 || width < 1 ||
      most / height / width < channels) {
    throw nb::value_error("expected 1 or 3 channels, and samples of 1 byte to 1 GiB");
  }
  const int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (own < 0) {
    PyErr_SetFromErrno(PyExc_OSError);
    nb::raise_python_error();
  }
  return std::make_shared<SampleCache>(own, channels, height, width, key, budget_bytes, writable);
}

std::shared_ptr<FileSource> file_source(nb::handle blob, const UInt64s& offsets) {
  const Buffer bytes(blob, false);
  std::vector<std::string> paths;
  for (std::size_t i = 0; i + 1 < offsets.shape(0); ++i) {
    if (offsets(i) > offsets(i + 1) || offsets(i + 1) > bytes.bytes().size) {
      throw nb::value_error("offsets have to rise within the blob");
    }
    const auto* start = reinterpret_cast<const char*>(bytes.bytes().data) + offsets(i);
    paths.emplace_back(start, offsets(i + 1) - offsets(i));
  }
  return std::make_shared<FileSource>(std::move(paths));
}

// The engine in Python: its batches keep it alive, and a forked child may not use it.
struct PyEngine {
  std::shared_ptr<Engine> engine;

  Engine& use() const {
    if (engine->foreign()) {
      throw std::runtime_error("this engine was made in another process; make a new one");
    }
    return *engine;
  }
};

struct PyBatch {
  std::shared_ptr<Batch> batch;
  std::shared_ptr<Engine> engine;
};

// After a fork, the child has the engine's memory but none of its threads, and destroying a
// condition that a thread waited for at that moment would wait for it in vain.
void forget_or_delete(Engine* engine) {
  if (!engine->foreign()) delete engine;
}

PyBatch submit(const PyEngine& self, std::shared_ptr<Source> source, std::shared_ptr<Recipe> recipe,
               const Int64s& indices, std::uint64_t first_position, std::uint64_t seed, int lane,
               std::shared_ptr<SampleCache> cache) {
  if (lane < 0 || lane > 1) throw nb::value_error("lane has to be 0 or 1");
  const RecipeOutput& output = recipe->output();
  if (cache != nullptr &&
      !(recipe->fixed() && cache->fits(output.channels, output.height, output.width))) {
    throw nb::value_error("a cache needs a fixed recipe of its channels, height and width");
  }
  BatchRequest request;
  request.indices.reserve(indices.shape(0));
  for (std::size_t i = 0; i < indices.shape(0); ++i) {
    const std::int64_t index = indices(i);
    if (index < 0 || static_cast<std::uint64_t>(index) >= source->size()) {
      throw nb::index_error(
          ("sample " + std::to_string(index) + " of " + std::to_string(source->size())).c_str());
    }
    request.indices.push_back(static_cast<std::size_t>(index));
  }
  request.source = std::move(source);
  request.recipe = std::move(recipe);
  request.cache = std::move(cache);
  request.first_position = first_position;
  request.seed = seed;
  request.lane = lane;
  Engine& engine = self.use();
  std::shared_ptr<Batch> batch;
  {
    nb::gil_scoped_release release;
    batch = engine.submit(std::move(request));
  }
  if (batch == nullptr) {
    if (engine.closed()) throw std::runtime_error("the engine is closed");
    throw std::bad_alloc();
  }
  return {std::move(batch), self.engine};
}

bool wait(const PyBatch& self, double timeout_seconds) {
  if (self.engine->foreign()) {
    throw std::runtime_error("this batch was begun in another process");
  }
  double left = timeout_seconds < 0 ? HUGE_VAL : 1000 * timeout_seconds;
  for (;;) {
    const int slice = static_cast<int>(std::min(left, static_cast<double>(slice_milliseconds)));
    bool done = false;
    {
      nb::gil_scoped_release release;
      done = self.engine->wait(*self.batch, slice);
    }
    if (done) return true;
    if (PyErr_CheckSignals() != 0) nb::raise_python_error();
    left -= slice;
    if (left <= 0) return false;
  }
}

// A batch's memory in the user's hands. The owner is let go *before* it is said so: whoever hears
// of it finds the memory back in the pool.
struct Lease {
  std::shared_ptr<std::byte> memory;
  PyObject* returned;  // to be called; may be null

  void end() {
    memory.reset();
    if (returned == nullptr) return;
    PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
    PyErr_Fetch(&type, &value, &traceback);  // an exception may be under way
    PyObject* result = PyObject_CallNoArgs(returned);
    if (result == nullptr) PyErr_WriteUnraisable(returned);
    Py_XDECREF(result);
    Py_DECREF(returned);
    PyErr_Restore(type, value, traceback);
  }
};

nb::object array_of(const PyBatch& self, nb::handle returned) {
  const RecipeOutput& shape = self.batch->request().recipe->output();
  const auto size = [](int n) { return static_cast<std::size_t>(n); };
  std::vector<std::size_t> dimensions = {self.batch->size()};
  if (shape.channels_last) {
    dimensions.insert(dimensions.end(),
                      {size(shape.height), size(shape.width), size(shape.channels)});
  } else {
    dimensions.insert(dimensions.end(),
                      {size(shape.channels), size(shape.height), size(shape.width)});
  }
  nb::dlpack::dtype dtype = nb::dtype<std::uint8_t>();
  if (shape.dtype == DType::float32) dtype = nb::dtype<float>();
  if (shape.dtype == DType::float16) {
    dtype = {static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float), 16, 1};
  }
  if (shape.dtype == DType::bfloat16) dtype = nb::dtype<std::uint16_t>();
  std::shared_ptr<std::byte> memory = self.batch->lend();
  if (memory == nullptr) throw std::runtime_error("the batch's memory was given back");
  auto* lease = new Lease{std::move(memory), returned.is_none() ? nullptr : returned.ptr()};
  Py_XINCREF(lease->returned);
  const nb::capsule owner(lease, [](void* p) noexcept {
    auto* ended = static_cast<Lease*>(p);
    ended->end();
    delete ended;
  });
  return nb::cast(nb::ndarray<nb::numpy>(lease->memory.get(), dimensions.size(), dimensions.data(),
                                         owner, nullptr, dtype));
}

// A sampler's list as rows; None where it holds anything but ints within -count..count-1.
nb::object rows_of(nb::handle index, std::int64_t count) {
  if (!PyList_CheckExact(index.ptr())) return nb::none();
  const auto size = static_cast<std::size_t>(PyList_GET_SIZE(index.ptr()));
  auto rows = std::make_unique<std::int64_t[]>(size);
  for (std::size_t i = 0; i < size; ++i) {
    PyObject* item = PyList_GET_ITEM(index.ptr(), static_cast<Py_ssize_t>(i));
    if (!PyLong_CheckExact(item)) return nb::none();
    int overflow = 0;
    const std::int64_t row = PyLong_AsLongLongAndOverflow(item, &overflow);
    if (overflow != 0 || row < -count || row >= count) return nb::none();
    rows[i] = row < 0 ? row + count : row;
  }
  std::int64_t* data = rows.release();
  const nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<std::int64_t*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, std::int64_t, nb::ndim<1>>(data, {size}, owner));
}

const char* name_of(Code code) {
  switch (code) {
    case Code::ok:
      return "ok";
    case Code::decode:
      return "decode";
    case Code::limit:
      return "limit";
    case Code::unsupported:
      return "unsupported";
    case Code::not_tileable:
      return "not_tileable";
    case Code::record:
      return "record";
    case Code::argument:
      return "argument";
    case Code::memory:
      break;
  }
  return "memory";
}

std::vector<std::tuple<std::size_t, std::string, std::string>> failures_of(const PyBatch& self) {
  std::vector<std::tuple<std::size_t, std::string, std::string>> out;
  for (const Failure& failure : self.batch->failures()) {
    out.emplace_back(failure.slot, name_of(failure.status.code), failure.status.message);
  }
  return out;
}

nb::object take_external(const PyEngine& self, double timeout_seconds) {
  Engine& engine = self.use();
  ExternalSample sample;
  bool there = false;
  {
    nb::gil_scoped_release release;
    there = engine.take_external(static_cast<int>(1000 * timeout_seconds), sample);
  }
  if (!there) return nb::none();
  const BatchRequest& request = sample.batch->request();
  return nb::make_tuple(PyBatch{sample.batch, self.engine}, sample.slot,
                        request.indices[sample.slot], request.first_position + sample.slot);
}

void fill_external(const PyBatch& self, std::size_t slot, nb::handle pixels) {
  const Buffer image(pixels, false);
  const SourcePixels source = pixels_of(image);
  nb::gil_scoped_release release;
  self.engine->fill_external({self.batch, slot}, source);
}

void fail_external(const PyBatch& self, std::size_t slot, const std::string& message) {
  self.engine->fail_external({self.batch, slot}, Status::error(Code::decode, message));
}

nb::dict statistics_of(const PyEngine& self) {
  const EngineStatistics s = self.use().statistics();
  const auto seconds = [](std::uint64_t nanoseconds) {
    return static_cast<double>(nanoseconds) * 1e-9;
  };
  nb::dict out;
  out["images"] = s.images;
  out["errors"] = s.errors;
  out["external"] = s.external;
  out["cache_hits"] = s.cache_hits;
  out["bytes_read"] = s.bytes_read;
  out["read_seconds"] = seconds(s.read_nanoseconds);
  out["decode_seconds"] = seconds(s.decode_nanoseconds);
  out["render_seconds"] = seconds(s.render_nanoseconds);
  out["queue_depth"] = s.queue_depth;
  return out;
}

}  // namespace

void bind_engine(nb::module_& m) {
  m.def("rows_of", &rows_of, nb::arg("index"), nb::arg("count"));
  nb::class_<Source>(m, "Source").def("__len__", &Source::size);
  nb::class_<StoreSource, Source>(m, "StoreSource")
      .def(nb::new_(&store_source), nb::arg("fd"), nb::arg("offsets"), nb::arg("lengths"));
  nb::class_<JoinedSource, Source>(m, "JoinedSource")
      .def(nb::new_(&joined_source), nb::arg("parts"), nb::arg("places"), nb::arg("fingerprints"))
      .def(
          "attach",
          [](JoinedSource& self, std::size_t part, std::shared_ptr<Source> source) {
            if (!self.attach(part, std::move(source))) {
              throw nb::value_error("no such part, or a source that is too small for it");
            }
          },
          nb::arg("part"), nb::arg("source").none());
  nb::class_<FileSource, Source>(m, "FileSource")
      .def(nb::new_(&file_source), nb::arg("blob"), nb::arg("offsets"));

  m.attr("kept_pixels_version") = kept_pixels_version;
  nb::class_<SampleCache>(m, "SampleCache")
      .def(nb::new_(&sample_cache), nb::arg("fd"), nb::kw_only(), nb::arg("channels"),
           nb::arg("height"), nb::arg("width"), nb::arg("key"), nb::arg("budget_bytes"),
           nb::arg("writable") = true)
      .def_ro_static("file_header_bytes", &SampleCache::file_header_bytes)
      .def_static("slot_bytes", &SampleCache::slot_bytes, nb::arg("channels"), nb::arg("height"),
                  nb::arg("width"))
      .def_prop_ro("used_bytes", &SampleCache::used_bytes)
      .def_prop_ro("written", &SampleCache::written)
      .def_prop_ro("write_error", &SampleCache::write_error);

  nb::class_<PyBatch>(m, "Batch")
      .def("wait", &wait, nb::arg("timeout_seconds") = -1.0)
      .def("array", &array_of, nb::arg("returned") = nb::none())
      .def("failures", &failures_of)
      .def("cancel",
           [](const PyBatch& self) {
             if (!self.engine->foreign()) self.engine->cancel(self.batch);
           })
      .def("fill_external", &fill_external, nb::arg("slot"), nb::arg("pixels"))
      .def("fail_external", &fail_external, nb::arg("slot"), nb::arg("message"))
      .def("__len__", [](const PyBatch& self) { return self.batch->size(); })
      .def_prop_ro("source", [](const PyBatch& self) { return self.batch->request().source; })
      .def_prop_ro("done", [](const PyBatch& self) { return self.batch->done(); })
      .def_prop_ro("cache_hits", [](const PyBatch& self) { return self.batch->cache_hits(); })
      .def_prop_ro("cancelled", [](const PyBatch& self) { return self.batch->cancelled(); })
      .def_prop_ro("bytes", [](const PyBatch& self) {
        return self.batch->request().recipe->output().slot_bytes() * self.batch->size();
      });

  nb::class_<PyEngine>(m, "Engine")
      .def(nb::new_([](int threads) {
             if (threads < 0 || threads > 1024) {
               throw nb::value_error("threads has to be 0 to 1024");
             }
             return PyEngine{{new Engine(threads), forget_or_delete}};
           }),
           nb::arg("threads"))
      .def("submit", &submit, nb::arg("source"), nb::arg("recipe"), nb::arg("indices"),
           nb::arg("first_position"), nb::arg("seed"), nb::arg("lane") = 0,
           nb::arg("cache").none() = nb::none())
      .def("take_external", &take_external, nb::arg("timeout_seconds"))
      .def_prop_ro("external_pending",
                   [](const PyEngine& self) { return self.use().external_pending(); })
      .def_prop_ro("pool_bytes", [](const PyEngine& self) { return self.engine->pool_bytes(); })
      .def_prop_ro(
          "closed",
          [](const PyEngine& self) { return self.engine->foreign() || self.engine->closed(); })
      .def("trim", [](const PyEngine& self) { self.use().trim(); })
      .def("stats", &statistics_of)
      .def("close", [](const PyEngine& self) {
        if (self.engine->foreign()) return;
        nb::gil_scoped_release release;
        self.engine->close();
      });
}
