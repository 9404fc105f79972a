// boot/shared/text.cpp — see text.h.
#include "boot/shared/text.h"

#include "boot/arch.h"

#include "base/enforce.h"

void boot::say_text(std::string_view text) {
  for (const char character : text) {
    if (character == '\n') arch::serial_write('\r');
    arch::serial_write(static_cast<u8>(character));
  }
}
