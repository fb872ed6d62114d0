// Which passes a geometry needs, and which pixels they read.
#pragma once

#include "coefficients.h"
#include "geometry.h"
#include "status.h"

namespace fastload {

// The parts of the window that lie on the resized crop, and where they come from.
// Empty spans where the window lies wholly outside.
struct Layout {
  Span rows;            // in the resized crop
  Span columns;         // in the resized crop
  Span source_rows;     // in the crop
  Span source_columns;  // in the crop
  bool horizontal_pass = false;
  bool vertical_pass = false;
  bool vertical_first = false;  // only where both passes run
};

// Whether every size makes sense; the functions below and `render` rely on it.
Status check_geometry(const Geometry& geometry);

Layout make_layout(const Geometry& geometry);

// The part of the decoded picture that `render` reads: a rectangle inside `crop`, or one of
// height and width 0 where the window lies wholly outside the resized crop.
Window needed_source(const Geometry& geometry);

}  // namespace fastload
