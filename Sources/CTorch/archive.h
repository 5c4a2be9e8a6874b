#pragma once
#include "mapping_guard.h"

#include <caffe2/serialize/read_adapter_interface.h>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ctorch {

/// A model file (a zip archive), mapped into memory: tensors are used where they lie in the file.
///
/// The pages belong to the system's cache until something writes to them, and then to this process (private mapping):
/// a model that changes its own buffers changes neither the file nor another model.
class MappedArchive : public caffe2::serialize::ReadAdapterInterface {
 public:
  struct Record {
    size_t offset = 0;
    size_t size = 0;
    /// Bytes in the file: fewer than `size` where it is compressed.
    size_t packed_size = 0;
    uint32_t checksum = 0;
    /// Lies in the file as it is, and not compressed.
    bool is_stored = false;
  };

  /// Whether all of a file is about to be read, so that its pages are best brought in at once.
  enum class Pages { kAll, kFew };

  /// Throws `std::runtime_error` where the file cannot be mapped or its directory is damaged.
  MappedArchive(const std::string &path, Pages pages);
  ~MappedArchive() override;
  MappedArchive(const MappedArchive &) = delete;
  MappedArchive &operator=(const MappedArchive &) = delete;

  /// Whether all that was read lay in the file; where not, zeros were read, and what was made of them is worth nothing.
  bool is_whole() const { return guard_->is_whole(); }

  size_t size() const override { return size_; }
  size_t read(uint64_t position, void *buffer, size_t count, const char *what = "") const override;

  /// By name without the archive's own leading folder.
  const std::unordered_map<std::string, Record> &records() const { return records_; }
  const Record *find(const std::string &name) const;
  /// A record as it lies in the file, `packed_size` bytes.
  const char *packed(const Record &record) const { return bytes_ + record.offset; }
  /// The bytes of a stored record. Throws where their checksum is not the directory's.
  char *verified(const Record &record) const;
  /// Whether `count` bytes from `data` on lie within the mapping.
  bool contains(const void *data, size_t count) const;
  /// Whether `count` bytes from `data` on lie within one stored record.
  bool holds(const void *data, size_t count) const;
  /// Takes whole pages among these bytes out of the process's memory; they come back from the file where they are read.
  void give_back(const void *data, size_t count) const;

 private:
  void read_directory();
  /// One entry of the directory, which is known to lie within the file.
  void add(const char *entry);
  /// The library finds records whatever the case of their names: what it reads must be what is checked here.
  void check_names() const;

  char *bytes_ = nullptr;
  size_t size_ = 0;
  std::optional<MappingGuard> guard_;
  /// Where stored records begin and their bytes, ascending.
  std::vector<std::pair<size_t, size_t>> stored_;
  std::unordered_map<std::string, Record> records_;
};

}  // namespace ctorch
