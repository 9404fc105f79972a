// boot/check/new.cpp — a mistake the link without an operating system must refuse.
int* core_function_that_uses_the_heap() { return new int(7); }
