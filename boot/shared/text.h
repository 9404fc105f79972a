// boot/shared/text.h — plain text on the serial line, for a person: what the machine itself says.
#pragma once
#include <string_view>

#include "base/format.h"

namespace boot {

/// A line feed is sent as carriage return and line feed.
void say_text(std::string_view text);

template <class... Arguments>
void say(std::string_view pattern, const Arguments&... arguments) {
  char text[512];
  say_text(base::format(text, pattern, arguments...));
}

}  // namespace boot
