// user/servers/link.cpp — driver of one end of a link, as files: what a node's programs say to other nodes before there is
// a network stack. `link [--post NAME]`: grant 0 is the device. Below /dev/link, by the link's name:
//
//   NAME/info   NAME= ADDRESS= NODE= MTU= STATE= RATE=, and how much was received, sent and dropped here
//   NAME/data   a write is the payload of one frame to all other nodes; a read answers the payload of the next frame and
//               waits for it. Each frame is read once, by whoever comes first
//   NAME/N      a write is a frame to node number N alone; not listed
//
// Frames are IEEE 802.3 with type 0x88B5 (local experimental 1, RFC 9542 §2.1); those of other types are dropped.
// Bounds      kWaitingMax frames wait for a reader; while there are so many, more wait at the device.
#include "base/bytes.h"
#include "base/parse.h"
#include "fs/text_tree.h"
#include "kernel-model/ports.h"
#include "user/runtime/layout.h"
#include "user/runtime/shared.h"
#include "user/servers/serve.h"

#include "base/enforce.h"

namespace user {
namespace {

using fs::Attributes;
using fs::Caller;
using fs::Kind;
using fs::NodeId;

constexpr u64 kInterrupt = kSignalFree;
constexpr u32 kWaitingMax = 64;
constexpr u16 kType = 0x88B5;
constexpr u64 kBroadcast = 0xFFFF'FFFF'FFFF;
constexpr u64 kNodesMax = 64;
constexpr u64 kHeaderBytes = port::kNetworkHeaderBytes;
constexpr u64 kAddressMask = kBroadcast;
constexpr NodeId kPeers = 1000;  // node kPeers + N is the file of node number N

class LinkFs final : public fs::TextTree, public fs::LoopEvents {
 public:
  explicit LinkFs(Process& process);
  void start();

  void serving(fs::Server& server) override { server_ = &server; }
  void signalled(u64 bits) override;

  fs::Result<Attributes> stat(NodeId node, const Caller& caller) override;
  fs::Result<NodeId> lookup(NodeId directory, std::string_view name, const Caller& caller) override;
  fs::Result<fs::ReadReply> read(fs::OpenFile& open, const fs::ReadRequest& request) override;
  fs::Result<fs::WriteReply> write(fs::OpenFile& open, const fs::WriteRequest& request) override;
  u8 ready(fs::OpenFile& open) override;

 protected:
  fs::Result<void> text(NodeId node, const Caller& caller, base::String& out) override;
  fs::Result<void> command(NodeId node, const Caller& caller, std::string_view line) override;

 private:
  struct Info {
    u64 address = 0;
    u64 mtu = 0;
    u64 rate = 0;
    bool is_up = false;
  };
  Info info() const;
  void take_frames();

