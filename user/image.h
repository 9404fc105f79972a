// user/image.h — the boot image: a ustar with /bin, /boot and /etc, what `/` is until a file system is mounted there.
#pragma once
#include "base/types.h"

namespace user {

/// Built from user/image/ and user/programs.def by tools/boot_image.py.
base::Bytes boot_image();

}  // namespace user
