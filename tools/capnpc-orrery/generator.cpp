// tools/capnpc-orrery/generator.cpp — writes the declarations, then read_fields and write_fields of every struct.
#include "generator.h"

#include <algorithm>
#include <functional>
#include <set>

namespace capnpc_orrery {
namespace {

constexpr uint64_t kStreamResult = 0x995f9a3377c0b16e;  // capnp/stream.capnp: `-> stream`

const std::string kListType = "::schema::List<";

std::string hex(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

/// A literal of the given signedness; the smallest i64 has none of its own.
std::string unsigned_literal(uint64_t value) { return value < 65536 ? std::to_string(value) : hex(value) + "u"; }
std::string signed_literal(int64_t value) {
  return value == INT64_MIN ? "static_cast<i64>(0x8000000000000000u)" : std::to_string(value);
}

bool is_pointer(Type type) {
  return type.isText() || type.isData() || type.isList() || type.isStruct() || type.isInterface() ||
         type.isAnyPointer();
}

class Generator {
 public:
  Generator(Model& model, uint64_t file_id) : model_(model), file_id_(file_id) {}

  Output run() {
    const Node file = model_.node(file_id_);
    const std::string path = file.getDisplayName();
    name_method_structs(file_id_);
    std::vector<uint64_t> top;
    for (const auto nested : file.getNestedNodes()) top.push_back(nested.getId());
    for (const uint64_t id : by_dependency(file_id_, top)) emit_node(id, "");
    const std::string opening = "namespace schema::" + model_.stem(file_id_) + " {\n\n";
    const std::string closing = "}  // namespace schema::" + model_.stem(file_id_) + "\n";
    Output output;
    output.header = "// " + path + ".h — generated from " + path + " by capnpc-orrery. Do not edit.\n#pragma once\n" +
                    "#include \"schema/codec.h\"\n";
    for (const uint64_t import : imports_) {
      output.header += "#include \"" + std::string(model_.node(import).getDisplayName()) + ".h\"\n";
    }
    output.header += "\n" + opening + declarations_ + "\n" + functions_ + "\n" + closing;
    output.source = "// " + path + ".cpp — generated from " + path + " by capnpc-orrery. Do not edit.\n#include \"" +
                    path + ".h\"\n\n#include \"base/enforce.h\"\n\n" + opening + definitions_ + closing;
    return output;
  }

 private:
  // ── Names and order ──────────────────────────────────────────────────────────────────────────────────────

  /// Request and Reply get their C++ names, in this file and the ones it imports.
  void name_method_structs(uint64_t id) {
    const Node node = model_.node(id);
    for (const auto nested : node.getNestedNodes()) {
      if (model_.has(nested.getId())) name_method_structs(nested.getId());
    }
    if (!node.isInterface()) return;
    for (const auto method : node.getInterface().getMethods()) {
      const std::string prefix = model_.qualified_name(id) + "::" + pascal_case(method.getName());
      const auto name_one = [&](uint64_t type, const char* name) {
        if (model_.has(type) && model_.node(type).getScopeId() == 0) model_.set_name(type, prefix + "::" + name);
      };
      name_one(method.getParamStructType(), "Request");
      name_one(method.getResultStructType(), "Reply");
    }
  }

  /// Types of this file that must be complete before node `id`: its by-value fields and everything nested in it.
  void collect_needed(uint64_t id, std::set<uint64_t>& needed) const {
    const Node node = model_.node(id);
    for (const auto nested : node.getNestedNodes()) collect_needed(nested.getId(), needed);
    if (node.isConst() && node.getConst().getType().isEnum()) {
      needed.insert(node.getConst().getType().getEnum().getTypeId());
    }
    if (node.isStruct()) {
      for (const Field field : node.getStruct().getFields()) {
        if (!field.isSlot()) continue;
        const Type type = field.getSlot().getType();
        if (type.isStruct()) needed.insert(type.getStruct().getTypeId());
        if (type.isEnum()) needed.insert(type.getEnum().getTypeId());
        if (type.isList()) {  // List<T> is complete with an incomplete T, but T must be declared
          const Type element = type.getList().getElementType();
          if (element.isStruct()) needed.insert(element.getStruct().getTypeId());
          if (element.isEnum()) needed.insert(element.getEnum().getTypeId());
        }
      }
    }
    if (node.isInterface()) {
      for (const auto method : node.getInterface().getMethods()) {
        for (const uint64_t type : {method.getParamStructType(), method.getResultStructType()}) {
          if (!model_.has(type)) continue;
          if (model_.node(type).getScopeId() == 0) {
            collect_needed(type, needed);
          } else {
            needed.insert(type);
          }
        }
      }
    }
  }

  /// `id` or the ancestor of it that is a child of `parent`; 0 if it lies elsewhere.
  uint64_t child_containing(uint64_t parent, uint64_t id) const {
    while (id != 0 && model_.has(id)) {
      const uint64_t scope = model_.scope_of(id);
      if (scope == parent) return id;
      id = scope;
    }
    return 0;
  }

  std::vector<uint64_t> by_dependency(uint64_t parent, const std::vector<uint64_t>& ids) const {
    std::vector<uint64_t> order;
    std::set<uint64_t> done;
    std::set<uint64_t> open;
    const std::function<void(uint64_t)> visit = [&](uint64_t id) {
      if (done.count(id) != 0) return;
      open.insert(id);
      std::set<uint64_t> needed;
      collect_needed(id, needed);
      for (const uint64_t other : ids) {  // in the order of the file, so that the output is stable
        const bool is_needed = std::any_of(needed.begin(), needed.end(),
                                           [&](uint64_t type) { return child_containing(parent, type) == other; });
        if (!is_needed || other == id) continue;
        if (open.count(other) != 0) {
          model_.refuse(id, "",
                        "is part of a circle of types with " + model_.short_name(other) +
                            ", which values cannot have; only a List of the struct itself may");
        }
        visit(other);
      }
      open.erase(id);
      done.insert(id);
      order.push_back(id);
    };
    for (const uint64_t id : ids) visit(id);
    return order;
  }

  // ── Types ────────────────────────────────────────────────────────────────────────────────────────────────

  void note_import(uint64_t type) {
    const uint64_t file = model_.file_of(type);
    if (file != file_id_ && imports_.insert(file).second) name_method_structs(file);
  }

  std::string scalar_type(Type type) {
    switch (type.which()) {
      case capnp::schema::Type::BOOL: return "bool";
      case capnp::schema::Type::INT8: return "i8";
      case capnp::schema::Type::INT16: return "i16";
      case capnp::schema::Type::INT32: return "i32";
      case capnp::schema::Type::INT64: return "i64";
      case capnp::schema::Type::UINT8: return "u8";
      case capnp::schema::Type::UINT16: return "u16";
      case capnp::schema::Type::UINT32: return "u32";
      case capnp::schema::Type::UINT64: return "u64";
      case capnp::schema::Type::ENUM:
        note_import(type.getEnum().getTypeId());
        return model_.qualified_name(type.getEnum().getTypeId());
      default: return "";
    }
  }

  uint32_t scalar_bytes(Type type) const {
    switch (type.which()) {
      case capnp::schema::Type::INT8:
      case capnp::schema::Type::UINT8: return 1;
      case capnp::schema::Type::INT16:
      case capnp::schema::Type::UINT16:
      case capnp::schema::Type::ENUM: return 2;
      case capnp::schema::Type::INT32:
      case capnp::schema::Type::UINT32: return 4;
      default: return 8;
    }
  }

  std::string value_type(uint64_t owner, const std::string& member, Type type) {
    if (const std::string scalar = scalar_type(type); !scalar.empty()) return scalar;
    if (type.isText()) return "std::string_view";
    if (type.isData()) return "::base::Bytes";
    if (type.isInterface()) {
      if (type.getInterface().getBrand().getScopes().size() != 0) model_.refuse(owner, member, kNoGenerics);
      return "::schema::CapIndex";
    }
    if (type.isStruct()) {
      if (type.getStruct().getBrand().getScopes().size() != 0) model_.refuse(owner, member, kNoGenerics);
      note_import(type.getStruct().getTypeId());
      return model_.qualified_name(type.getStruct().getTypeId());
    }
    if (type.isList()) {
      const Type element = type.getList().getElementType();
      if (element.isList()) model_.refuse(owner, member, "lists of lists are not supported; use a list of structs");
      return kListType + value_type(owner, member, element) + ">";
    }
    if (type.isFloat32() || type.isFloat64()) {
      model_.refuse(owner, member, "floats are not supported; use fixed point, with the scale in the name");
    }
    if (type.isAnyPointer()) model_.refuse(owner, member, "AnyPointer and type parameters are not supported");
    model_.refuse(owner, member, "Void is not supported; it carries nothing");
  }

  /// The literal of an integer, bool, enum or text value; empty for others.
  std::string literal(capnp::schema::Value::Reader value, Type type) {
    switch (value.which()) {
      case capnp::schema::Value::BOOL: return value.getBool() ? "true" : "false";
      case capnp::schema::Value::INT8: return signed_literal(value.getInt8());
      case capnp::schema::Value::INT16: return signed_literal(value.getInt16());
      case capnp::schema::Value::INT32: return signed_literal(value.getInt32());
      case capnp::schema::Value::INT64: return signed_literal(value.getInt64());
      case capnp::schema::Value::UINT8: return unsigned_literal(value.getUint8());
      case capnp::schema::Value::UINT16: return unsigned_literal(value.getUint16());
      case capnp::schema::Value::UINT32: return unsigned_literal(value.getUint32());
      case capnp::schema::Value::UINT64: return unsigned_literal(value.getUint64());
      case capnp::schema::Value::ENUM: {
        const auto enumerants = model_.node(type.getEnum().getTypeId()).getEnum().getEnumerants();
        if (value.getEnum() >= enumerants.size()) return "";
        return scalar_type(type) + "::" + pascal_case(enumerants[value.getEnum()].getName());
      }
      default: return "";
    }
  }

  static bool is_zero(capnp::schema::Value::Reader value) {
    switch (value.which()) {
      case capnp::schema::Value::BOOL: return !value.getBool();
      case capnp::schema::Value::INT8: return value.getInt8() == 0;
      case capnp::schema::Value::INT16: return value.getInt16() == 0;
      case capnp::schema::Value::INT32: return value.getInt32() == 0;
      case capnp::schema::Value::INT64: return value.getInt64() == 0;
      case capnp::schema::Value::UINT8: return value.getUint8() == 0;
      case capnp::schema::Value::UINT16: return value.getUint16() == 0;
      case capnp::schema::Value::UINT32: return value.getUint32() == 0;
      case capnp::schema::Value::UINT64: return value.getUint64() == 0;
      case capnp::schema::Value::ENUM: return value.getEnum() == 0;
      default: return true;
    }
  }

  // ── Nodes ────────────────────────────────────────────────────────────────────────────────────────────────

  void emit_node(uint64_t id, const std::string& indent) {
    const Node node = model_.node(id);
    if (node.getIsGeneric()) model_.refuse(id, "", kNoGenerics);
    if (!node.isConst() && after_constants_) declarations_ += "\n";
    after_constants_ = node.isConst();
    if (node.isEnum()) return emit_enum(id, indent);
    if (node.isConst()) return emit_const(id, indent);
    if (node.isStruct()) {
      return emit_struct(id, model_.short_name(id), indent);
    }
    if (node.isInterface()) return emit_interface(id, indent);
    // Annotations are the generator's own input.
  }

  void emit_nested(uint64_t id, const std::string& indent) {
    std::vector<uint64_t> nested;
    for (const auto child : model_.node(id).getNestedNodes()) nested.push_back(child.getId());
    for (const uint64_t child : by_dependency(id, nested)) emit_node(child, indent);
  }

  void emit_enum(uint64_t id, const std::string& indent) {
    declarations_ += indent + "enum class " + model_.short_name(id) + " : u16 {\n";
    for (const auto enumerant : model_.node(id).getEnum().getEnumerants()) {
      declarations_ += indent + "  " + pascal_case(enumerant.getName()) + ",\n";
    }
    declarations_ += indent + "};\n\n";
  }

  void emit_const(uint64_t id, const std::string& indent) {
    const auto constant = model_.node(id).getConst();
    const Type type = constant.getType();
    if (is_pointer(type) || type.isFloat32() || type.isFloat64() || type.isVoid()) {
      model_.refuse(id, "", "constants are integers, Bool or enums");
    }
    const std::string name = "k" + pascal_case(model_.short_name(id));
    const std::string keyword = indent.empty() ? "constexpr " : "static constexpr ";
    const std::string value = literal(constant.getValue(), type);
    declarations_ += indent + keyword + scalar_type(type) + " " + name + " = " + value + ";\n";
  }

  struct Member {
    Field field;
    std::string name;  // in the schema
    std::string cpp_name;
    std::string type;
  };

  std::vector<Member> members_of(uint64_t id) {
    const auto structure = model_.node(id).getStruct();
    if (structure.getDiscriminantCount() != 0) {
      std::string member;
      for (const Field field : structure.getFields()) {
        if (field.getDiscriminantValue() != capnp::schema::Field::NO_DISCRIMINANT) {
          member = field.getName();
          break;
        }
      }
      model_.refuse(id, member, "unions are not supported");
    }
    std::vector<Member> members;
    for (const Field field : structure.getFields()) {
      const std::string name = field.getName();
      if (field.isGroup()) model_.refuse(id, name, "groups are not supported; use a struct");
      const auto slot = field.getSlot();
      const std::string type = value_type(id, name, slot.getType());
      if (slot.getHadExplicitDefault() && is_pointer(slot.getType())) {
        model_.refuse(id, name, "defaults of texts, data, lists and structs are not supported");
      }
      members.push_back({field, name, snake_case(name), type});
    }
    std::sort(members.begin(), members.end(),
              [](const Member& a, const Member& b) { return a.field.getCodeOrder() < b.field.getCodeOrder(); });
    std::set<std::string> names;
    for (const Member& member : members) {
      if (!names.insert(member.cpp_name).second) {
        model_.refuse(id, member.name, "two fields are both " + member.cpp_name + " in C++");
      }
    }
    return members;
  }

  void emit_struct(uint64_t id, const std::string& name, const std::string& indent) {
    const std::vector<Member> members = members_of(id);
    const auto structure = model_.node(id).getStruct();
    for (const Member& member : members) {
      const Type type = member.field.getSlot().getType();
      if (type.isStruct() && type.getStruct().getTypeId() == id) {
        model_.refuse(id, member.name, "a value cannot contain itself; use a List");
      }
    }
    const std::string inner = indent + "  ";
    declarations_ += indent + "struct " + name + " {\n";
    declarations_ +=
        inner + "static constexpr u32 kDataWords = " + std::to_string(structure.getDataWordCount()) + ";\n";
    declarations_ +=
        inner + "static constexpr u32 kPointerWords = " + std::to_string(structure.getPointerCount()) + ";\n";
    emit_nested(id, inner);
    for (const Member& member : members) {
      const auto slot = member.field.getSlot();
      declarations_ += inner + member.type + " " + member.cpp_name;
      if (!is_pointer(slot.getType())) {
        declarations_ += " = ";
        const std::string value = literal(slot.getDefaultValue(), slot.getType());
        declarations_ += value.empty() ? member.type + "{}" : value;
      }
      declarations_ += ";\n";
    }
    declarations_ += indent + "};\n\n";
    emit_functions(model_.qualified_name(id), members);
  }

  /// Scalars by their place in the data section, then pointers by theirs: the order of the message.
  void emit_functions(const std::string& type, std::vector<Member> members) {
    std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
      const bool a_pointer = is_pointer(a.field.getSlot().getType());
      const bool b_pointer = is_pointer(b.field.getSlot().getType());
      if (a_pointer != b_pointer) return b_pointer;
      return place_of(a) < place_of(b);
    });
    std::string read;
    std::string write;
    std::string visits;
    for (const Member& member : members) {
      const auto slot = member.field.getSlot();
      const Type field_type = slot.getType();
      const std::string value = "value." + member.cpp_name;
      const std::string mask =
          is_pointer(field_type) || is_zero(slot.getDefaultValue()) ? "" : literal(slot.getDefaultValue(), field_type);
      const std::string mask_argument = mask.empty() ? "" : ", " + mask;
      const std::string offset = std::to_string(slot.getOffset());
      if (field_type.isBool()) {
        read += "  " + value + " = decoder.flag(view, " + offset + mask_argument + ");\n";
        write += "  encoder.flag(slot, " + offset + ", " + value + mask_argument + ");\n";
      } else if (!is_pointer(field_type)) {
        const std::string byte = std::to_string(slot.getOffset() * scalar_bytes(field_type));
        read += "  " + value + " = decoder.scalar<" + member.type + ">(view, " + byte + mask_argument + ");\n";
        write += "  encoder.scalar<" + member.type + ">(slot, " + byte + ", " + value + mask_argument + ");\n";
      } else if (field_type.isStruct()) {
        read += "  decoder.structure(view, " + offset + ", " + value + ");\n";
        write += "  encoder.structure(slot, " + offset + ", " + value + ");\n";
      } else if (field_type.isList()) {
        const std::string list = "list<" + member.type.substr(kListType.size());
        read += "  " + value + " = decoder." + list + "(view, " + offset + ");\n";
        write += "  encoder.list(slot, " + offset + ", " + value + ");\n";
      } else {
        const std::string kind = field_type.isText() ? "text" : field_type.isData() ? "data" : "capability";
        read += "  " + value + " = decoder." + kind + "(view, " + offset + ");\n";
        write += "  encoder." + kind + "(slot, " + offset + ", " + value + ");\n";
      }
      visits += "  visit(\"" + member.name + "\", " + value + ");\n";
    }
    const std::string none = members.empty() ? "[[maybe_unused]] " : "";
    const std::string reads = "void read_fields(" + none + "Decoder& decoder, " + none + "const StructView& view, " +
                              none + type + "& value)";
    const std::string writes = "void write_fields(" + none + "Encoder& encoder, " + none + "const StructSlot& slot, " +
                               none + "const " + type + "& value)";
    functions_ += "void read_fields(Decoder& decoder, const StructView& view, " + type + "& value);\n";
    functions_ += "void write_fields(Encoder& encoder, const StructSlot& slot, const " + type + "& value);\n";
    functions_ += "template <class Value, class Visit>\n  requires std::is_same_v<std::remove_const_t<Value>, " + type +
                  ">\nvoid visit_fields(" + none + "Value& value, " + none + "Visit&& visit) {\n" + visits + "}\n";
    definitions_ += reads + " {\n" + read + "}\n" + writes + " {\n" + write + "}\n\n";
  }