  Process& process_;
  fs::Server* server_ = nullptr;
  base::String name_;
  base::Vector<base::String> waiting_;  // payloads, the oldest first
  u64 received_ = 0;
  u64 sent_ = 0;
  u64 dropped_ = 0;
  NodeId directory_ = 0;
  NodeId info_ = 0;
  NodeId data_ = 0;
};

LinkFs::LinkFs(Process& process)
    : TextTree(process.heap(), 0755), process_(process), name_(process.heap()), waiting_(process.heap()) {
  port::call(device_address(0), port::Network::Info, 0);
  name_.assign({reinterpret_cast<const char*>(sys::buffer().msg), sys::frame().mr[3]});
  directory_ = add(kRootId, name_.view(), Kind::Directory, 0755);
  info_ = add(directory_, "info", Kind::Control, 0444);
  data_ = add(directory_, "data", Kind::Device, 0600);
}

// ── The device ───────────────────────────────────────────────────────────────────────────────────────────────

void LinkFs::start() {
  const sys::Answer minted = sys::invoke(
      kSlotCNode, sys::Invoke::CNodeMint,
      {kSlotScratch, kSlotDepth, kSlotNotification, kSlotDepth, kernel::kRightWrite, kInterrupt}, {kSlotCNode});
  ASSERT(minted.ok());
  const sys::Answer set = sys::invoke(kSlotGrants, sys::Invoke::IrqHandlerSetNotification, {}, {kSlotScratch});
  ASSERT(set.ok());
  sys::invoke(kSlotCNode, sys::Invoke::CNodeDelete, {kSlotScratch, kSlotDepth});
  take_frames();  // an earlier server may have left some
}

LinkFs::Info LinkFs::info() const {
  port::call(device_address(0), port::Network::Info, 0);
  const u64* const words = sys::frame().mr;
  return {.address = words[0], .mtu = words[1] & 0xFFFF'FFFF, .rate = words[2], .is_up = (words[1] >> 32) != 0};
}

void LinkFs::signalled(u64 bits) {
  if ((bits & kInterrupt) != 0) take_frames();
}

/// Takes what the device has. With enough for the readers the line stays masked, and the next read goes on here.
void LinkFs::take_frames() {
  while (waiting_.size() < kWaitingMax) {
    port::call(device_address(0), port::Network::Receive, 0);
    const u64 bytes = sys::frame().mr[0];
    if (bytes == 0) {
      sys::invoke(kSlotGrants, sys::Invoke::IrqHandlerAck, {});
      break;
    }
    process_.work(bytes / 16 + 1);
    const u8* const frame = reinterpret_cast<const u8*>(sys::buffer().msg);
    if (base::load_be16(frame + kHeaderBytes - 2) != kType) {
      dropped_ += 1;
      continue;
    }
    received_ += 1;
    const std::string_view payload{reinterpret_cast<const char*>(frame + kHeaderBytes), bytes - kHeaderBytes};
    waiting_.push_back(base::String(process_.heap(), payload));
  }
  if (server_ != nullptr && !waiting_.empty()) server_->wake(data_);
}

// ── The files ────────────────────────────────────────────────────────────────────────────────────────────────

fs::Result<Attributes> LinkFs::stat(NodeId node, const Caller& caller) {
  if (node <= kPeers) return TextTree::stat(node, caller);
  Attributes attributes{.id = node};
  attributes.kind = Kind::Device;
  attributes.mode = 0200;
  return attributes;
}

fs::Result<NodeId> LinkFs::lookup(NodeId directory, std::string_view name, const Caller& caller) {
  const auto number = base::parse_u64(name);
  if (directory == directory_ && number.ok() && *number >= 1 && *number <= kNodesMax) return kPeers + *number;
  return TextTree::lookup(directory, name, caller);
}

fs::Result<fs::ReadReply> LinkFs::read(fs::OpenFile& open, const fs::ReadRequest& request) {
  if (open.node != data_) return TextTree::read(open, request);
  if (waiting_.empty()) return fs::fail(ErrorCode::WouldBlock);
  const u64 bytes = std::min<u64>(waiting_[0].size(), request.room.size());
  if (bytes > 0) __builtin_memcpy(request.room.data(), waiting_[0].data(), bytes);
  process_.work(bytes / 16 + 1);
  const bool was_full = waiting_.size() == kWaitingMax;
  waiting_.erase(0);
  if (was_full) take_frames();
  return fs::ReadReply{.data = request.room.first(bytes)};
}

fs::Result<fs::WriteReply> LinkFs::write(fs::OpenFile& open, const fs::WriteRequest& request) {
  if (open.node != data_ && open.node <= kPeers) return TextTree::write(open, request);
  const u64 bytes = request.data.size();
  u8 frame[port::kBytesMax];  // what is written lies in the message buffer, where the device takes its frame from
  if (bytes > sizeof frame - kHeaderBytes) return fs::fail(ErrorCode::FileTooLarge, name_.view());
  if (bytes > 0) __builtin_memcpy(frame + kHeaderBytes, request.data.data(), bytes);
  const u64 own = info().address;
  const u64 to = open.node == data_ ? kBroadcast : (own & ~u64{0xFF}) | (open.node - kPeers);
  base::store_be16(frame, static_cast<u16>(to >> 32));
  base::store_be32(frame + 2, static_cast<u32>(to));
  base::store_be16(frame + 6, static_cast<u16>(own >> 32));
  base::store_be32(frame + 8, static_cast<u32>(own));
  base::store_be16(frame + 12, kType);
  __builtin_memcpy(sys::buffer().msg, frame, kHeaderBytes + bytes);
  process_.work(bytes / 16 + 1);
  sys::frame().mr[0] = kHeaderBytes + bytes;
  if (!port::call(device_address(0), port::Network::Send, 1).ok()) {
    return fs::fail(ErrorCode::FileTooLarge, name_.view());  // longer than the MTU
  }
  sent_ += 1;
  return fs::WriteReply{.count = static_cast<u32>(bytes)};
}

u8 LinkFs::ready(fs::OpenFile& open) {
  return open.node == data_ && waiting_.empty() ? fs::kReadyWrite : fs::kReadyWrite | fs::kReadyRead;
}

fs::Result<void> LinkFs::text(NodeId, const Caller&, base::String& out) {
  const Info now = info();
  out.append_format("NAME={} ADDRESS={:012x} NODE={} MTU={} STATE={} RATE={}\nRECEIVED={} SENT={} DROPPED={}\n",
                    name_.view(), now.address & kAddressMask, now.address & 0xFF, now.mtu, now.is_up ? "up" : "down",
                    now.rate, received_, sent_, dropped_);
  return {};
}

fs::Result<void> LinkFs::command(NodeId, const Caller&, std::string_view line) {
  return fs::fail(ErrorCode::UnknownControl, fs::take_word(line));
}

}  // namespace

i32 link_main(Process& process) {
  ServerClock clock(process);
  LinkFs files(process);
  files.start();
  return serve(process, files, files, clock, {.post = option(process, "--post")});
}

}  // namespace user
