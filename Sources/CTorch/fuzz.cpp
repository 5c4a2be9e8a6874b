// Model files from anywhere, for fuzzers: no bytes may end the process.
#include "CTorch.h"

#include <sys/mman.h>
#include <unistd.h>
#include <string>
#include <vector>

extern "C" int ct_fuzz_model(const uint8_t *data, size_t size) {
  const int file = ::memfd_create("model", MFD_CLOEXEC);
  if (file < 0) return 0;
  size_t written = 0;
  while (written < size) {
    const ssize_t count = ::write(file, data + written, size - written);
    if (count <= 0) break;
    written += static_cast<size_t>(count);
  }
  char error[CT_ERROR_CAPACITY];
  ct_model *model = nullptr;
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (written == size && ct_model_load(path.c_str(), "cpu", &model, error) == 0) {
    std::vector<int64_t> ids{1, 2, 3, 4};
    ct_tensor input{};
    input.dtype = CT_INT64;
    input.dimension_count = 2;
    input.dimensions[0] = 1;
    input.dimensions[1] = static_cast<int64_t>(ids.size());
    input.data = ids.data();
    input.byte_count = ids.size() * sizeof(int64_t);
    const int32_t count = ct_model_input_count(model);
    if (count > 0 && count <= 16) {
      const std::vector<ct_tensor> inputs(static_cast<size_t>(count), input);
      ct_result *result = nullptr;
      if (ct_model_run(model, inputs.data(), inputs.size(), &result, error) == 0) ct_result_free(result);
    }
    ct_model_free(model);
  }
  ::close(file);
  return 0;
}
