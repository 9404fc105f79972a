// fs/token.h — the token of an open: what a client shows to open a file by id after the server was restarted. Only a
// server with the same key can make one.
// Source      SipHash-2-4: Aumasson, Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.
// Tested by   tests/fs/records_test.cpp (the reference's vectors)
#pragma once
#include "base/types.h"

namespace fs {

struct TokenKey {
  u64 low = 0;
  u64 high = 0;
};

/// SipHash-2-4 of `message`.
u64 siphash(const TokenKey& key, base::Bytes message);

/// The token of (session, id, flags).
u64 token_of(const TokenKey& key, u64 session, u64 id, u16 flags);

}  // namespace fs
