// tools/capnpc-orrery/model.h — the compiled schemas as the generator sees them: nodes by id, the names they get in C++,
// and what this codec does not support, refused with file and line.
#pragma once
#include <capnp/schema.capnp.h>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace capnpc_orrery {

using Node = capnp::schema::Node::Reader;
using Field = capnp::schema::Field::Reader;
using Type = capnp::schema::Type::Reader;

/// A schema that cannot be generated; `what()` is `FILE:LINE: reason`.
struct SchemaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Model {
 public:
  /// `source_root` is the folder the display names of files are relative to; used to find lines for messages.
  Model(capnp::schema::CodeGeneratorRequest::Reader request, std::string source_root);

  Node node(uint64_t id) const { return nodes_.at(id); }
  bool has(uint64_t id) const { return nodes_.count(id) != 0; }
  /// The node that contains `id`, for parameter structs the interface; 0 for files.
  uint64_t scope_of(uint64_t id) const { return scopes_.count(id) != 0 ? scopes_.at(id) : 0; }
  /// The file a node is in.
  uint64_t file_of(uint64_t id) const;

  /// `::schema::file::Kind`; Request and Reply of methods by the name given to them.
  std::string qualified_name(uint64_t id) const;
  void set_name(uint64_t id, std::string name) { names_[id] = std::move(name); }
  /// The last part of a node's name, PascalCase as in the schema.
  std::string short_name(uint64_t id) const;
  /// `file` of `schema/file.capnp`.
  std::string stem(uint64_t file_id) const;

  /// Throws SchemaError at the line where `member` of node `id` is declared (or the node, if `member` is empty).
  [[noreturn]] void refuse(uint64_t id, const std::string& member, const std::string& reason) const;

 private:
  size_t line_of(const std::string& path, uint64_t id, const std::string& member) const;

  std::string source_root_;
  std::map<uint64_t, Node> nodes_;
  std::map<uint64_t, uint64_t> scopes_;
  std::map<uint64_t, std::string> names_;
};

/// `ioUnit` → `io_unit`; C++ keywords get a trailing underscore.
std::string snake_case(const std::string& name);
/// `ioUnit` → `IoUnit`.
std::string pascal_case(const std::string& name);

}  // namespace capnpc_orrery
