// fs/ram_data.cpp — file contents in memory, as pages that exist only where something was written; filling from an
// archive.
#include <algorithm>

#include "fs/path.h"
#include "fs/ram.h"

#include "base/format.h"
#include "base/planted.h"

#include "base/enforce.h"

namespace fs {

Result<ReadReply> RamFs::read(OpenFile& open, const ReadRequest& request) {
  Node* node = TRY(node_of(open.node));
  if (request.offset_bytes >= node->facts.size) return ReadReply{};
  const u64 count = std::min<u64>(request.room.size(), node->facts.size - request.offset_bytes);
  for (u64 done = 0; done < count;) {
    const u64 at = request.offset_bytes + done;
    const u64 step = std::min<u64>(count - done, kPageBytes - at % kPageBytes);
    const Page* page = node->pages.find(at / kPageBytes);
    if (page == nullptr) {
      __builtin_memset(request.room.data() + done, 0, step);
    } else {
      __builtin_memcpy(request.room.data() + done, page->data + at % kPageBytes, step);
    }
    done += step;
  }
  // Kept only as exact as somebody may ask: "read since it was written". The time of every read would cost a call.
  if (node->facts.accessed_ns <= node->facts.modified_ns) node->facts.accessed_ns = clock_.wall_ns();
  return ReadReply{.data = request.room.first(count)};
}

Result<WriteReply> RamFs::write(OpenFile& open, const WriteRequest& request) {
  Node* node = TRY(node_of(open.node));
  if (node->facts.kind != Kind::File) return fail(ErrorCode::NotSupported);
  const u64 start = request.append ? node->facts.size : request.offset_bytes;
  u64 done = 0;
  while (done < request.data.size()) {
    const u64 at = start + done;
    const u64 step = std::min<u64>(request.data.size() - done, kPageBytes - at % kPageBytes);
    const Result<Page*> page = page_for_write(*node, at / kPageBytes);
    if (!page.ok()) {
      // Appends are atomic, and nothing at all is an error; a part that fitted is a short write.
      if (done == 0 || request.append) {
        if (request.append) set_size(*node, start);
        return page.take_failure();
      }
      break;
    }
    __builtin_memcpy((*page)->data + at % kPageBytes, request.data.data() + done, step);
    done += step;
    if (node->facts.size < at + step) node->facts.size = at + step;
  }
  if (done != 0) {
    node->facts.mode &= static_cast<u16>(~(kModeSetUid | kModeSetGid));
    touch_content(*node);
  }
  return WriteReply{.count = static_cast<u32>(done), .end_offset = start + done};
}

Result<RamFs::Page*> RamFs::page_for_write(Node& node, u64 index) {
  Page* page = node.pages.find(index);
  if (page != nullptr) return page;
  if (pages_used_ >= pages_max_) return fail(ErrorCode::NoSpaceLeft);
  void* place = memory_.try_allocate(sizeof(Page), alignof(Page));
  if (place == nullptr) return fail(ErrorCode::NoSpaceLeft);
  page = new (place) Page;
  __builtin_memset(page->data, 0, kPageBytes);
  page->index = index;
  const bool inserted = node.pages.insert(*page);
  ASSERT(inserted);
  pages_used_ += 1;
  node.facts.allocated += kPageBytes;
  return page;
}

/// Frees the pages first…end − 1.
void RamFs::delete_pages_from(Node& node, u64 first, u64 end) {
  for (Page* page = node.pages.lower_bound(first); page != nullptr && page->index < end;) {
    Page* next = node.pages.next(*page);
    node.pages.remove(*page);
    page->~Page();
    memory_.release(page, sizeof(Page));
    ASSERT(pages_used_ > 0);
    pages_used_ -= 1;
    node.facts.allocated -= kPageBytes;
    page = next;
  }
}

/// Zeroes [from, to) within one page, if that is there.
void RamFs::zero_range(Node& node, u64 from, u64 to) {
  ASSERT(from <= to && (from == to || from / kPageBytes == (to - 1) / kPageBytes));
  Page* page = node.pages.find(from / kPageBytes);
  if (page != nullptr) __builtin_memset(page->data + from % kPageBytes, 0, to - from);
}

void RamFs::set_size(Node& node, u64 size) {
  if (size < node.facts.size) {
    const u64 keep = (size + kPageBytes - 1) / kPageBytes;
    delete_pages_from(node, keep, ~u64{0});
    if (size % kPageBytes != 0 && !PLANTED("ram.shrink-keeps"))
      zero_range(node, size, keep * kPageBytes);  // growth reads as zero bytes
  }
  node.facts.size = size;
}

Result<void> RamFs::truncate(NodeId id, u64 size) {
  Node* node = TRY(node_of(id));
  if (node->facts.kind != Kind::File) return fail(ErrorCode::BadArgument);
  set_size(*node, size);
  node->facts.mode &= static_cast<u16>(~(kModeSetUid | kModeSetGid));
  touch_content(*node);
  return {};
}

Result<void> RamFs::punch(OpenFile& open, u64 offset, u64 bytes) {
  Node* node = TRY(node_of(open.node));
  const u64 end = std::min(node->facts.size, offset + bytes);
  if (offset >= end) return {};
  const u64 first_whole = (offset + kPageBytes - 1) / kPageBytes;
  // The last page counts as whole when the range reaches the end of the file.
  const u64 end_whole = end == node->facts.size ? (end + kPageBytes - 1) / kPageBytes : end / kPageBytes;
  if (first_whole > end / kPageBytes) {
    zero_range(*node, offset, end);  // inside one page
  } else {
    if (offset % kPageBytes != 0) zero_range(*node, offset, first_whole * kPageBytes);
    if (end_whole > first_whole) delete_pages_from(*node, first_whole, end_whole);
    if (end / kPageBytes >= end_whole && end % kPageBytes != 0) zero_range(*node, end / kPageBytes * kPageBytes, end);
  }
  touch_content(*node);
  return {};
}

Result<u64> RamFs::seek(OpenFile& open, u64 offset, bool hole) {
  const Node* node = TRY(node_of(open.node));
  if (offset >= node->facts.size) return fail(ErrorCode::BadArgument);
  if (!hole) {
    const Page* page = node->pages.lower_bound(offset / kPageBytes);
    if (page == nullptr) return fail(ErrorCode::BadArgument);
    return std::max(offset, page->index * kPageBytes);
  }
  u64 index = offset / kPageBytes;
  const Page* page = node->pages.find(index);
  if (page == nullptr) return offset;
  for (; page != nullptr && page->index == index; page = node->pages.next(*page)) index += 1;
  return std::min(node->facts.size, index * kPageBytes);
}

// ── Filling from an archive ──────────────────────────────────────────────────────────────────────────────────

Result<RamFs::Node*> RamFs::directory_for(std::string_view path) {
  Node* at = MUST(node_of(kRootId));
  NameCursor names(path);
  while (!names.done()) {
    const std::string_view name = names.next();
    Entry* entry = at->names.find(name);
    if (entry == nullptr) {
      const NodeId made = TRY(create(at->facts.id, name, {.kind = Kind::Directory, .mode = 0755}, Caller{}));
      at = MUST(node_of(made));
      continue;
    }
    if (entry->node->facts.kind != Kind::Directory) return fail(ErrorCode::NotADirectory, path);
    at = entry->node;
  }
  return at;
}

Result<void> RamFs::fill_member(const base::UstarEntry& member) {
  base::String path(memory_);
  TRY(normalise("/", member.name(), path));
  const std::string_view relative = below(path.view(), "/");
  const i64 modified = static_cast<i64>(std::min<u64>(member.modified_s, u64{1} << 33)) * 1'000'000'000;
  const u16 mode = static_cast<u16>(member.mode & kModeMask);
  if (member.type == base::UstarType::Directory) {
    Node* directory = TRY(directory_for(relative));
    directory->facts.mode = mode;
    directory->facts.uid = member.user_id;
    directory->facts.gid = member.group_id;
    directory->facts.modified_ns = modified;
    return {};
  }
  if (relative.empty()) return fail(ErrorCode::BadFileName, member.name());
  Node* parent = TRY(directory_for(parent_path(relative) == "/" ? "" : parent_path(relative)));
  const std::string_view name = last_name(relative);
  if (member.type == base::UstarType::HardLink) {
    base::String target(memory_);
    TRY(normalise("/", member.link_name, target));
    Node* from = TRY(directory_for(below(parent_path(target.view()), "/")));
    const Entry* entry = from->names.find(last_name(target.view()));
    if (entry == nullptr) return fail(ErrorCode::NotFound, member.link_name);
    return link(entry->node->facts.id, {parent->facts.id, name}, Caller{});
  }
  NewNode request{.kind = Kind::File, .mode = mode, .uid = member.user_id, .gid = member.group_id};
  switch (member.type) {
    case base::UstarType::SymbolicLink:
      request.kind = Kind::Link;
      request.mode = 0777;
      request.target = member.link_name;
      break;
    case base::UstarType::Fifo: request.kind = Kind::Fifo; break;
    case base::UstarType::CharacterDevice: request.kind = Kind::CharNode; break;
    case base::UstarType::BlockDevice: request.kind = Kind::BlockNode; break;
    case base::UstarType::Regular:
    case base::UstarType::HardLink:
    case base::UstarType::Directory: break;
  }
  Node* node = MUST(node_of(TRY(create(parent->facts.id, name, request, Caller{}))));
  OpenFile file{.node = node->facts.id};
  u64 done = 0;
  while (done < member.data.size()) {
    const WriteReply written = TRY(write(file, {.offset_bytes = done, .data = member.data.subspan(done)}));
    done += written.count;
  }
  node->facts.mode = request.mode;
  node->facts.modified_ns = modified;
  return {};
}

Result<void> RamFs::fill(base::Bytes archive) {
  base::UstarReader reader(archive);
  for (;;) {
    const auto member = reader.next();
    if (!member.ok()) {
      char text[kDetailBytesMax];
      return fail(ErrorCode::DataCorrupted, base::format(text, "archive, byte {}: {}", member.error().offset,
                                                         base::describe(member.error().code)));
    }
    if (!member->has_value()) return {};
    TRY(fill_member(**member));
  }
}

}  // namespace fs
