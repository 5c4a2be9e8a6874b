#pragma once
#include "CTorch.h"
#include <torch/script.h>

namespace ctorch {

/// The type of the interface's elements that a tensor has; false where it has none.
bool shim_type(at::ScalarType type, ct_dtype &dtype);
/// The library's type of such elements; false where the number is none of the interface's.
bool scalar_type(ct_dtype dtype, at::ScalarType &type);

}  // namespace ctorch
