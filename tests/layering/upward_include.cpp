// A base source that includes a layer above it. Compiled with base's own include path it must not find the header.
#include "kernel-model/abi.h"
