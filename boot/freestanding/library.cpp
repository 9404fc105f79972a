// boot/freestanding/library.cpp — what inline code of the C++ standard library and the C++ ABI refer to and the core never
// reaches: each of these ends in a failed assertion that names it. Nothing here is a service; a core source that needs
// anything else of a library does not link.
#include <cstddef>
#include <new>

#include "base/assert.h"

#include "base/enforce.h"

// libstdc++, bits/functexcept.h: what its containers and string_view call instead of a `throw` expression.
namespace std {
[[noreturn]] void __throw_logic_error(const char*) { UNREACHABLE("std::__throw_logic_error"); }
[[noreturn]] void __throw_length_error(const char*) { UNREACHABLE("std::__throw_length_error"); }
[[noreturn]] void __throw_out_of_range(const char*) { UNREACHABLE("std::__throw_out_of_range"); }
[[noreturn]] void __throw_out_of_range_fmt(const char*, ...) { UNREACHABLE("std::__throw_out_of_range_fmt"); }
[[noreturn]] void __throw_bad_alloc() { UNREACHABLE("std::__throw_bad_alloc"); }
[[noreturn]] void __throw_bad_array_new_length() { UNREACHABLE("std::__throw_bad_array_new_length"); }
[[noreturn]] void __throw_bad_function_call() { UNREACHABLE("std::__throw_bad_function_call"); }
}  // namespace std

extern "C" {
// Itanium C++ ABI §3.2.6: a virtual function called while its object is being made or destroyed.
[[noreturn]] void __cxa_pure_virtual() { UNREACHABLE("a pure virtual function was called"); }
// std::optional::value and std::get without exceptions.
[[noreturn]] void abort() { UNREACHABLE("abort"); }
}

// A virtual destructor makes the compiler emit a deleting one, which refers to these; the core deletes nothing.
void operator delete(void*) noexcept { UNREACHABLE("operator delete"); }
void operator delete(void*, std::size_t) noexcept { UNREACHABLE("operator delete"); }
void operator delete(void*, std::size_t, std::align_val_t) noexcept { UNREACHABLE("operator delete"); }
