#include "fs/token.h"

#include <bit>

#include "base/bytes.h"

#include "base/enforce.h"

namespace fs {
namespace {

struct SipState {
  u64 v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void absorb(u64 word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

u64 siphash(const TokenKey& key, base::Bytes message) {
  SipState state{key.low ^ 0x736f6d6570736575u, key.high ^ 0x646f72616e646f6du, key.low ^ 0x6c7967656e657261u,
                 key.high ^ 0x7465646279746573u};
  std::size_t at = 0;
  for (; at + 8 <= message.size(); at += 8) state.absorb(base::load_le64(message.data() + at));
  u8 last[8] = {};
  for (std::size_t i = at; i < message.size(); ++i) last[i - at] = message[i];
  last[7] = static_cast<u8>(message.size());
  state.absorb(base::load_le64(last));
  state.v2 ^= 0xff;
  for (u32 i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

u64 token_of(const TokenKey& key, u64 session, u64 id, u16 flags) {
  u8 message[24] = {};
  base::store_le64(message, session);
  base::store_le64(message + 8, id);
  base::store_le64(message + 16, flags);
  return siphash(key, message);
}

}  // namespace fs
