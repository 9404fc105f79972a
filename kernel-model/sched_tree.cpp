// kernel-model/sched_tree.cpp — the release tree of a core: scheduling contexts that wait for budget, by (wait_until,
// last_dispatch, ref), so that among equals the least recently run comes first. An AA tree (Andersson 1993): a level
// a node, left children one level lower, right children at most equal, no two equal right links in a row.
// Bounds      recursion is at most twice the logarithm of the nodes: 2 × 24 for all contexts a node can hold.
#include "kernel-model/sched_parts.h"

#include "base/enforce.h"

namespace kernel::sched {
namespace {

using Link = Ref<SchedContext>;

u32 level_of(const Kernel& kernel, Link node) { return node ? kernel.at(node).tree_level : 0; }

Link skew(Kernel& kernel, Link node) {
  if (!node) return node;
  SchedContext& top = kernel.at(node);
  if (!top.tree_left || level_of(kernel, top.tree_left) != top.tree_level) return node;
  const Link left = top.tree_left;
  SchedContext& new_top = kernel.at(left);
  top.tree_left = new_top.tree_right;
  new_top.tree_right = node;
  return left;
}

Link split(Kernel& kernel, Link node) {
  if (!node) return node;
  SchedContext& top = kernel.at(node);
  if (!top.tree_right) return node;
  const Link right = top.tree_right;
  SchedContext& new_top = kernel.at(right);
  if (level_of(kernel, new_top.tree_right) != top.tree_level) return node;
  top.tree_right = new_top.tree_left;
  new_top.tree_left = node;
  new_top.tree_level += 1;
  return right;
}

bool less(const Kernel& kernel, Link a, Link b) { return released_before(kernel.at(a), a, kernel.at(b), b); }

Link insert(Kernel& kernel, Link root, Link sc) {
  if (!root) return sc;
  SchedContext& top = kernel.at(root);
  if (less(kernel, sc, root)) {
    top.tree_left = insert(kernel, top.tree_left, sc);
  } else {
    top.tree_right = insert(kernel, top.tree_right, sc);
  }
  return split(kernel, skew(kernel, root));
}

Link rebalance(Kernel& kernel, Link root) {
  SchedContext& top = kernel.at(root);
  const u32 left = level_of(kernel, top.tree_left);
  const u32 right = level_of(kernel, top.tree_right);
  const u32 wanted = (left < right ? left : right) + 1;
  if (wanted < top.tree_level) {
    top.tree_level = static_cast<u8>(wanted);
    if (wanted < right) kernel.at(top.tree_right).tree_level = static_cast<u8>(wanted);
  }
  root = skew(kernel, root);
  SchedContext& second = kernel.at(root);
  second.tree_right = skew(kernel, second.tree_right);
  if (second.tree_right) {
    SchedContext& third = kernel.at(second.tree_right);
    third.tree_right = skew(kernel, third.tree_right);
  }
  root = split(kernel, root);
  SchedContext& last = kernel.at(root);
  last.tree_right = split(kernel, last.tree_right);
  return root;
}

Link remove(Kernel& kernel, Link root, Link sc) {
  ASSERT(root);
  SchedContext& top = kernel.at(root);
  if (root == sc) {
    if (!top.tree_left && !top.tree_right) return {};
    // The neighbour in order takes the place of the removed node.
    Link neighbour;
    if (top.tree_left) {
      neighbour = top.tree_left;
      while (kernel.at(neighbour).tree_right) neighbour = kernel.at(neighbour).tree_right;
      const Link rest = remove(kernel, top.tree_left, neighbour);
      kernel.at(neighbour).tree_left = rest;
      kernel.at(neighbour).tree_right = top.tree_right;
    } else {
      neighbour = top.tree_right;
      while (kernel.at(neighbour).tree_left) neighbour = kernel.at(neighbour).tree_left;
      const Link rest = remove(kernel, top.tree_right, neighbour);
      kernel.at(neighbour).tree_right = rest;
      kernel.at(neighbour).tree_left = {};
    }
    kernel.at(neighbour).tree_level = top.tree_level;
    root = neighbour;
  } else if (less(kernel, sc, root)) {
    top.tree_left = remove(kernel, top.tree_left, sc);
  } else {
    top.tree_right = remove(kernel, top.tree_right, sc);
  }
  return rebalance(kernel, root);
}

}  // namespace

bool released_before(const SchedContext& a, Ref<SchedContext> a_ref, const SchedContext& b, Ref<SchedContext> b_ref) {
  if (a.wait_until != b.wait_until) return a.wait_until < b.wait_until;
  if (a.last_dispatch != b.last_dispatch) return a.last_dispatch < b.last_dispatch;
  return a_ref.offset < b_ref.offset;
}

void tree_insert(Kernel& kernel, Ref<SchedContext>& root, Ref<SchedContext> sc) {
  SchedContext& node = kernel.at(sc);
  ASSERT(node.in_tree == 0);
  node.in_tree = 1;
  node.tree_level = 1;
  root = insert(kernel, root, sc);
}

void tree_remove(Kernel& kernel, Ref<SchedContext>& root, Ref<SchedContext> sc) {
  SchedContext& node = kernel.at(sc);
  ASSERT(node.in_tree == 1);
  root = remove(kernel, root, sc);
  node.in_tree = 0;
  node.tree_level = 0;
  node.tree_left = {};
  node.tree_right = {};
}

Ref<SchedContext> tree_first(const Kernel& kernel, Ref<SchedContext> root) {
  if (!root) return {};
  while (kernel.at(root).tree_left) root = kernel.at(root).tree_left;
  return root;
}

}  // namespace kernel::sched
