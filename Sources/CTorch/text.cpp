// Numbers as text.
#include "CTorch.h"

#include <charconv>
#include <cmath>
#include <cstring>

size_t ct_floats_text(const float *values, size_t count, char *text) {
  char *next = text;
  for (size_t i = 0; i < count; i++) {
    if (i > 0) *next++ = ',';
    if (std::isfinite(values[i])) {
      next = std::to_chars(next, next + CT_FLOAT_TEXT_CAPACITY, values[i]).ptr;
    } else {
      const char *name = std::isnan(values[i]) ? "NaN" : values[i] < 0 ? "-Infinity" : "Infinity";
      size_t length = std::strlen(name);
      std::memcpy(next, name, length);
      next += length;
    }
  }
  return static_cast<size_t>(next - text);
}
