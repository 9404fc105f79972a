// vm/lonala/literal_text.h — what reader and printer share: number tokens, character names, metadata.
#pragma once
#include "vm/lonala/heap.h"

namespace lonala {

constexpr u32 kNoCharacter = ~u32{0};
/// The character a name stands for (`newline`), or kNoCharacter.
u32 character_named(std::string_view name);
/// The name of a character, or nothing.
std::string_view name_of_character(u32 code_point);

/// The number a token writes. kNone and the kind of error if it is none; kRaised when memory is exhausted.
Term parse_number(Vm& vm, std::string_view token, Atom& problem);

/// Metadata map or nil of any term.
Term metadata_of(const Vm& vm, Term term);
/// The term with this metadata (nil: without); kNone if such a term carries none.
Term with_metadata(Vm& vm, Term term, Term meta);

}  // namespace lonala
