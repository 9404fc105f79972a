// base/allocator.h — where memory comes from. Containers of the core take an Allocator& when they are made; there is no
// default one.
#pragma once
#include "base/types.h"

namespace base {

struct Allocator {
  /// `bytes` bytes (0 is allowed) at a multiple of `align`, a power of two. Never null: what exhaustion means is the
  /// implementation's to say; a native process faults. Contents are unspecified.
  virtual void* allocate(u64 bytes, u64 align) = 0;
  /// The same, but null when memory is exhausted.
  virtual void* try_allocate(u64 bytes, u64 align) = 0;
  /// Gives back what `allocate` returned; `bytes` is what was asked for.
  virtual void release(void* block, u64 bytes) = 0;

 protected:
  ~Allocator() = default;
};

}  // namespace base
