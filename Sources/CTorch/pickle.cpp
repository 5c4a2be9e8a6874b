// Pickle, as far as TorchScript archives use it: protocol 2 and the instructions that the library's reader knows.
// Meaning of the instructions: CPython's Lib/pickletools.py.
#include "pickle.h"

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace ctorch {

namespace {

/// What is known of a value on the stack: enough to tell that the library's reader finds what it takes from there.
struct Value {
  enum Kind { kOther, kTuple, kGlobal } kind = kOther;
  /// Elements of a tuple; of a global, elements of the tuple that it wants at least.
  size_t elements = 0;
};

/// Runs the instructions on descriptions of values. Stricter than the library: an instruction takes nothing from
/// below the last mark, which no writer does.
class Instructions {
 public:
  Instructions(const char *bytes, size_t size) : next_(bytes), end_(bytes + size), size_(size) {}

  void check() {
    while (true) {
      const auto instruction = static_cast<unsigned char>(*take(1));
      if (instruction == '.') {
        if (stack_.size() != 1 || !marks_.empty()) damaged();
        return;
      }
      check(instruction);
    }
  }

 private:
  void check(unsigned char instruction) {
    switch (instruction) {
      case '(': marks_.push_back(stack_.size()); return;
      // Constants and empty containers.
      case 'N': case ']': case '}': case 0x88: case 0x89: push(); return;
      case ')': push({Value::kTuple, 0}); return;
      case 'K': take(1); push(); return;
      case 'M': take(2); push(); return;
      case 'J': take(4); push(); return;
      case 'G': take(8); push(); return;
      case 0x8a: take(number(1)); push(); return;
      case 'X': take(number(4)); push(); return;
      case 'c': global(); return;
      case 0x80: take(1); return;
      case 'q': remember(number(1)); return;
      case 'r': remember(number(4)); return;
      case 'h': recall(number(1)); return;
      case 'j': recall(number(4)); return;
      case 'Q':
        // A storage: ("storage", type, key, device, count).
        if (pop(Value::kTuple).elements < 5) damaged();
        push();
        return;
      default: build(instruction);
    }
  }

  /// Instructions that make one value of several.
  void build(unsigned char instruction) {
    switch (instruction) {
      case 't': push({Value::kTuple, above_mark()}); return;
      case 0x85: case 0x86: case 0x87: {
        const size_t elements = instruction - 0x84u;
        for (size_t i = 0; i < elements; i++) pop();
        push({Value::kTuple, elements});
        return;
      }
      case 'l': above_mark(); push(); return;
      case 'd': pairs(); push(); return;
      // Into a container that stays.
      case 'a': pop(); top(); return;
      case 'e': above_mark(); top(); return;
      case 's': pop(); pop(); top(); return;
      case 'u': pairs(); top(); return;
      // A new object is its class until it is built.
      case 0x81: pop(Value::kTuple); top(Value::kGlobal); return;
      case 'R': case 'b': {
        const Value argument = instruction == 'R' ? pop(Value::kTuple) : pop();
        const size_t wanted = pop(Value::kGlobal).elements;
        if (wanted > 0 && (argument.kind != Value::kTuple || argument.elements < wanted)) damaged();
        push();
        return;
      }
      default: throw std::runtime_error("the module has an unknown pickle instruction");
    }
  }

  [[noreturn]] static void damaged() { throw std::runtime_error("the module's pickle does not fit together"); }

  void push(Value value = {}) { stack_.push_back(value); }

  Value &top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged();
    return stack_.back();
  }

  void top(Value::Kind kind) {
    if (top().kind != kind) damaged();
  }

  Value pop() {
    const Value value = top();
    stack_.pop_back();
    return value;
  }

  Value pop(Value::Kind kind) {
    top(kind);
    return pop();
  }

  /// Takes the last mark and what lies above it. Returns how many values these were.
  size_t above_mark() {
    if (marks_.empty()) damaged();
    const size_t count = stack_.size() - marks_.back();
    stack_.resize(marks_.back());
    marks_.pop_back();
    return count;
  }

  void pairs() {
    if (above_mark() % 2 != 0) damaged();
  }

  /// Names of types are numbers to the library; everything else is a function or a class.
  void global() {
    const std::string module = line();
    const std::string name = line();
    if (module == "torch" && name != "device") return push();
    // Elements that the library's functions take from their arguments without looking how many there are.
    static const std::map<std::string, size_t> wanted = {
        {"_rebuild_tensor", 4}, {"_rebuild_tensor_v2", 6}, {"_rebuild_qtensor", 7}, {"_rebuild_sparse_tensor", 2},
        {"_rebuild_parameter", 3}, {"restore_type_tag", 2}, {"build_tensor_from_id", 1}, {"build_intlist", 1},
        {"build_tensorlist", 1}, {"build_doublelist", 1}, {"build_boollist", 1}, {"device", 1}};
    const auto known = wanted.find(name);
    push({Value::kGlobal, known == wanted.end() ? 0 : known->second});
  }

  /// Places in the memo are numbered one after the other, each by an instruction of its own.
  void remember(size_t index) {
    if (index >= size_) throw std::runtime_error("the module's pickle refers to a place that it cannot have");
    memo_[index] = top();
  }

  void recall(size_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) throw std::runtime_error("the module's pickle refers to a place that it does not have");
    push(found->second);
  }

  const char *take(size_t count) {
    if (static_cast<size_t>(end_ - next_) < count) throw std::runtime_error("the module's pickle breaks off");
    const char *taken = next_;
    next_ += count;
    return taken;
  }

  /// Little-endian.
  size_t number(size_t bytes) {
    const char *digits = take(bytes);
    size_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= static_cast<size_t>(static_cast<unsigned char>(digits[i])) << (8 * i);
    return value;
  }

  std::string line() {
    const void *newline = std::memchr(next_, '\n', static_cast<size_t>(end_ - next_));
    if (newline == nullptr) throw std::runtime_error("the module's pickle breaks off");
    std::string text(next_, static_cast<const char *>(newline));
    next_ = static_cast<const char *>(newline) + 1;
    return text;
  }

  const char *next_;
  const char *end_;
  size_t size_;
  std::vector<Value> stack_;
  /// Heights of the stack.
  std::vector<size_t> marks_;
  std::map<size_t, Value> memo_;
};

}  // namespace

void check_pickle(const char *bytes, size_t size) { Instructions(bytes, size).check(); }

}  // namespace ctorch
