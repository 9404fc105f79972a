// sim/host/leak_draws.cpp — planted: two draws in one expression.
#include "sim/host/leaks.h"

namespace sim::leaks {
namespace {

struct Stream {
  u64 next_value = 1;
  u64 next() {
    next_value = next_value * 6'364'136'223'846'793'005u + 1;
    return next_value >> 33;
  }
};
u64 pair(u64 first, u64 second) { return first << 32 | second; }

}  // namespace

u64 two_draws() {
  Stream stream;
  return pair(stream.next(), stream.next());
}

}  // namespace sim::leaks
