// kernel-model/untyped.h — memory: objects are retyped in place from Untyped, whose watermark lies in its cap.
// Invariants  M3 an object lies in [base, base + watermark) of its nearest Untyped ancestor.
//             M4 RAM above a watermark is zero.
#pragma once
#include "kernel-model/kernel.h"

namespace kernel::untyped {

/// log2 of the bytes of an object; `size_bits` as Untyped_Retype takes it (CNode: the radix; fixed sizes ignore it).
u32 object_bits(ObjectType type, u32 size_bits);
/// The full cap to a new object at `offset`, without count.
Cap full_cap(ObjectType type, u32 size_bits, u32 offset, bool device);
/// Writes the header of a new object into zeroed memory; what a cap needs it to have before the first is inserted.
void initialise_object(Kernel& kernel, ObjectType type, u32 size_bits, u32 offset);
/// Zeroes a childless Untyped from its watermark down, one chunk a unit.
Step reset(Kernel& kernel, Ref<Slot> slot);

}  // namespace kernel::untyped
