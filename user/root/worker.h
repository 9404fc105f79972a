// user/root/worker.h — a worker of the root manager: does what may block on a server, with the files of one process.
#pragma once
#include "base/types.h"

namespace user::root {

/// Native entry 2. Never returns.
void worker_main(const u64 (&arguments)[8]);

}  // namespace user::root
