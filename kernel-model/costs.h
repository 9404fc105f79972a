// kernel-model/costs.h — the kernel's part of the world's one cost table, in virtual nanoseconds. It is data of the
// world's configuration; these are the defaults. Base figures: seL4's published benchmark table (MCS, i7-6700 at
// 3.4 GHz, two address spaces, means): IPC call 744 cycles = 219 ns, reply 638 = 188, notify 1064 = 313, interrupt
// 1968 = 579; without MCS notify is 753, so accounting on an SC change is 311 cycles = 91 ns.
#pragma once
#include "base/types.h"

namespace kernel {

struct CostTable {
  u64 syscall = 47;        // entry, exit, first lookup level: published null system call, 160 cycles at 3.4 GHz
  u64 thread_switch = 90;  // with address space; our split of the reply figure
  u64 fast_call = 82;      // 219 − 47 − 90
  u64 fast_reply = 51;     // 188 − 47 − 90
  u64 sc_switch = 91;      // difference MCS − non-MCS
  u64 chain_level = 25;    // each level above the leaf; ours
  u64 signal = 45;         // 313 − 47 − 90 − 91 = 85, split ours
  u64 schedule = 40;
  u64 irq_entry = 313;  // 579 − 45 − 40 − 90 − 91
  u64 slow_send = 120;  // ours, no published figure
  u64 slow_receive = 120;
  u64 message_word = 1;  // beyond `mr`; ours: copying 1/8 ns a byte
  u64 lookup_level = 5;  // ours
  u64 cap_transfer = 50;
  u64 insert_or_move = 30;
  u64 object_create = 40;
  u64 unit_delete = 60;
  u64 unit_waiter = 60;
  u64 unit_scan = 20;   // 64 Null slots
  u64 unit_zero = 512;  // 4 KiB at 1/8 ns a byte
  u64 release = 40;     // one SC
  u64 map = 60;
  u64 unmap = 60;
  u64 tlb_flush = 30;  // local
  u64 lock_wait = 0;   // contention between cores is modelled as free
  u64 ipi_send = 200;  // published TLB shootdown estimate: about 1 µs + 0.2 µs a receiver
  u64 ipi_latency = 1000;
  u64 ipi_target = 200;
  u64 steal = 50;             // each thread
  u64 native_work_unit = 10;  // the world's: one unit of explicit native work
};

}  // namespace kernel
