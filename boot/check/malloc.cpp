// boot/check/malloc.cpp — a mistake the link without an operating system must refuse.
#include <cstdlib>
#include <cstddef>
void* core_function_that_allocates(std::size_t bytes) { return std::malloc(bytes); }
