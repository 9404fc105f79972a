#include "user/runtime/mount_table.h"

#include "base/enforce.h"

namespace user {

Result<Covered> find_covering(std::span<const Mount> mounts, std::string_view path) {
  Covered best;
  u64 best_size = 0;
  for (u64 i = 0; i < mounts.size();) {
    const std::string_view entry = mounts[i].path.view();
    u64 end = i + 1;
    while (end < mounts.size() && mounts[end].path == entry) end += 1;
    if (entry.size() > best_size && fs::is_within(path, entry)) {
      best = {i, end, fs::below(path, entry)};
      best_size = entry.size();
    }
    i = end;
  }
  if (best_size == 0) return fs::fail(ErrorCode::NotFound);
  return best;
}

Result<void> follow_link(std::string_view entry, std::string_view rest, u32 consumed, std::string_view target,
                         base::String& out) {
  if (consumed == 0 || target.empty()) return fs::fail(ErrorCode::ProtocolError);
  base::String text(out.allocator());
  fs::NameCursor names(rest);
  for (u32 i = 1; i < consumed; ++i) {  // the names before the link
    if (names.done()) return fs::fail(ErrorCode::ProtocolError);
    text.push('/');
    text.append(names.next());
  }
  if (names.done()) return fs::fail(ErrorCode::ProtocolError);
  names.next();
  if (target[0] == '/') {
    text.assign(target);
  } else {
    text.push('/');
    text.append(target);
  }
  if (!names.done()) {
    text.push('/');
    text.append(names.rest());
  }
  // A relative target starts at the directory that holds the link; that lies below the entry.
  base::String whole(out.allocator());
  if (target[0] != '/') whole.append(entry);
  whole.append(text.view());
  return fs::normalise("/", whole.view(), out);
}

}  // namespace user
