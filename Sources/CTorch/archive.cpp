// Zip archives in memory. Format: PKWARE's APPNOTE 6.3.9, sections 4.3 (layout), 4.5.3 (64-bit sizes).
#include "archive.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_set>

namespace ctorch {

namespace {

/// Little-endian, wherever it runs and however it is aligned.
template <typename Integer> Integer little_endian(const char *bytes) {
  Integer value = 0;
  for (size_t i = 0; i < sizeof(Integer); i++)
    value |= static_cast<Integer>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

[[noreturn]] void damaged(const char *what) {
  throw std::runtime_error(std::string("the archive is damaged: ") + what);
}

/// Of ASCII letters alone, as the library compares names.
std::string lowercase(std::string text) {
  for (char &letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return text;
}

constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kDirectoryEnd = 0x06054b50;
constexpr uint32_t kDirectoryEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kMostInflation = 16, kSmallArchive = 1 << 20;
constexpr size_t kDirectoryEndSize = 22, kLocatorSize = 20, kEntrySize = 46, kLocalHeaderSize = 30;

}  // namespace

MappedArchive::MappedArchive(const std::string &path, Pages pages) {
  // Opening a pipe that is never written to must not wait.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) throw std::runtime_error(std::strerror(errno));
  struct stat status {};
  void *mapped = MAP_FAILED;
  int problem = 0;
  if (::fstat(file, &status) != 0) {
    problem = errno;
  } else if (!S_ISREG(status.st_mode)) {
    ::close(file);
    throw std::runtime_error("it is no file");
  } else if (status.st_size > 0) {
    size_ = static_cast<size_t>(status.st_size);
    // Read-only while its pages are brought in, or each of them would be copied at once.
    const int populate = pages == Pages::kAll ? MAP_POPULATE : 0;
    mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | populate, file, 0);
    if (mapped == MAP_FAILED || ::mprotect(mapped, size_, PROT_READ | PROT_WRITE) != 0) problem = errno;
  }
  ::close(file);
  if (mapped != MAP_FAILED) bytes_ = static_cast<char *>(mapped);
  try {
    if (problem != 0) throw std::runtime_error(std::strerror(problem));
    if (bytes_ == nullptr) damaged("it is empty");
    guard_.emplace(bytes_, size_);
    read_directory();
  } catch (...) {
    guard_.reset();
    if (bytes_ != nullptr) ::munmap(bytes_, size_);
    throw;
  }
}

MappedArchive::~MappedArchive() {
  guard_.reset();
  ::munmap(bytes_, size_);
}

size_t MappedArchive::read(uint64_t position, void *buffer, size_t count, const char *) const {
  if (position >= size_) return 0;
  const size_t available = std::min(count, size_ - static_cast<size_t>(position));
  std::memcpy(buffer, bytes_ + position, available);
  return available;
}

const MappedArchive::Record *MappedArchive::find(const std::string &name) const {
  const auto entry = records_.find(name);
  return entry == records_.end() ? nullptr : &entry->second;
}

char *MappedArchive::verified(const Record &record) const {
  char *data = bytes_ + record.offset;
  if (::libdeflate_crc32(0, data, record.size) != record.checksum)
    damaged("a record's checksum is not that of its directory");
  return data;
}

bool MappedArchive::contains(const void *data, size_t count) const {
  const char *first = static_cast<const char *>(data);
  return first >= bytes_ && first <= bytes_ + size_ && count <= static_cast<size_t>(bytes_ + size_ - first);
}

bool MappedArchive::holds(const void *data, size_t count) const {
  if (!contains(data, count)) return false;
  const auto offset = static_cast<size_t>(static_cast<const char *>(data) - bytes_);
  const auto next = std::upper_bound(stored_.begin(), stored_.end(), std::make_pair(offset, SIZE_MAX));
  if (next == stored_.begin()) return false;
  const auto &record = *std::prev(next);
  return offset - record.first <= record.second && count <= record.second - (offset - record.first);
}

void MappedArchive::give_back(const void *data, size_t count) const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(data) + count) / page * page;
  if (contains(data, count) && first < end) ::madvise(reinterpret_cast<void *>(first), end - first, MADV_DONTNEED);
}

