// kernel-model/irq.h — interrupt lines: Free, Armed, Masked.
#pragma once
#include "kernel-model/kernel.h"

namespace kernel::irq {

/// An interrupt on `line`: signals the line's notification and masks it; without one, or on a Free line, `lost`.
void deliver(Kernel& kernel, u32 line);
/// The last handler cap is gone: mask, delete the notification cap, Free. True when done (the delete may need units).
bool finalise_handler_unit(Kernel& kernel, u32 line);

}  // namespace kernel::irq
