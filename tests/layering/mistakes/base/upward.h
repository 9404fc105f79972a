#include "kernel-model/abi.h"
