#include "vm/lonala/code_memory.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "vm/lonala/code.h"
#include "vm/lonala/heap.h"
#include "vm/lonala/module_format.h"

#include "base/enforce.h"

namespace lonala {
namespace {

constexpr u64 kStepBytes = 16;  // sizes up to kSmallMax are multiples of it
constexpr u64 kSmallMax = 512;
constexpr u64 kSweepBytesMin = u64{256} << 10;
constexpr u64 kSweepBytesStress = u64{16} << 10;  // with gc_stress

/// Sizes are multiples of 16 bytes, from 512 on eighths of a power of two: what is free fits what is needed next.
u64 rounded(u64 bytes) {
  if (bytes <= kSmallMax) return std::max<u64>(kStepBytes, (bytes + kStepBytes - 1) & ~(kStepBytes - 1));
  const u64 step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}
u32 class_of(u64 bytes) {  // of a rounded size
  if (bytes <= kSmallMax) return static_cast<u32>(bytes / kStepBytes) - 1;
  const u32 order = static_cast<u32>(std::bit_width(bytes - 1)) - 1;  // 2^order < bytes ≤ 2^(order + 1)
  const u64 step = u64{1} << (order - 3);
  return static_cast<u32>(kSmallMax / kStepBytes + (order - 9) * 8 + (bytes - (u64{1} << order) + step - 1) / step - 1);
}
static_assert(kSmallMax == 512);                                       // order 9
static_assert(kSmallMax / kStepBytes + (31 - 9) * 8 <= kCodeClasses);  // pieces have less than 2^31 bytes

CodePiece& piece_at(const Vm& vm, u64 at) { return *vm.at<CodePiece>(at); }

/// One sweep: marks what is reachable, frees the rest.
class Sweep {
 public:
  explicit Sweep(Vm& vm) : vm_(vm), pieces_(vm), marked_(vm), work_(vm) {}

  /// False: there is no memory to look; nothing was freed.
  bool run() {
    for (u64 at = vm_.root->pieces_first; at != 0; at = piece_at(vm_, at).next) {
      pieces_.push(at);
      marked_.push(0);
    }
    if (pieces_.failed() || marked_.failed()) return false;
    low_ = pieces_.empty() ? 0 : pieces_[0];
    high_ = pieces_.empty() ? 0 : end_of(pieces_.size() - 1);
    look_at_memory();
    while (!work_.empty() && !work_.failed()) {
      const u64 index = work_.back();
      work_.pop();
      look_into(pieces_[index]);
    }
    if (work_.failed()) return false;
    release();
    return true;
  }
  u64 words() const { return words_; }

 private:
  u64 end_of(u64 index) const { return pieces_[index] + sizeof(CodePiece) + piece_at(vm_, pieces_[index]).bytes; }

  /// The piece an address lies in is in use.
  void address(u64 at) {
    if (at < low_ || at >= high_) return;
    const u64* found = std::upper_bound(pieces_.data(), pieces_.data() + pieces_.size(), at);
    const u64 index = static_cast<u64>(found - pieces_.data()) - 1;
    // What names the piece itself is a list, and says nothing of its use.
    if (at < pieces_[index] + sizeof(CodePiece) || at >= end_of(index)) return;
    if (marked_[index] != 0 || piece_at(vm_, pieces_[index]).kind == PieceKind::Free) return;
    marked_[index] = 1;
    work_.push(index);
  }
  /// Whatever the word may be: a reference or a place in code, a return link, the number of a function's code.
  void word(u64 word) {
    address(offset_of(word));
    if (is_small(word)) {
      address(static_cast<u64>(small_value(word)));
    } else if (is_immediate(word, Immediate::Link)) {
      address(link_code(word));
    }
  }
  void range(u64 from, u64 to) {
    words_ += (to - from) / 8;
    for (const u64* at = vm_.words(from); at != vm_.words(to); ++at) word(*at);
  }

