#pragma once
#include <cstdint>
#include <string>

namespace ctorch {

/// What a model's file says of itself.
struct Look {
  /// Hashes of the code, and of the code with the types and shapes of all tensors and the whole numbers beside them:
  /// 40 hexadecimal digits.
  std::string code, architecture;
  /// Of the module's class, without where it was defined.
  std::string class_name;
  /// Of all tensors in the file.
  int64_t weight_bytes = 0;
  /// Whether there are matrices of such elements.
  bool has_int8 = false, has_bfloat16 = false;
};

/// Looks at a model's file without running or compiling any of it. Throws where it cannot be read, is damaged or holds
/// no module.
Look look_at(const std::string &path);

}  // namespace ctorch
