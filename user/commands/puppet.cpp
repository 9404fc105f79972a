// user/commands/puppet.cpp — puppet --client N [--world GRANT]: asks the world device what to do, does it, and tells what
// came of it, until there is nothing more. So a plan outside has a process inside whose every call is real.
#include "base/parse.h"
#include "kernel-model/ports.h"
#include "schema/process.capnp.h"
#include "schema/puppet.h"
#include "user/lib/run.h"
#include "user/runtime/call.h"
#include "user/runtime/shared.h"
#include "user/servers/serve.h"

#include "base/enforce.h"

namespace user {
namespace {

using schema::puppet::kTextMax;
using schema::puppet::Order;
using schema::puppet::Reader;
using schema::puppet::Writer;

constexpr u64 kAfterMax = 4096;  // of output that is read and dropped at once

class Puppet {
 public:
  Puppet(Process& process, u64 window, u64 client) : process_(process), window_(window), client_(client) {}

  /// Until there are no more orders.
  void run() {
    Writer result({result_, sizeof result_});  // of the first call: nothing was done yet
    for (;;) {                                 // ends with kPuppetEnd of the plan
      const u64 bytes = ask(result.used());
      if (bytes == 0) return;
      Reader order({order_, bytes});
      result = Writer({result_, sizeof result_});
      carry_out(order, result);
    }
  }

 private:
  /// Gives the result and takes the next order; 0 bytes: the end.
  u64 ask(u64 result_bytes) {
    __builtin_memcpy(sys::buffer().msg, result_, result_bytes);
    sys::frame().mr[0] = client_;
    sys::frame().mr[1] = result_bytes;
    if (!port::call(window_, port::World::Puppet, 2).ok() || sys::frame().mr[1] != 0) return 0;
    const u64 bytes = std::min<u64>(sys::frame().mr[0], port::kBytesMax);
    __builtin_memcpy(order_, sys::buffer().msg, bytes);
    process_.work(1 + bytes / 64);
    return bytes;
  }

  void carry_out(Reader& order, Writer& result) {
    const Result<void> done = dispatch(order, result);
    if (done.ok() && !result.full()) return;
    result = Writer({result_, sizeof result_});
    if (done.ok()) {
      result.number(static_cast<u64>(ErrorCode::FileTooLarge));
      result.text({});
      return;
    }
    result.number(static_cast<u64>(done.error().code));
    result.text(done.error().detail());
  }

  Result<void> dispatch(Reader& order, Writer& result) {
    const auto what = static_cast<Order>(order.number());
    switch (what) {
      case Order::Open: {
        const std::string_view path = order.text();
        const Fd fd = TRY(process_.open(path, static_cast<u16>(order.number())));
        done(result).number(fd);
        return {};
      }
      case Order::Read: return read(order, result);
      case Order::Write: {
        const Fd fd = static_cast<Fd>(order.number());
        TRY(process_.write(fd, base::bytes_of(order.text())));
        break;
      }
      case Order::Seek: {
        const Fd fd = static_cast<Fd>(order.number());
        TRY(process_.seek(fd, static_cast<i64>(order.number()), Whence::Start));
        break;
      }
      case Order::Sync: TRY(process_.sync(static_cast<Fd>(order.number()))); break;
      case Order::Close: TRY(process_.close(static_cast<Fd>(order.number()))); break;
      case Order::ReadFile: {
        const base::String text = TRY(process_.read_file(order.text(), kTextMax));
        done(result).text(text);
        return {};
      }
      case Order::WriteFile: TRY(write_file(order)); break;
      case Order::Remove: {
        const std::string_view path = order.text();
        const Result<void> removed = process_.remove(path);
        if (!removed.ok() && removed.error().code != ErrorCode::IsADirectory) return removed;
        if (!removed.ok()) TRY(process_.remove_directory(path));
        break;
      }
      case Order::Rename: {
        const std::string_view from = order.text();
        TRY(process_.rename(from, order.text()));
        break;
      }
      case Order::List: return list(order, result);
      case Order::Stat: {
        const FileStat stat = TRY(process_.stat(order.text()));
        Writer& out = done(result);
        for (const u64 value :
             {static_cast<u64>(stat.kind), stat.size, u64{stat.mode}, static_cast<u64>(stat.modified_ns)}) {
          out.number(value);
        }
        return {};
      }
      case Order::MakeDirectory: TRY(process_.make_directory(order.text())); break;
      case Order::Sleep: TRY(process_.sleep(order.number())); break;
      case Order::Run: return run_line(order, result);
      default: return fs::fail(ErrorCode::NotSupported);
    }
    done(result);
    return {};
  }

  static Writer& done(Writer& result) {
    result.number(static_cast<u64>(ErrorCode::None));
    return result;
  }

