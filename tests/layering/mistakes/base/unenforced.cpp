#include "base/enforce.h"
#include "base/types.h"
