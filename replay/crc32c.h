// replay/crc32c.h — CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: reflected polynomial 0x82F63B78, all ones before
// and after.
#pragma once
#include "base/bytes.h"
#include "base/types.h"

namespace replay {

/// Continues `crc` (0 at first) over `bytes`. Finds every burst of up to 32 bits, so every flipped bit and byte.
u32 crc32c(base::Bytes bytes, u32 crc = 0);

}  // namespace replay
