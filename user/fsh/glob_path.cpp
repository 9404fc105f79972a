// user/fsh/glob_path.cpp — breadth first: the set of paths so far, times the names that match the next component.
#include "user/fsh/glob_path.h"

#include <algorithm>

#include "base/glob.h"

#include "base/enforce.h"

namespace user::fsh {
namespace {

/// A component without pattern characters, its escapes taken away.
base::String unescaped(base::Allocator& heap, std::string_view component) {
  base::String out(heap);
  for (u64 i = 0; i < component.size(); ++i) {
    if (component[i] == '\\' && i + 1 < component.size()) i += 1;
    out.push(component[i]);
  }
  return out;
}

}  // namespace

base::Vector<base::String> glob_paths(Parameters& parameters, base::Allocator& heap, std::string_view pattern) {
  base::Vector<base::String> paths(heap);
  paths.push_back(base::String(heap));
  u64 at = 0;
  bool checked = true;  // false: the last component was plain text, and nobody has looked whether it exists
  while (at < pattern.size() && !paths.empty()) {
    if (pattern[at] == '/') {
      for (base::String& path : paths) path.push('/');
      at += 1;
      continue;
    }
    u64 end = at;
    while (end < pattern.size() && pattern[end] != '/') end += pattern[end] == '\\' && end + 1 < pattern.size() ? 2 : 1;
    const std::string_view component = pattern.substr(at, end - at);
    at = end;
    if (!base::is_glob(component)) {
      const base::String name = unescaped(heap, component);
      for (base::String& path : paths) path.append(name);
      checked = false;
      continue;
    }
    base::Vector<base::String> next(heap);
    for (const base::String& path : paths) {
      for (const base::String& name : parameters.names_in(path)) {
        if (!base::glob_matches_name(component, name)) continue;
        if (next.size() == kGlobPathsMax) return base::Vector<base::String>(heap);
        next.push_back(path.clone());
        next.back().append(name);
      }
    }
    paths = std::move(next);
    checked = at == pattern.size();
  }
  if (!checked) {
    base::Vector<base::String> existing(heap);
    for (base::String& path : paths) {
      if (parameters.exists(path)) existing.push_back(std::move(path));
    }
    paths = std::move(existing);
  }
  // total: equal paths are the same
  std::sort(paths.begin(), paths.end(),
            [](const base::String& a, const base::String& b) { return a.view() < b.view(); });
  return paths;
}

}  // namespace user::fsh
