#include <span>

#include "schema/codec.h"

#include "base/enforce.h"
