// fs/error.h — the error numbers of the file protocol, their texts and their errno for POSIX programs.
#pragma once
#include <algorithm>

#include "base/result.h"
#include "base/types.h"

namespace fs {

enum class ErrorCode : u16 {
  None = 0,
  NotFound = 1,
  PermissionDenied = 2,
  OperationNotPermitted = 3,
  AlreadyExists = 4,
  NotADirectory = 5,
  IsADirectory = 6,
  DirectoryNotEmpty = 7,
  BadFileName = 8,
  NameTooLong = 9,
  BadArgument = 10,
  BadFileDescriptor = 11,
  IoError = 12,
  DataCorrupted = 13,
  NoSpaceLeft = 14,
  QuotaExceeded = 15,
  FileTooLarge = 16,
  OutOfMemory = 17,
  TooManyOpenFiles = 18,
  TooManyProcesses = 19,
  ReadOnly = 20,
  InUse = 21,
  DifferentServers = 22,
  NotSupported = 23,
  Interrupted = 24,
  TimedOut = 25,
  WouldBlock = 26,
  BrokenPipe = 27,
  HungUp = 28,
  ServerStopped = 29,
  ServerRestarted = 30,
  AccessRevoked = 31,
  NoSuchProcess = 32,
  NoChildProcess = 33,
  NotExecutable = 34,
  UnknownControl = 35,
  TooManyLinks = 36,
  NotMounted = 37,
  ConnectionRefused = 38,
  ConnectionReset = 39,
  HostUnreachable = 40,
  NetworkUnreachable = 41,
  AddressInUse = 42,
  NotConnected = 43,
  AlreadyConnected = 44,
  BadAddress = 45,
  NoSuchDevice = 46,
  ProtocolError = 47,
  AddressNotFound = 48,
  AlreadyInProgress = 49,
  Link = 50,
  InsideItself = 51,
  DirectoryFull = 52,
  LinkLimit = 53,
};

/// The text programs print, "not found" and so on.
constexpr std::string_view text_of(ErrorCode code) {
  constexpr std::string_view kTexts[] = {"no error",
                                         "not found",
                                         "permission denied",
                                         "operation not permitted",
                                         "already exists",
                                         "not a directory",
                                         "is a directory",
                                         "directory not empty",
                                         "bad file name",
                                         "name too long",
                                         "bad argument",
                                         "bad file descriptor",
                                         "I/O error",
                                         "data corrupted",
                                         "no space left",
                                         "quota exceeded",
                                         "file too large",
                                         "out of memory",
                                         "too many open files",
                                         "too many processes",
                                         "read-only file system",
                                         "in use",
                                         "different file servers",
                                         "not supported",
                                         "interrupted",
                                         "timed out",
                                         "would block",
                                         "broken pipe",
                                         "hung up",
                                         "server stopped",
                                         "server restarted",
                                         "access revoked",
                                         "no such process",
                                         "no child process",
                                         "not executable",
                                         "unknown control message",
                                         "too many symbolic links",
                                         "not mounted",
                                         "connection refused",
                                         "connection reset",
                                         "host unreachable",
                                         "network unreachable",
                                         "address in use",
                                         "not connected",
                                         "already connected",
                                         "bad address",
                                         "no such device",
                                         "protocol error",
                                         "address not found",
                                         "already in progress",
                                         "link",
                                         "would be inside itself",
                                         "directory full",
                                         "too many links"};
  const u16 number = static_cast<u16>(code);
  return number < sizeof kTexts / sizeof kTexts[0] ? kTexts[number] : "unknown error";
}

constexpr u32 kDetailBytesMax = 120;

/// A code and, where the server knows more, a detail that is printed behind it.
struct Error {
  ErrorCode code = ErrorCode::None;
  u8 detail_size = 0;
  char detail_text[kDetailBytesMax] = {};

  Error() = default;
  Error(ErrorCode c) : code(c) {}  // NOLINT: implicit on purpose, `return ErrorCode::NotFound;`
  Error(ErrorCode c, std::string_view detail) : code(c) {
    detail_size = static_cast<u8>(std::min<std::size_t>(detail.size(), kDetailBytesMax));
    for (u32 i = 0; i < detail_size; ++i) detail_text[i] = detail[i];
  }
  std::string_view detail() const { return {detail_text, detail_size}; }
  friend bool operator==(const Error& error, ErrorCode code) { return error.code == code; }
};

/// A Result that takes an ErrorCode as well as an Error.
template <class T>
using Result = base::Result<T, Error>;
inline base::Failure<Error> fail(ErrorCode code) { return {Error{code}}; }
inline base::Failure<Error> fail(ErrorCode code, std::string_view detail) { return {Error{code, detail}}; }

}  // namespace fs
