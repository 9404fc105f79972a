#include "vm/machine.h"
