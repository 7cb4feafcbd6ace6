#include "broker/engine/filter.h"

#include <utility>

#include "broker/base/wire_reader.h"

namespace estiba {
namespace {

using Kind = FilterExpression::Kind;

constexpr uint32_t kAttributesField = 2;
constexpr uint32_t kKeyField = 1;
constexpr uint32_t kValueField = 2;
constexpr uint8_t kKeyTag = kKeyField << 3 | WireReader::kLength;
constexpr uint8_t kValueTag = kValueField << 3 | WireReader::kLength;

// A test takes at least the bytes of `attributes:k`, and gates are fewer than tests: all bits fit.
static_assert(kMaxFilterBytes / 12 <= 32);

// A map entry as encoders write it: a key and a value, both shorter than 128 bytes.
inline bool ReadPlainEntry(std::string_view entry, std::string_view* key, std::string_view* value) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(entry[i]); };
  if (entry.size() < 4 || byte(0) != kKeyTag) return false;
  const size_t key_size = byte(1);
  if (key_size >= 0x80 || entry.size() < key_size + 4 || byte(key_size + 2) != kValueTag) {
    return false;
  }
  const size_t value_size = byte(key_size + 3);
  if (value_size >= 0x80 || entry.size() != key_size + value_size + 4) return false;
  *key = entry.substr(2, key_size);
  *value = entry.substr(key_size + 4, value_size);
  return true;
}

// Any map entry.
bool ReadEntry(std::string_view entry, std::string_view* key, std::string_view* value) {
  for (WireReader reader(entry); !reader.AtEnd();) {
    uint32_t field = 0;
    uint32_t type = 0;
    if (!reader.ReadTag(&field, &type)) return false;
    const bool wanted = type == WireReader::kLength && (field == kKeyField || field == kValueField);
    if (wanted ? !reader.ReadBytes(field == kKeyField ? key : value) : !reader.Skip(type)) {
      return false;
    }
  }
  return true;
}

}  // namespace

class Filter::Compiler {
 public:
  explicit Compiler(Filter* filter) : filter_(*filter) {}

  void Compile(const FilterExpression& root) {
    CollectTests(root);
    const Truth result = Add(root);
    filter_.result_bit_ = result.bit;
    filter_.result_negated_ = result.negated;
  }

 private:
  struct Truth {
    uint8_t bit = 0;
    bool negated = false;
  };

  static bool IsTest(const FilterExpression& e) { return e.parts.empty(); }

  Text Store(const std::string& text) {
    const Text stored{static_cast<uint16_t>(filter_.texts_.size()),
                      static_cast<uint16_t>(text.size())};
    filter_.texts_ += text;
    return stored;
  }

  // Tests of a key lie together, so they are collected key by key; equal ones are one.
  void CollectTests(const FilterExpression& root) {
    std::vector<const FilterExpression*> all;
    Flatten(root, &all);
    for (const FilterExpression* first : all) {
      if (FindKey(first->key) != nullptr) continue;
      Key key;
      key.name = Store(first->key);
      key.first_test = static_cast<uint16_t>(filter_.tests_.size());
      for (const FilterExpression* e : all) {
        if (e->key != first->key || FindTest(key.first_test, filter_.tests_.size(), *e)) continue;
        filter_.tests_.push_back({Store(e->value), e->kind, bits_used_});
        key.bits |= Bits{1} << bits_used_++;
      }
      key.end_test = static_cast<uint16_t>(filter_.tests_.size());
      filter_.key_sizes_ |= uint64_t{1} << (first->key.size() % 64);
      filter_.keys_.push_back(key);
    }
  }

  static void Flatten(const FilterExpression& e, std::vector<const FilterExpression*>* tests) {
    if (IsTest(e)) tests->push_back(&e);
    for (const FilterExpression& part : e.parts) Flatten(part, tests);
  }

  const Key* FindKey(const std::string& name) const {
    for (const Key& key : filter_.keys_) {
      if (filter_.TextIs(key.name, name)) return &key;
    }
    return nullptr;
  }

  const Test* FindTest(size_t begin, size_t end, const FilterExpression& e) const {
    for (size_t i = begin; i < end; ++i) {
      const Test& test = filter_.tests_[i];
      if (test.kind == e.kind && filter_.TextIs(test.value, e.value)) return &test;
    }
    return nullptr;
  }

  Truth Add(const FilterExpression& e) {
    if (IsTest(e)) {
      const Key* const key = FindKey(e.key);
      return {FindTest(key->first_test, key->end_test, e)->bit, e.negated};
    }
    // a OR b is NOT (NOT a AND NOT b).
    const bool any = e.kind == Kind::kAny;
    Gate gate;
    for (const FilterExpression& part : e.parts) {
      const Truth truth = Add(part);
      (truth.negated != any ? gate.clear : gate.set) |= Bits{1} << truth.bit;
    }
    gate.bit = bits_used_++;
    filter_.gates_.push_back(gate);
    return {gate.bit, e.negated != any};
  }

  Filter& filter_;
  uint8_t bits_used_ = 0;
};

absl::StatusOr<std::shared_ptr<const Filter>> Filter::Compile(absl::string_view source) {
  const absl::StatusOr<FilterExpression> expression = ParseFilter(source);
  if (!expression.ok()) return expression.status();
  std::shared_ptr<Filter> filter(new Filter);
  filter->source_ = std::string(source);
  Compiler(filter.get()).Compile(*expression);
  return std::shared_ptr<const Filter>(std::move(filter));
}

inline bool Filter::TextIs(Text text, std::string_view other) const {
  return std::string_view(texts_.data() + text.begin, text.size) == other;
}

inline bool Filter::Passes(const Test& test, std::string_view value) const {
  switch (test.kind) {
    case Kind::kEquals:
      return TextIs(test.value, value);
    case Kind::kHasPrefix:
      return TextIs(test.value, value.substr(0, test.value.size));
    default:
      return true;
  }
}

inline void Filter::Look(std::string_view entry, Bits* bits) const {
  std::string_view name;
  std::string_view value;
  if (!ReadPlainEntry(entry, &name, &value) && !ReadEntry(entry, &name, &value)) return;
  if ((key_sizes_ >> (name.size() % 64) & 1) == 0) return;
  for (const Key& key : keys_) {
    if (!TextIs(key.name, name)) continue;
    *bits &= ~key.bits;  // of an earlier entry
    for (size_t i = key.first_test; i < key.end_test; ++i) {
      *bits |= Bits{Passes(tests_[i], value)} << tests_[i].bit;
    }
    return;
  }
}

bool Filter::Matches(std::string_view message) const {
  Bits bits = 0;
  for (WireReader reader(message); !reader.AtEnd();) {
    uint32_t field = 0;
    uint32_t type = 0;
    std::string_view entry;
    if (!reader.ReadTag(&field, &type)) break;
    if (field == kAttributesField && type == WireReader::kLength) {
      if (!reader.ReadBytes(&entry)) break;
      Look(entry, &bits);
    } else if (!reader.Skip(type)) {
      break;
    }
  }
  for (const Gate& gate : gates_) {
    const bool passes = (bits & gate.set) == gate.set && (bits & gate.clear) == 0;
    bits |= Bits{passes} << gate.bit;
  }
  return (bits >> result_bit_ & 1) != result_negated_;
}

}  // namespace estiba
