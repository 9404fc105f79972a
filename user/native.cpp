// user/native.cpp — see native.h. The order is that of root::NativeEntryNumber.
#include "user/native.h"

#include "user/root/boot.h"
#include "user/root/worker.h"
#include "user/runtime/start.h"
#include "user/runtime/thread.h"

#include "base/enforce.h"

namespace user {
namespace {

constexpr machine::NativeEntry kEntries[] = {
    {"root", root::root_main},
    {"program", program_main},
    {"worker", root::worker_main},
    {"thread", thread_main},
};

}  // namespace

std::span<const machine::NativeEntry> native_entries() { return kEntries; }

}  // namespace user
