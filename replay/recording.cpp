// replay/recording.cpp — contents to Cap'n Proto and back, and whole files.
#include "replay/recording.h"

#include <capnp/message.h>
#include <capnp/serialize-packed.h>
#include <openssl/sha.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "schema/recording.capnp.h"

namespace replay {
namespace {

constexpr u64 kFileBytesMax = u64{1} << 30;
constexpr u64 kMessageWordsMax = kPayloadBytesMax / 8;  // unpacked: no frame makes a reader allocate more (F2)

capnp::Data::Reader data_of(base::Bytes bytes) { return {bytes.data(), bytes.size()}; }
capnp::Text::Reader text_of(const std::string& text) { return {text.data(), text.size()}; }
Buffer buffer_of(capnp::Data::Reader data) { return {data.begin(), data.end()}; }
std::string string_of(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

Buffer bytes_of(base::Digest digest) {
  Buffer bytes(16);
  base::store_be64(bytes.data(), digest.high);  // as it is printed
  base::store_be64(&bytes[8], digest.low);
  return bytes;
}

/// Wrong sizes are told by throwing: decode turns it into text.
Sha256 sha256_field(capnp::Data::Reader data, const char* name) {
  Sha256 digest = {};
  KJ_REQUIRE(data.size() == digest.size(), "not 32 bytes", name);
  std::copy(data.begin(), data.end(), digest.begin());
  return digest;
}
base::Digest digest_field(capnp::Data::Reader data, const char* name) {
  KJ_REQUIRE(data.size() == 16, "not 16 bytes", name);
  return {base::load_be64(data.begin()), base::load_be64(data.begin() + 8)};
}

template <class List>
void put_texts(List list, const std::vector<std::string>& texts) {
  for (u32 i = 0; i < texts.size(); ++i) list.set(i, text_of(texts[i]));
}
std::vector<std::string> texts_of(capnp::List<capnp::Text>::Reader list) {
  std::vector<std::string> texts;
  for (const auto text : list) texts.push_back(string_of(text));
  return texts;
}

struct Put {
  wire::Frame::Builder frame;

  void operator()(const Header& header) {
    auto to = frame.initHeader();
    to.setModelId(data_of(header.model));
    to.setBuildId(data_of(header.build));
    to.setPlanId(data_of(header.plan));
    to.setSeed(header.seed);
    to.setCreated(text_of(header.created));
    put_texts(to.initSources(static_cast<u32>(header.sources.size())), header.sources);
    put_texts(to.initRedacted(static_cast<u32>(header.redacted.size())), header.redacted);
  }
  void operator()(const PlanFrame& plan) { frame.setPlan(data_of(plan.bytes)); }
  void operator()(const Attachment& attachment) {
    auto to = frame.initAttachment();
    to.setName(text_of(attachment.name));
    to.setSha256(data_of(attachment.sha256));
    to.setBytes(data_of(attachment.bytes));
    to.setExternal(attachment.external);
    to.setKind(static_cast<wire::AttachmentKind>(attachment.kind));
  }
  void operator()(const Input& input) {
    auto to = frame.initInput();
    to.setTime(input.time);
    to.setSource(text_of(input.source));
    to.setOrdinal(input.ordinal);
    to.setData(data_of(input.data));
    to.setSecret(input.secret);
  }
  void operator()(const Overrides& overrides) { frame.setOverrides(text_of(overrides.text)); }
  void operator()(const Milestone& milestone) {
    auto to = frame.initMilestone();
    to.setSequence(milestone.sequence);
    to.setTime(milestone.time);
    to.setRoot(data_of(bytes_of(milestone.root)));
    auto lanes = to.initLanes(static_cast<u32>(milestone.lanes.size()));
    for (u32 i = 0; i < milestone.lanes.size(); ++i) lanes.set(i, milestone.lanes[i]);
  }
  void operator()(const Bookmark& bookmark) {
    auto to = frame.initBookmark();
    to.setMoment(bookmark.moment);
    to.setName(text_of(bookmark.name));
    to.setAuthor(text_of(bookmark.author));
  }
  void operator()(const Verdict& verdict) {
    auto to = frame.initVerdict();
    to.setResult(text_of(verdict.result));
    to.setProperty(text_of(verdict.property));
    to.setMoment(verdict.moment);
    to.setSignature(text_of(verdict.signature));
  }
  void operator()(const End& end) {
    auto to = frame.initEnd();
    to.setSequence(end.sequence);
    to.setRoot(data_of(bytes_of(end.root)));
    to.setState(data_of(bytes_of(end.state)));
    to.setUntil(end.until);
  }
  void operator()(const Scenario& scenario) {
    auto to = frame.initScenario();
    to.setName(text_of(scenario.name));
    to.setPlanId(data_of(scenario.plan));
    to.setChecks(text_of(scenario.checks));
    to.setLimitNs(scenario.limit_ns);
    to.setEventsMax(scenario.events_max);
  }
  void operator()(const Unknown&) { UNREACHABLE("contents of later versions are kept as bytes, never encoded"); }
};

Content content_of(wire::Frame::Reader frame) {
  switch (frame.which()) {
    case wire::Frame::HEADER: {
      const auto from = frame.getHeader();
      return Header{.model = sha256_field(from.getModelId(), "modelId"),
                    .build = sha256_field(from.getBuildId(), "buildId"),
                    .plan = sha256_field(from.getPlanId(), "planId"),
                    .seed = from.getSeed(),
                    .created = string_of(from.getCreated()),
                    .sources = texts_of(from.getSources()),
                    .redacted = texts_of(from.getRedacted())};
    }
    case wire::Frame::PLAN: return PlanFrame{buffer_of(frame.getPlan())};
    case wire::Frame::ATTACHMENT: {
      const auto from = frame.getAttachment();
      KJ_REQUIRE(from.getKind() <= wire::AttachmentKind::DISK, "an attachment of an unknown kind");
      return Attachment{string_of(from.getName()), sha256_field(from.getSha256(), "sha256"), buffer_of(from.getBytes()),
                        from.getExternal(), static_cast<Attachment::Kind>(from.getKind())};
    }
    case wire::Frame::INPUT: {
      const auto from = frame.getInput();
      return Input{from.getTime(), string_of(from.getSource()), from.getOrdinal(), buffer_of(from.getData()),
                   from.getSecret()};
    }
    case wire::Frame::OVERRIDES: return Overrides{string_of(frame.getOverrides())};
    case wire::Frame::MILESTONE: {
      const auto from = frame.getMilestone();
      std::vector<u32> lanes;
      for (const u32 lane : from.getLanes()) lanes.push_back(lane);
      return Milestone{from.getSequence(), from.getTime(), digest_field(from.getRoot(), "root"), std::move(lanes)};
    }
    case wire::Frame::BOOKMARK: {
      const auto from = frame.getBookmark();
      return Bookmark{from.getMoment(), string_of(from.getName()), string_of(from.getAuthor())};
    }
    case wire::Frame::VERDICT: {
      const auto from = frame.getVerdict();
      return Verdict{string_of(from.getResult()), string_of(from.getProperty()), from.getMoment(),
                     string_of(from.getSignature())};
    }
    case wire::Frame::END: {
      const auto from = frame.getEnd();
      return End{from.getSequence(), digest_field(from.getRoot(), "root"), digest_field(from.getState(), "state"),
                 from.getUntil()};
    }
    case wire::Frame::SCENARIO: {
      const auto from = frame.getScenario();
      return Scenario{string_of(from.getName()), sha256_field(from.getPlanId(), "planId"), string_of(from.getChecks()),
                      from.getLimitNs(), from.getEventsMax()};
    }
  }
  return Unknown{};
}

/// A frame of `content` at place `index`: header, plan, then anything else; nothing after the end.
const char* misplaced(const std::vector<Frame>& before, const Content& content) {
  const u64 index = before.size();
  if (index == 0) return std::holds_alternative<Header>(content) ? nullptr : "the first frame is not a header";
  if (index == 1) return std::holds_alternative<PlanFrame>(content) ? nullptr : "the second frame is not a plan";
  if (std::holds_alternative<Header>(content)) return "a second header";
  if (std::holds_alternative<PlanFrame>(content)) return "a second plan";
  if (index != 2 && std::holds_alternative<Scenario>(content)) return "a scenario that does not follow the plan";
  if (std::holds_alternative<End>(before.back().content)) return "a frame after the end of the run";
  return nullptr;
}

}  // namespace

Sha256 sha256_of(base::Bytes bytes) {
  Sha256 digest = {};
  SHA256(bytes.data(), bytes.size(), digest.data());
  return digest;
}

std::string hex(base::Bytes bytes) {
  std::string text;
  for (const u8 byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    text += digits;
  }
  return text;
}

Buffer encode(const Content& content) {
  capnp::MallocMessageBuilder message;
  std::visit(Put{message.initRoot<wire::Frame>()}, content);
  kj::VectorOutputStream out;
  capnp::writePackedMessage(out, message);
  const auto bytes = out.getArray();
  return {bytes.begin(), bytes.end()};
}

std::optional<Content> decode(base::Bytes payload, std::string& error) {
  try {
    kj::ArrayInputStream in(kj::arrayPtr(payload.data(), payload.size()));
    capnp::ReaderOptions options;
    options.traversalLimitInWords = kMessageWordsMax;
    capnp::PackedMessageReader message(in, options);
    return content_of(message.getRoot<wire::Frame>());
  } catch (const kj::Exception& exception) {
    error = exception.getDescription().cStr();
    return std::nullopt;
  }
}

const End* Recording::end() const { return frames.empty() ? nullptr : std::get_if<End>(&frames.back().content); }

const Scenario* Recording::scenario() const {
  return frames.size() < 3 ? nullptr : std::get_if<Scenario>(&frames[2].content);
}

Recording parse(base::Bytes file) {
  Recording recording;
  recording.bytes = file.size();
  FrameWalk walk(file);
  recording.minor = walk.minor();
  recording.good_bytes = walk.good_bytes();
  while (const auto frame = walk.next()) {
    std::string error;
    auto content = decode(frame->payload, error);
    const u64 index = recording.frames.size();
    if (!content) {
      recording.problem =
          Problem{Problem::Code::Malformed, index, frame->offset, "the payload is no message of the schema: " + error};
      return recording;
    }
    if (const char* what = misplaced(recording.frames, *content)) {
      recording.problem = Problem{Problem::Code::Order, index, frame->offset, what};
      return recording;
    }
    recording.frames.push_back({frame->offset, std::move(*content)});
    recording.good_bytes = walk.good_bytes();
  }
  recording.problem = walk.problem();
  return recording;
}

Recording load(const std::string& path) {
  Recording recording;
  const auto refuse = [&recording](const std::string& what) {
    recording.problem = Problem{Problem::Code::Unreadable, 0, 0, what};
    return recording;
  };
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return refuse(std::string("cannot be read: ") + std::strerror(errno));
  Buffer bytes;
  u8 chunk[1 << 16];
  for (u64 count = 1; count > 0;) {
    count = std::fread(chunk, 1, sizeof chunk, file);
    bytes.insert(bytes.end(), chunk, chunk + count);
    if (bytes.size() > kFileBytesMax) break;
  }
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) return refuse("cannot be read to its end");
  if (bytes.size() > kFileBytesMax) return refuse("not a recording: it is larger than 1 GiB");
  return parse(bytes);
}

Buffer file_of(const std::vector<Content>& contents) {
  FrameChain chain;
  Buffer file = chain.head();
  for (const Content& content : contents) {
    const Buffer frame = chain.frame(encode(content));
    file.insert(file.end(), frame.begin(), frame.end());
  }
  return file;
}

}  // namespace replay
