// boot/freestanding/include/gnu/stubs-lp64.h — which functions of the C library are stubs under riscv64's soft-float ABI.
// Nothing here uses the C library, but the C++ library's headers include its <features.h>, which asks for this file;
// Debian's cross compiler brings it for the hard-float ABI only.
