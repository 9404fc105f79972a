// boot/check/getenv.cpp — a mistake the link without an operating system must refuse.
#include <cstdlib>
const char* core_function_that_reads_the_environment() { return std::getenv("HOME"); }
