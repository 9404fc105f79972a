// boot/check/write.cpp — a mistake the link without an operating system must refuse.
#include <unistd.h>
long core_function_that_writes(const char* text) { return ::write(1, text, 1); }
