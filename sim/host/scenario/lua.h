// sim/host/scenario/lua.h — the distribution's Lua 5.4, built as C++: an error unwinds our frames.
#pragma once
extern "C" {
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
}
