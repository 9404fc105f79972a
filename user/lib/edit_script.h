// user/lib/edit_script.h — the shortest edit script between two sequences: which elements of the first to drop and which
// of the second to add. E. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1 (1986), §4b: linear
// space, by the middle of the path.
// Tested by   tests/user/edit_script_test.cpp (model: the table of longest common subsequences)
#pragma once
#include "base/vector.h"

namespace user {

/// `dropped` and `added` get a flag for each element of `a` and `b`. Equal numbers are equal elements.
/// Gives the work done, in native work units.
u64 shortest_edit(base::Allocator& heap, std::span<const u32> a, std::span<const u32> b, base::Vector<u8>& dropped,
                  base::Vector<u8>& added);

}  // namespace user
