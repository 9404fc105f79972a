// boot/shared/windows.h — virtual addresses of stacks and arenas, behind the functions of kernel-model/machine.h.
#pragma once
#include "base/types.h"

namespace boot {

enum class AddressUse : u8 {
  Other,
  Stack,  // of a stack that is handed out, or was: its pages are mapped on first use
  Guard   // the page below one
};
AddressUse address_use(u64 address);

/// Gives the stack page at `address` memory; false: there is none left.
bool stack_page_in(u64 address);

}  // namespace boot
