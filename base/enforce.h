// base/enforce.h — included last by every core source file: after it, names that the core may not use do not
// compile. The link without an operating system is the proof; this gives the error where the mistake is.
#pragma once

#pragma GCC poison malloc calloc realloc rand srand random unordered_map unordered_set unordered_multimap
#pragma GCC poison steady_clock system_clock high_resolution_clock random_device mt19937
#pragma GCC poison float double throw catch thread_local dynamic_cast typeid
#pragma GCC poison printf fprintf sprintf snprintf fopen getenv iostream ostream mutex