  static uint64_t place_of(const Member& member) {
    const auto slot = member.field.getSlot();
    const Type type = member.field.getSlot().getType();
    if (is_pointer(type)) return slot.getOffset();
    switch (type.which()) {
      case capnp::schema::Type::BOOL: return slot.getOffset();
      case capnp::schema::Type::INT8:
      case capnp::schema::Type::UINT8: return uint64_t{slot.getOffset()} * 8;
      case capnp::schema::Type::INT16:
      case capnp::schema::Type::UINT16:
      case capnp::schema::Type::ENUM: return uint64_t{slot.getOffset()} * 16;
      case capnp::schema::Type::INT32:
      case capnp::schema::Type::UINT32: return uint64_t{slot.getOffset()} * 32;
      default: return uint64_t{slot.getOffset()} * 64;
    }
  }

  // ── Interfaces ───────────────────────────────────────────────────────────────────────────────────────────

  std::string retry_of(uint64_t interface_id, capnp::schema::Method::Reader method) {
    for (const auto annotation : method.getAnnotations()) {
      if (!model_.has(annotation.getId()) || model_.short_name(annotation.getId()) != "retry") continue;
      const std::string value = annotation.getValue().isText() ? annotation.getValue().getText().cStr() : "";
      if (value == "never") return "Never";
      if (value == "always") return "Always";
      if (value == "unless-exclusive") return "UnlessExclusive";
      if (value == "explicit-offset") return "ExplicitOffset";
      model_.refuse(
          interface_id, method.getName(),
          "$retry is \"never\", \"always\", \"unless-exclusive\" or \"explicit-offset\", not \"" + value + "\"");
    }
    return "Never";
  }

