// Element types that both the interface and the library have.
#include "element_types.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ctorch {

namespace {

constexpr std::pair<ct_dtype, at::ScalarType> kTypes[] = {
    {CT_FLOAT32, at::kFloat}, {CT_INT64, at::kLong},  {CT_INT32, at::kInt},    {CT_BOOL, at::kBool},
    {CT_FLOAT64, at::kDouble}, {CT_INT16, at::kShort}, {CT_INT8, at::kChar},    {CT_UINT8, at::kByte},
    {CT_FLOAT16, at::kHalf},  {CT_BFLOAT16, at::kBFloat16},
};

}  // namespace

bool shim_type(at::ScalarType type, ct_dtype &dtype) {
  const auto *known = std::find_if(std::begin(kTypes), std::end(kTypes), [&](auto &one) { return one.second == type; });
  if (known == std::end(kTypes)) return false;
  dtype = known->first;
  return true;
}

bool scalar_type(ct_dtype dtype, at::ScalarType &type) {
  const auto *known = std::find_if(std::begin(kTypes), std::end(kTypes), [&](auto &one) { return one.first == dtype; });
  if (known == std::end(kTypes)) return false;
  type = known->second;
  return true;
}

}  // namespace ctorch
