// boot/check/nothing.cpp — needs no operating system: the link accepts it, so that the refusals beside it mean something.
#include <string_view>
bool core_function_that_needs_nothing(std::string_view text) { return text == "ready"; }