  /// All memory but the pieces.
  void look_at_memory() {
    const Root& root = *vm_.root;
    range(kRootOffset, (kRootOffset + sizeof(Root)) & ~u64{7});
    const u64 table_end = root.functions + root.function_capacity * 8;  // names them all
    for (u64 page = 0; page < root.page_count; ++page) {
      const u64 at = page * kPageBytes;
      if (!page_is_free(vm_, page) && (at < root.functions || at >= table_end)) range(at, at + kPageBytes);
    }
    u64 at = root.literal_low;
    for (u64 index = 0; index < pieces_.size(); ++index) {
      range(at, pieces_[index]);
      at = end_of(index);
    }
    range(at, root.grant_bytes);
  }
  void look_into(u64 at) {
    const CodePiece& piece = piece_at(vm_, at);
    const u64 from = at + sizeof(CodePiece);
    if (piece.kind == PieceKind::Constant) return range(from, from + piece.bytes);
    const FunctionHeader& function = *vm_.at<FunctionHeader>(from);
    words_ += function.code_words / 2;
    word(function.source);
    const u32* code = function.code();
    for (u32 i = 0; i < function.code_words; i += instruction_words(code[i])) {
      module::each_name(code, i, [&](char what, u32 place) {
        if (what == 'f') address(u64{code[place]} << 3);
        if (what == 'c' || what == 't') word(u64{code[place + 1]} << 32 | code[place]);
      });
    }
  }

  void release() {
    Root& root = *vm_.root;
    u64* functions = vm_.words(root.functions);
    const auto in_use = [&](u64 function) {
      const u64* found = std::upper_bound(pieces_.data(), pieces_.data() + pieces_.size(), function);
      if (found == pieces_.data()) return true;
      const u64 index = static_cast<u64>(found - pieces_.data()) - 1;
      return function >= end_of(index) || marked_[index] != 0;
    };
    root.function_count = static_cast<u64>(
        std::remove_if(functions, functions + root.function_count, [&](u64 function) { return !in_use(function); }) -
        functions);
    for (u64 index = 0; index < pieces_.size(); ++index) {
      CodePiece& piece = piece_at(vm_, pieces_[index]);
      if (marked_[index] != 0 || piece.kind == PieceKind::Free) continue;
      u64& list = root.code_free[class_of(piece.bytes)];
      if (root.gc_stress != 0) memset(&piece + 1, 0xA5, piece.bytes);
      *vm_.words(pieces_[index] + sizeof(CodePiece)) = list;
      list = pieces_[index];
      piece.kind = PieceKind::Free;
      root.code_bytes -= piece.bytes;
    }
  }

  Vm& vm_;
  Scratch<u64> pieces_;  // by rising address
  Scratch<u8> marked_;
  Scratch<u64> work_;  // marked pieces still to be looked into
  u64 low_ = 0;
  u64 high_ = 0;
  u64 words_ = 0;
};

}  // namespace

void code_memory_begin(Vm& vm) { vm.root->code_goes = 1; }

u64 code_acquire(Vm& vm, u64 bytes, PieceKind kind) {
  Root& root = *vm.root;
  if (root.code_goes == 0 || bytes > ~u32{0} / 2) return literal_acquire(vm, bytes);
  bytes = rounded(bytes);
  u64& list = root.code_free[class_of(bytes)];
  u64 at = list;
  if (at != 0) {
    list = *vm.words(at + sizeof(CodePiece));
  } else {
    at = literal_acquire(vm, sizeof(CodePiece) + bytes);
    if (at == 0) return 0;
    piece_at(vm, at) = {root.pieces_first, static_cast<u32>(bytes), kind};
    root.pieces_first = at;
  }
  piece_at(vm, at).kind = kind;
  memset(vm.words(at + sizeof(CodePiece)), 0, std::min<u64>(bytes, sizeof(FunctionHeader)));  // no code yet
  root.code_bytes += bytes;
  root.code_made += bytes;
  const u64 enough = root.gc_stress != 0 ? kSweepBytesStress : std::max(kSweepBytesMin, root.code_kept);
  if (root.code_made > enough && root.code_due == 0) {
    root.code_due = 1;
    if (vm.process != nullptr) {  // the slice ends, so that it comes
      vm.process->flags |= kYield;
      hold_fuel(*vm.process);
    }
  }
  return at + sizeof(CodePiece);
}

void code_sweep(Vm& vm) {
  Root& root = *vm.root;
  Sweep sweep(vm);
  static_cast<void>(sweep.run());  // without memory for it code stays until a later one
  root.now_ns += sweep.words() / kWordsPerReduction * root.reduction_ns;
  root.code_due = 0;
  root.code_made = 0;
  root.code_kept = root.code_bytes;
}

}  // namespace lonala
