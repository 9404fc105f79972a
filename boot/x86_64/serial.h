// boot/x86_64/serial.h — the first serial port of a PC, polled: the console of last resort.
#pragma once
#include <string_view>

namespace boot {

/// 115200 baud, 8 bits, no parity, FIFO on. Source: National Semiconductor PC16550D data sheet, table II.
void serial_open();
/// Waits for the port; a line feed is sent as carriage return and line feed.
void serial_write(std::string_view text);

}  // namespace boot