  void emit_message(uint64_t type, const std::string& name, const std::string& indent) {
    if (model_.node(type).getScopeId() == 0) return emit_struct(type, name, indent);
    note_import(type);
    declarations_ += indent + "using " + name + " = " + model_.qualified_name(type) + ";\n";
  }

  void emit_interface(uint64_t id, const std::string& indent) {
    const auto interface = model_.node(id).getInterface();
    const std::string name = model_.short_name(id);
    if (interface.getSuperclasses().size() != 0) model_.refuse(id, "", "interfaces cannot extend others");
    const std::string inner = indent + "  ";
    declarations_ += indent + "struct " + name + " {\n" + inner + "static constexpr u64 kInterfaceId = " + hex(id) +
                     "u;\n" + inner + "static constexpr std::string_view kInterfaceName = \"" + name + "\";\n\n";
    emit_nested(id, inner);
    std::string cases;
    std::string types;
    uint16_t ordinal = 0;
    for (const auto method : interface.getMethods()) {
      const std::string method_name = method.getName();
      const std::string type = pascal_case(method_name);
      if (type == name) model_.refuse(id, method_name, "a method cannot be named like its interface: both are types");
      if (method.getImplicitParameters().size() != 0) model_.refuse(id, method_name, kNoGenerics);
      if (method.getResultStructType() == kStreamResult) model_.refuse(id, method_name, "streaming is not supported");
      if (method.getParamBrand().getScopes().size() != 0 || method.getResultBrand().getScopes().size() != 0) {
        model_.refuse(id, method_name, kNoGenerics);
      }
      declarations_ += inner + "struct " + type + " {\n";
      const std::string body = inner + "  ";
      declarations_ += body + "static constexpr u64 kInterfaceId = " + hex(id) + "u;\n";
      declarations_ += body + "static constexpr u16 kOrdinal = " + std::to_string(ordinal) + ";\n";
      declarations_ += body + "static constexpr std::string_view kName = \"" + method_name + "\";\n";
      declarations_ +=
          body + "static constexpr ::schema::Retry kRetry = ::schema::Retry::" + retry_of(id, method) + ";\n";
      emit_message(method.getParamStructType(), "Request", body);
      emit_message(method.getResultStructType(), "Reply", body);
      declarations_ += inner + "};\n\n";
      cases += inner + "    case " + std::to_string(ordinal) + ": return \"" + method_name + "\";\n";
      types += (types.empty() ? "" : ", ") + type;
      ordinal += 1;
    }
    declarations_ += inner + "using Methods = ::schema::MethodList<" + types + ">;\n";
    declarations_ += inner + "/// The name of a method, empty if there is none with this ordinal.\n";
    const std::string unused = cases.empty() ? "[[maybe_unused]] " : "";
    declarations_ += inner + "static constexpr std::string_view method_name(" + unused + "u16 ordinal) {\n";
    if (!cases.empty()) declarations_ += inner + "  switch (ordinal) {\n" + cases + inner + "  }\n";
    declarations_ += inner + "  return {};\n" + inner + "}\n" + indent + "};\n\n";
  }

  static constexpr const char* kNoGenerics = "type parameters are not supported";

  Model& model_;
  uint64_t file_id_;
  std::set<uint64_t> imports_;
  bool after_constants_ = false;
  std::string declarations_;
  std::string functions_;
  std::string definitions_;
};

}  // namespace

Output generate(Model& model, uint64_t file_id) { return Generator(model, file_id).run(); }

}  // namespace capnpc_orrery
