#include "shim.h"

#include <cerrno>
#include <cstring>
#include <sstream>
#include <string>

namespace ctorch {

int write_module(const torch::jit::Module &module, const char *path, char *error) {
  // Into memory first: the library's file writer throws from its destructor where the disk is full, which ends the
  // process.
  std::ostringstream archive;
  module.save(archive);
  const std::string content = archive.str();
  std::FILE *file = std::fopen(path, "wb");
  if (file == nullptr) return fail(error, std::strerror(errno));
  int problem = 0;
  if (std::fwrite(content.data(), 1, content.size(), file) != content.size()) problem = errno;
  if (problem == 0 && std::fflush(file) != 0) problem = errno;
  if (std::fclose(file) != 0 && problem == 0) problem = errno;
  return problem == 0 ? 0 : fail(error, std::strerror(problem));
}

}  // namespace ctorch
