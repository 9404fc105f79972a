// Intrusive list and tree against std::list and std::set.
#include <catch2/catch.hpp>

#include <list>
#include <memory>
#include <set>
#include <vector>

#include "base/list.h"
#include "base/prng.h"
#include "base/tree.h"

using namespace base;

namespace {

struct Node {
  explicit Node(u64 number) : key(number) {}
  u64 before = 0;  // so that the hooks are not at offset 0
  ListHook hook;
  ListHook other_hook;
  TreeHook tree_hook;
  u64 key;
};

struct ByKey {
  bool operator()(const Node& a, const Node& b) const { return a.key < b.key; }
  bool operator()(const Node& a, u64 b) const { return a.key < b; }
  bool operator()(u64 a, const Node& b) const { return a < b.key; }
};

}  // namespace

TEST_CASE("a list keeps insertion order under every kind of change", "[base][list][model]") {
  for (u64 seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.list"};
    std::vector<std::unique_ptr<Node>> nodes;
    for (u64 i = 0; i < 30; ++i) nodes.push_back(std::make_unique<Node>(i));
    List<Node, &Node::hook> list;
    List<Node, &Node::other_hook> other;  // membership here is independent
    std::list<Node*> model;
    for (u32 step = 0; step < 300; ++step) {
      Node& node = *nodes[prng.below(nodes.size())];
      if (node.hook.is_linked()) {
        const auto place = std::find(model.begin(), model.end(), &node);
        Node* next = std::next(place) == model.end() ? nullptr : *std::next(place);
        Node* previous = place == model.begin() ? nullptr : *std::prev(place);
        REQUIRE(list.next(node) == next);
        REQUIRE(list.previous(node) == previous);
        if (prng.below(2) == 0) {
          list.remove(node);
        } else {
          node.hook.unlink();
        }
        model.erase(place);
      } else {
        Node& place = *nodes[prng.below(nodes.size())];
        switch (prng.below(3)) {
          case 0:
            list.push_back(node);
            model.push_back(&node);
            break;
          case 1:
            list.push_front(node);
            model.push_front(&node);
            break;
          case 2:
            if (!place.hook.is_linked()) break;
            list.insert_before(place, node);
            model.insert(std::find(model.begin(), model.end(), &place), &node);
            break;
        }
      }
      if (!node.other_hook.is_linked()) other.push_back(node);
      REQUIRE(list.count() == model.size());
      auto expected = model.begin();
      for (Node& at : list) REQUIRE(&at == *expected++);
      REQUIRE(list.front() == (model.empty() ? nullptr : model.front()));
      REQUIRE(list.back() == (model.empty() ? nullptr : model.back()));
    }
    while (!model.empty()) {
      REQUIRE(list.pop_front() == model.front());
      model.pop_front();
    }
    REQUIRE(list.pop_back() == nullptr);
    other.clear();
  }
}

TEST_CASE("a tree does what std::set does and stays balanced", "[base][tree][model]") {
  for (u64 seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Prng prng{seed, "test.tree"};
    std::vector<std::unique_ptr<Node>> nodes;
    for (u64 i = 0; i < 120; ++i) nodes.push_back(std::make_unique<Node>(prng.below(90)));  // some keys are equal
    Tree<Node, &Node::tree_hook, ByKey> tree;
    std::set<u64> model;
    for (u32 step = 0; step < 600; ++step) {
      Node& node = *nodes[prng.below(nodes.size())];
      if (node.tree_hook.is_linked()) {
        tree.remove(node);
        model.erase(node.key);
      } else {
        REQUIRE(tree.insert(node) == model.insert(node.key).second);
      }
      if (step % 8 == 0) tree.check_invariants();
      REQUIRE(tree.size() == model.size());
      const u64 key = prng.below(100);
      const auto bound = model.lower_bound(key);
      const Node* found = tree.lower_bound(key);
      REQUIRE((found == nullptr) == (bound == model.end()));
      if (found != nullptr) {
        REQUIRE(found->key == *bound);
        const Node* next = tree.next(*found);
        REQUIRE((next == nullptr) == (std::next(bound) == model.end()));
        const Node* previous = tree.previous(*found);
        REQUIRE((previous == nullptr) == (bound == model.begin()));
        if (previous != nullptr) REQUIRE(previous->key == *std::prev(bound));
      }
      REQUIRE((tree.find(key) != nullptr) == model.contains(key));
    }
    auto expected = model.begin();
    for (Node& node : tree) REQUIRE(node.key == *expected++);
    REQUIRE(expected == model.end());
    if (!model.empty()) REQUIRE(tree.last()->key == *model.rbegin());
    while (Node* first = tree.pop_first()) {
      REQUIRE(first->key == *model.begin());
      model.erase(model.begin());
    }
    REQUIRE(model.empty());
  }
}

TEST_CASE("a tree filled in order is as flat as AVL trees are", "[base][tree]") {
  std::vector<std::unique_ptr<Node>> nodes;
  Tree<Node, &Node::tree_hook, ByKey> tree;
  for (u64 i = 0; i < 1023; ++i) {
    nodes.push_back(std::make_unique<Node>(i));
    REQUIRE(tree.insert(*nodes.back()));
  }
  tree.check_invariants();
  for (u64 i = 0; i < 1023; i += 2) tree.remove(*nodes[i]);
  tree.check_invariants();
  CHECK(tree.size() == 511);
  CHECK(tree.first()->key == 1);
  tree.clear();
}
