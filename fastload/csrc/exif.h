// The one EXIF field that changes how a picture is shown.
#pragma once

#include "bytes.h"

namespace fastload {

// `app1` is the content of an APP1 segment. Returns 1 to 8, or 0 where there is no
// orientation or the structure is broken.
int exif_orientation(ByteSpan app1);

}  // namespace fastload
