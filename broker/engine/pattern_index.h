#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "broker/engine/pattern.h"

namespace estiba {

// Which of many patterns match a topic name: a trie of tokens. Patterns are valid (CheckPattern),
// names are too (CheckName). Value: compared with ==, kept by value (a pointer, an id).
//
// Cost of Match: a hash lookup for each place in the trie that the name's beginning leads to,
// however many patterns lie elsewhere. A name leads to one place, and at each token to one more for
// each of those that go on with "*". So what can cost is only patterns that match the beginning in
// many ways: a.*.x, *.b.x, *.*.x and a.b.x are four for the name a.b.c.
// Memory: removed patterns leave nothing behind.
// Threads: one at a time, or under the owner's lock: Match may run beside Match, nothing beside
// Insert and Remove.
template <typename Value>
class PatternIndex {
 public:
  // False: the pattern has this value already. Linear in the pattern's values, as is Remove.
  bool Insert(absl::string_view pattern, Value value) {
    Node* node = &root_;
    for (TokenReader tokens(pattern); !tokens.AtEnd();) {
      const absl::string_view token = tokens.Next();
      if (token == kAnyRest) return AddTo(node->values_of_rest, std::move(value));
      node = node->ChildToBe(token);
    }
    return AddTo(node->values, std::move(value));
  }

  // False: the pattern does not have this value.
  bool Remove(absl::string_view pattern, const Value& value) {
    return RemoveBelow(&root_, TokenReader(pattern), value);
  }

  // Calls visit(const Value&) for each value of each pattern that matches, and so more than once
  // for a value of several such patterns. The order depends on nothing but the calls made before.
  // `visit` must not change this index.
  template <typename F>
  void Match(absl::string_view topic, F&& visit) const {
    MatchBelow(root_, TokenReader(topic), visit);
  }

  // Pairs of a pattern and a value.
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Places in the trie, without the root.
  size_t nodes() const { return CountBelow(root_); }

 private:
  using Values = std::vector<Value>;

  struct Node {
    absl::flat_hash_map<std::string, std::unique_ptr<Node>> children;
    std::unique_ptr<Node> any;  // the child of "*"
    Values values;              // of the pattern that ends here
    Values values_of_rest;      // of the pattern that goes on with ">"

    bool empty() const {
      return children.empty() && any == nullptr && values.empty() && values_of_rest.empty();
    }
    Node* Child(absl::string_view token) const {
      const auto it = children.find(token);
      return it == children.end() ? nullptr : it->second.get();
    }
    Node* ChildToBe(absl::string_view token) {
      std::unique_ptr<Node>& child = token == kAnyToken ? any : children[token];
      if (child == nullptr) child = std::make_unique<Node>();
      return child.get();
    }
    void EraseChild(absl::string_view token) {
      if (token == kAnyToken) {
        any.reset();
        return;
      }
      children.erase(token);
      // Erasing alone keeps the table as large as it ever was.
      if (children.size() <= children.capacity() / 8) children.rehash(0);
    }
  };

  bool AddTo(Values& values, Value value) {
    if (std::find(values.begin(), values.end(), value) != values.end()) return false;
    values.push_back(std::move(value));
    ++size_;
    return true;
  }

  bool RemoveFrom(Values& values, const Value& value) {
    const auto it = std::find(values.begin(), values.end(), value);
    if (it == values.end()) return false;
    values.erase(it);
    if (values.size() < values.capacity() / 4) values.shrink_to_fit();
    --size_;
    return true;
  }

  // Depth: at most the tokens of the longest pattern, which a name's length bounds.
  bool RemoveBelow(Node* node, TokenReader tokens, const Value& value) {
    if (tokens.AtEnd()) return RemoveFrom(node->values, value);
    const absl::string_view token = tokens.Next();
    if (token == kAnyRest) return RemoveFrom(node->values_of_rest, value);
    Node* const child = token == kAnyToken ? node->any.get() : node->Child(token);
    if (child == nullptr || !RemoveBelow(child, tokens, value)) return false;
    if (child->empty()) node->EraseChild(token);
    return true;
  }

  template <typename F>
  static void MatchBelow(const Node& node, TokenReader tokens, F& visit) {
    if (tokens.AtEnd()) {
      for (const Value& value : node.values) visit(value);
      return;
    }
    for (const Value& value : node.values_of_rest) visit(value);
    const absl::string_view token = tokens.Next();
    if (const Node* const child = node.Child(token)) MatchBelow(*child, tokens, visit);
    if (node.any != nullptr) MatchBelow(*node.any, tokens, visit);
  }

  static size_t CountBelow(const Node& node) {
    size_t count = node.any == nullptr ? 0 : 1 + CountBelow(*node.any);
    for (const auto& [token, child] : node.children) count += 1 + CountBelow(*child);
    return count;
  }

  Node root_;
  size_t size_ = 0;
};

}  // namespace estiba