void MappedArchive::read_directory() {
  // From the end backwards: a comment of up to 64 KiB may follow.
  if (size_ < kDirectoryEndSize) damaged("it is too short");
  const size_t farthest = size_ - kDirectoryEndSize > 0xFFFF ? size_ - kDirectoryEndSize - 0xFFFF : 0;
  size_t end = size_ - kDirectoryEndSize;
  while (little_endian<uint32_t>(bytes_ + end) != kDirectoryEnd) {
    if (end-- == farthest) damaged("it has no directory, so it was cut off or is no model");
  }
  uint64_t count = little_endian<uint16_t>(bytes_ + end + 10);
  uint64_t offset = little_endian<uint32_t>(bytes_ + end + 16);
  if (end >= kLocatorSize && little_endian<uint32_t>(bytes_ + end - kLocatorSize) == kLocator64) {
    const auto large = little_endian<uint64_t>(bytes_ + end - kLocatorSize + 8);
    if (large > size_ || size_ - large < 56 || little_endian<uint32_t>(bytes_ + large) != kDirectoryEnd64)
      damaged("its 64-bit directory is not where it says");
    count = little_endian<uint64_t>(bytes_ + large + 32);
    offset = little_endian<uint64_t>(bytes_ + large + 48);
  }
  for (uint64_t index = 0; index < count; index++) {
    if (offset > end || end - offset < kEntrySize || little_endian<uint32_t>(bytes_ + offset) != kDirectoryEntry)
      damaged("its directory breaks off");
    const char *entry = bytes_ + offset;
    const size_t length = kEntrySize + little_endian<uint16_t>(entry + 28) + little_endian<uint16_t>(entry + 30) +
                          little_endian<uint16_t>(entry + 32);
    if (end - offset < length) damaged("its directory breaks off");
    add(entry);
    offset += length;
  }
  std::sort(stored_.begin(), stored_.end());
  uint64_t inflated = 0;
  for (const auto &record : records_) {
    if (__builtin_add_overflow(inflated, record.second.size, &inflated)) inflated = UINT64_MAX;
  }
  // Weights shrink by a tenth; text by nine tenths.
  if (inflated / kMostInflation > size_ + kSmallArchive)
    damaged("it inflates to far more than a model of its size would");
  check_names();
}

void MappedArchive::check_names() const {
  // Folders and records that the library looks for.
  static const std::unordered_set<std::string> known = {"data.pkl", "constants.pkl", "version", ".data",
                                                        "data",     "constants",     "code"};
  std::unordered_set<std::string> seen;
  for (const auto &entry : records_) {
    const std::string name = lowercase(entry.first), first = name.substr(0, name.find('/'));
    if (!seen.insert(name).second) damaged("two of its records differ in the case of their names only");
    if (known.count(first) != 0 && entry.first.compare(0, first.size(), first) != 0)
      damaged("the name of a record is in the wrong case");
  }
}

void MappedArchive::add(const char *entry) {
  const size_t name_length = little_endian<uint16_t>(entry + 28);
  const size_t extra_length = little_endian<uint16_t>(entry + 30);
  uint64_t compressed = little_endian<uint32_t>(entry + 20), size = little_endian<uint32_t>(entry + 24);
  uint64_t header = little_endian<uint32_t>(entry + 42);
  // Fields that are full are in the 64-bit extra field, in this order.
  const char *extra = entry + kEntrySize + name_length;
  const char *extra_end = extra + extra_length;
  while (extra_end - extra >= 4) {
    const size_t tag = little_endian<uint16_t>(extra), bytes = little_endian<uint16_t>(extra + 2);
    extra += 4;
    if (static_cast<size_t>(extra_end - extra) < bytes) damaged("an extra field breaks off");
    const char *field = extra, *field_end = extra + bytes;
    for (uint64_t *value : {&size, &compressed, &header}) {
      if (tag != 1 || *value != 0xFFFFFFFF) continue;
      if (field_end - field < 8) damaged("a 64-bit size is missing");
      *value = little_endian<uint64_t>(field);
      field += 8;
    }
    extra += bytes;
  }
  if (header > size_ || size_ - header < kLocalHeaderSize ||
      little_endian<uint32_t>(bytes_ + header) != kLocalHeader)
    damaged("a record is not where its directory says");
  const size_t start = header + kLocalHeaderSize + little_endian<uint16_t>(bytes_ + header + 26) +
                       little_endian<uint16_t>(bytes_ + header + 28);
  if (start > size_ || size_ - start < compressed) damaged("a record reaches beyond the end");
  std::string name(entry + kEntrySize, name_length);
  name.erase(0, name.find('/') + 1);
  Record record;
  record.offset = start;
  record.size = size;
  record.packed_size = compressed;
  record.checksum = little_endian<uint32_t>(entry + 16);
  record.is_stored = little_endian<uint16_t>(entry + 10) == 0 && compressed == size;
  if (record.is_stored) stored_.emplace_back(record.offset, record.size);
  if (!records_.emplace(std::move(name), record).second) damaged("a record is there twice");
}

}  // namespace ctorch
