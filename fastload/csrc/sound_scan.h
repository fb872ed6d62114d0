// Whether an ordinary JPEG file is sound, from its bits alone.
#pragma once

#include "libjpeg_decode.h"

namespace fastload {

// Walks over the codes of a baseline file and makes no coefficients of them. True where every block
// is there, whole and as the standard has it, and then at once the end marker: libjpeg-turbo
// decodes such a file without an error or a warning, since what comes after the codes (inverse DCT,
// upsampling, colours) cannot fail. False in the least doubt, which says nothing about the file.
bool is_plainly_sound(ByteSpan file, const JpegLimits& limits, JpegReport& report);

}  // namespace fastload
