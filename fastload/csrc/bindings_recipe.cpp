#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <memory>

#include "bindings.h"
#include "recipe.h"

namespace {

using Kind = Operation::Kind;
using Bytes3 = std::tuple<int, int, int>;
using Floats3 = std::tuple<double, double, double>;

Filter filter_of(nb::handle code) {
  const int value = nb::cast<int>(code);
  if (value < 0 || value > 5) throw nb::value_error("filter has to be one of Pillow's, 0 to 5");
  return static_cast<Filter>(value);
}

Fill fill_of(nb::handle color) {
  const auto [r, g, b] = nb::cast<Bytes3>(color);
  if (std::min({r, g, b}) < 0 || std::max({r, g, b}) > 255) {
    throw nb::value_error("fill has to be three values of 0 to 255");
  }
  return {static_cast<std::uint8_t>(r), static_cast<std::uint8_t>(g), static_cast<std::uint8_t>(b)};
}

void read_ranges(const nb::tuple& op, std::size_t first, Operation& out) {
  out.low = nb::cast<double>(op[first]);
  out.high = nb::cast<double>(op[first + 1]);
  out.ratio_low = nb::cast<double>(op[first + 2]);
  out.ratio_high = nb::cast<double>(op[first + 3]);
}

// The tuples that the Python side writes: a name, then the fields in the order of recipe.h.
Operation operation_of(const nb::tuple& op) {
  const auto name = nb::cast<std::string>(op[0]);
  const auto number = [&op](std::size_t i) { return nb::cast<int>(op[i]); };
  Operation out;
  if (name == "random_resized_crop") {
    out.kind = Kind::random_resized_crop;
    out.height = number(1);
    out.width = number(2);
    read_ranges(op, 3, out);
    out.filter = filter_of(op[7]);
  } else if (name == "resize" || name == "resize_shorter") {
    out.kind = name == "resize" ? Kind::resize : Kind::resize_shorter;
    out.height = number(1);
    out.width = number(2);
    out.filter = filter_of(op[3]);
  } else if (name == "center_crop" || name == "random_crop") {
    const bool random = name == "random_crop";
    out.kind = random ? Kind::random_crop : Kind::center_crop;
    out.height = number(1);
    out.width = number(2);
    if (random) out.pad_if_needed = nb::cast<bool>(op[3]);
    if (random) out.fill = fill_of(op[4]);
  } else if (name == "pad") {
    out.kind = Kind::pad;
    out.left = number(1);
    out.top = number(2);
    out.right = number(3);
    out.bottom = number(4);
    out.fill = fill_of(op[5]);
  } else if (name == "horizontal_flip" || name == "vertical_flip" || name == "grayscale") {
    out.kind = name == "horizontal_flip" ? Kind::horizontal_flip
               : name == "vertical_flip" ? Kind::vertical_flip
                                         : Kind::grayscale;
    out.probability = nb::cast<double>(op[1]);
  } else if (name == "erase") {
    out.kind = Kind::erase;
    out.probability = nb::cast<double>(op[1]);
    read_ranges(op, 2, out);
    const auto [v0, v1, v2] = nb::cast<Floats3>(op[6]);
    out.value = {v0, v1, v2};
  } else {
    throw nb::value_error(("expected the name of an operation, found " + name).c_str());
  }
  return out;
}

std::shared_ptr<Recipe> make_recipe(const nb::sequence& ops, int height, int width, int channels,
                                    int dtype, bool channels_last, nb::handle table,
                                    int pillow_order) {
  std::vector<Operation> operations;
  for (nb::handle op : ops) operations.push_back(operation_of(nb::cast<nb::tuple>(op)));
  if (dtype < 0 || dtype > 3) throw nb::value_error("dtype has to be 0 to 3");
  if (pillow_order < 0 || pillow_order > 2) throw nb::value_error("pillow_order has to be 0 to 2");
  RecipeOutput output{channels, height, width, static_cast<DType>(dtype), channels_last, {}};
  if (!table.is_none()) {
    const Buffer values(table, false);
    output.table.assign(values.bytes().data, values.bytes().end());
  }
  auto recipe = std::make_shared<Recipe>();
  raise_unless_ok(Recipe::make(std::move(operations), std::move(output),
                               static_cast<PassOrder>(pillow_order), *recipe));
  return recipe;
}

using Int32s = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Int64s = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// One row a sample: crop (top, left, height, width), resize (height, width), window (4), flips
// (horizontal, vertical), gray, erase (4).
nb::object draw(const Recipe& recipe, std::uint64_t seed, const Int64s& positions,
                const Int32s& heights, const Int32s& widths) {
  constexpr std::size_t fields = 17;
  const std::size_t count = positions.shape(0);
  if (heights.shape(0) != count || widths.shape(0) != count) {
    throw nb::value_error("positions, heights and widths have to be of one length");
  }
  auto* values = new std::int32_t[count * fields];
  const nb::capsule owner(values, [](void* p) noexcept { delete[] static_cast<std::int32_t*>(p); });
  for (std::size_t i = 0; i < count; ++i) {
    Placement p;
    raise_unless_ok(
        recipe.place(seed, static_cast<std::uint64_t>(positions(i)), heights(i), widths(i), p));
    const Geometry& g = p.geometry;
    const std::array<std::int32_t, fields> row = {
        g.crop.top,        g.crop.left,     g.crop.height, g.crop.width,    g.resize_height,
        g.resize_width,    g.window.top,    g.window.left, g.window.height, g.window.width,
        g.flip_horizontal, g.flip_vertical, p.gray,        p.erase.top,     p.erase.left,
        p.erase.height,    p.erase.width};
    std::copy(row.begin(), row.end(), values + i * fields);
  }
  return nb::cast(
      nb::ndarray<nb::numpy, std::int32_t, nb::ndim<2>>(values, {count, fields}, owner));
}

// Runs make(output) without the GIL on a slot of the recipe's shape.
template <typename Make>
void render_into(const Recipe& recipe, nb::handle out, Make make) {
  const Buffer target(out, true);
  const RecipeOutput& shape = recipe.output();
  Output output =
      output_of(target, shape.dtype, shape.channels, shape.height, shape.width, std::nullopt);
  output.table = shape.table.empty() ? nullptr : shape.table.data();
  Status status;
  {
    nb::gil_scoped_release release;
    status = make(output);
  }
  raise_unless_ok(status);
}

void render_array(const Recipe& recipe, nb::handle pixels, std::uint64_t seed,
                  std::uint64_t position, nb::handle out) {
  const Buffer image(pixels, false);
  const SourcePixels source = pixels_of(image);
  render_into(recipe, out, [&](const Output& output) {
    return render_pixels(source, recipe, seed, position, output, thread_scratch());
  });
}

void render_bytes(const Recipe& recipe, nb::handle data, std::uint64_t seed, std::uint64_t position,
                  nb::handle out) {
  const Buffer bytes(data, false);
  render_into(recipe, out, [&](const Output& output) {
    Record record;
    Status status = parse_record(bytes.bytes(), record);
    return status.ok() ? render_record(record, 0, recipe, seed, position, output, thread_scratch())
                       : status;
  });
}

void render_jpeg(const Recipe& recipe, nb::handle file, std::uint64_t seed, std::uint64_t position,
                 nb::handle out) {
  const Buffer bytes(file, false);
  render_into(recipe, out, [&](const Output& output) {
    Record record;
    Status status = record_of_file(bytes.bytes(), record);
    return status.ok() ? render_record(record, 0, recipe, seed, position, output, thread_scratch())
                       : status;
  });
}

}  // namespace

void bind_recipe(nb::module_& m) {
  nb::class_<Recipe>(m, "Recipe")
      .def(nb::new_(&make_recipe), nb::arg("ops"), nb::kw_only(), nb::arg("height"),
           nb::arg("width"), nb::arg("channels") = 3, nb::arg("dtype") = 0,
           nb::arg("channels_last") = false, nb::arg("table").none() = nb::none(),
           nb::arg("pillow_order") = 0)
      .def_prop_ro("fixed", &Recipe::fixed)
      .def("draw", &draw, nb::arg("seed"), nb::arg("positions"), nb::arg("heights"),
           nb::arg("widths"))
      .def("render", &render_array, nb::arg("pixels"), nb::arg("seed"), nb::arg("position"),
           nb::arg("out"))
      .def("render_record", &render_bytes, nb::arg("record"), nb::arg("seed"), nb::arg("position"),
           nb::arg("out"))
      .def("render_jpeg", &render_jpeg, nb::arg("file"), nb::arg("seed"), nb::arg("position"),
           nb::arg("out"));
}