  Result<void> read(Reader& order, Writer& result) {
    const Fd fd = static_cast<Fd>(order.number());
    u8 bytes[kTextMax];
    const u64 most = std::min<u64>(order.number(), sizeof bytes);
    const u64 count = TRY(process_.read(fd, {bytes, most}));
    done(result).text({reinterpret_cast<const char*>(bytes), count});
    return {};
  }

  Result<void> write_file(Reader& order) {
    const std::string_view path = order.text();
    const std::string_view text = order.text();
    const u64 how = order.number();
    u16 flags = schema::file::kOpenWrite | schema::file::kOpenCreate;
    if ((how & schema::puppet::kAppend) != 0) {
      flags |= schema::file::kOpenAppend;
    } else if ((how & schema::puppet::kExclusive) != 0) {
      flags |= schema::file::kOpenExclusive;
    } else {
      flags |= schema::file::kOpenTruncate;
    }
    const Fd fd = TRY(process_.open(path, flags));
    Result<void> written = text.empty() ? Result<void>{} : process_.write(fd, base::bytes_of(text));
    if (written.ok() && (how & schema::puppet::kSync) != 0) written = process_.sync(fd);
    const Result<void> closed = process_.close(fd);
    return written.ok() ? closed : written;
  }

  Result<void> list(Reader& order, Writer& result) {
    const base::Vector<DirectoryEntry> entries = TRY(process_.list(order.text()));
    done(result).number(entries.size());
    for (const DirectoryEntry& entry : entries) result.text(entry.name);
    return {};
  }

  /// A command line in a shell of its own, nothing on its input; its output and errors in the order in which they come.
  Result<void> run_line(Reader& order, Writer& result) {
    const std::string_view line = order.text();
    // Without an input the shell could start nothing that expects one.
    const Fd null = TRY(process_.open("/dev/null", schema::file::kOpenRead));
    const Result<Process::Pipe> made = process_.pipe();
    if (!made.ok()) {
      static_cast<void>(process_.close(null));
      return made.take_failure();
    }
    const Process::Pipe& pipe = *made;
    const std::string_view args[] = {"fsh", "-c", line};
    const EnvSetting environment[] = {
        {"HOME", "/root"}, {"PATH", "/bin"}, {"SHELL", "/bin/fsh"}, {"TERM", "dumb"}, {"USER", "root"}};
    const FdMapping descriptors[] = {{kStdin, null}, {kStdout, pipe.write_end}, {kStderr, pipe.write_end}};
    Result<Pid> pid = process_.spawn(
        {.path = "/bin/fsh", .args = args, .descriptors = descriptors, .environment = environment, .flags = kRfNoteg});
    static_cast<void>(process_.close(pipe.write_end));
    static_cast<void>(process_.close(null));
    u8 output[kTextMax];
    u64 used = 0;
    const Result<void> drained = pid.ok() ? drain(pipe.read_end, output, used) : Result<void>{};
    static_cast<void>(process_.close(pipe.read_end));
    if (!pid.ok()) return pid.take_failure();
    const WaitStatus status = TRY(wait_for(process_, *pid));
    if (!drained.ok()) return drained;
    done(result).number(status.code);
    result.text({reinterpret_cast<const char*>(output), used});
    return {};
  }

  /// Everything until the last writer is gone; what does not fit is dropped.
  Result<void> drain(Fd fd, u8 (&output)[kTextMax], u64& used) {
    u8 dropped[kAfterMax];
    for (;;) {  // ends with the last writer
      const bool has_room = used < kTextMax;
      const base::MutableBytes room =
          has_room ? base::MutableBytes{output + used, kTextMax - used} : base::MutableBytes{dropped, sizeof dropped};
      const Result<u64> count = process_.read(fd, room);
      if (!count.ok() && count.error().code == ErrorCode::Interrupted) continue;
      const u64 bytes = TRY(count);
      if (bytes == 0) return {};
      if (has_room) used += bytes;
    }
  }

  Process& process_;
  u64 window_;
  u64 client_;
  u8 result_[port::kBytesMax];
  u8 order_[port::kBytesMax];
};

}  // namespace

i32 puppet_main(Process& process) {
  const auto client = base::parse_u64(option(process, "--client"));
  const auto grant = base::parse_u64(option(process, "--world"));
  if (!client.ok() || !grant.ok() || *grant >= kSlotGrantsEnd - kSlotGrants) {
    report(process, "usage: puppet --client N --world GRANT", Error{ErrorCode::BadArgument});
    return kUsageStatus;
  }
  static_cast<void>(call<schema::process::Process::Ready>(kSlotRoot, {}));  // its supervisor waits for this word
  Puppet puppet(process, device_address(static_cast<u32>(*grant)), *client);
  puppet.run();
  return 0;
}

}  // namespace user
