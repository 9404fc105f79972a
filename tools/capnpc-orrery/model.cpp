// tools/capnpc-orrery/model.cpp — names, scopes and error messages.
#include "model.h"

#include <cctype>
#include <fstream>
#include <regex>
#include <set>

namespace capnpc_orrery {

Model::Model(capnp::schema::CodeGeneratorRequest::Reader request, std::string source_root)
    : source_root_(std::move(source_root)) {
  for (const Node node : request.getNodes()) {
    nodes_.emplace(node.getId(), node);
    if (node.getScopeId() != 0) scopes_[node.getId()] = node.getScopeId();
  }
  // Parameter and result structs have no scope of their own: they belong to the interface.
  for (const Node node : request.getNodes()) {
    if (!node.isInterface()) continue;
    for (const auto method : node.getInterface().getMethods()) {
      for (const uint64_t id : {method.getParamStructType(), method.getResultStructType()}) {
        if (has(id) && this->node(id).getScopeId() == 0) scopes_[id] = node.getId();
      }
    }
  }
}

uint64_t Model::file_of(uint64_t id) const {
  while (scopes_.count(id) != 0) id = scopes_.at(id);
  return id;
}

std::string Model::short_name(uint64_t id) const {
  const std::string display = node(id).getDisplayName();
  return display.substr(node(id).getDisplayNamePrefixLength());
}

std::string Model::stem(uint64_t file_id) const {
  std::string path = node(file_id).getDisplayName();
  if (const size_t slash = path.rfind('/'); slash != std::string::npos) path = path.substr(slash + 1);
  const std::string stem = path.substr(0, path.find('.'));
  if (!std::regex_match(stem, std::regex("[a-z][a-z0-9_]*"))) {
    throw SchemaError(path + ": the file's name becomes a namespace: lower case letters, digits and _ only");
  }
  return stem;
}

std::string Model::qualified_name(uint64_t id) const {
  if (const auto named = names_.find(id); named != names_.end()) return named->second;
  if (!has(id) || scopes_.count(id) == 0) throw SchemaError("type " + std::to_string(id) + " is in no file");
  const uint64_t scope = scopes_.at(id);
  if (node(scope).isFile()) return "::schema::" + stem(scope) + "::" + short_name(id);
  return qualified_name(scope) + "::" + short_name(id);
}

size_t Model::line_of(const std::string& path, uint64_t id, const std::string& member) const {
  std::ifstream file(source_root_.empty() ? path : source_root_ + "/" + path);
  // A parameter struct has no declaration of its own: its method has. the struct is `method$Params`.
  std::string name = short_name(id);
  std::string method;
  if (const size_t dollar = name.find('$'); dollar != std::string::npos) {
    method = name.substr(0, dollar);
    name = short_name(scopes_.at(id));
  }
  std::vector<std::regex> path_to_member = {
      std::regex("\\b(struct|enum|interface|const|annotation)\\s+" + name + "\\b")};
  if (!method.empty()) path_to_member.emplace_back("\\b" + method + "\\s*@");
  if (!member.empty()) path_to_member.emplace_back("\\b" + member + "\\b\\s*(@|:|\\()");
  std::string line;
  size_t number = 0;
  size_t found = 0;
  size_t step = 0;
  while (step < path_to_member.size() && std::getline(file, line)) {
    number += 1;
    line = line.substr(0, line.find('#'));
    while (step < path_to_member.size() && std::regex_search(line, path_to_member[step])) {
      found = number;
      step += 1;
    }
  }
  return found;
}

void Model::refuse(uint64_t id, const std::string& member, const std::string& reason) const {
  const std::string path = node(file_of(id)).getDisplayName();
  const size_t line = line_of(path, id, member);
  std::string where = path;
  if (line != 0) where += ":" + std::to_string(line);
  std::string who = short_name(id);
  if (const size_t dollar = who.find('$'); dollar != std::string::npos) {  // a parameter struct: `method$Params`
    who = short_name(scopes_.at(id)) + "." + who.substr(0, dollar);
  }
  if (!member.empty()) who += "." + member;
  throw SchemaError(where + ": " + who + ": " + reason);
}

std::string snake_case(const std::string& name) {
  static const std::set<std::string> kKeywords = {
      "alignas",  "alignof", "and",      "asm",       "auto",     "bool",     "break",     "case",    "catch",
      "char",     "class",   "concept",  "const",     "continue", "default",  "delete",    "do",      "double",
      "else",     "enum",    "explicit", "export",    "extern",   "false",    "float",     "for",     "friend",
      "goto",     "if",      "inline",   "int",       "long",     "mutable",  "namespace", "new",     "not",
      "operator", "or",      "private",  "protected", "public",   "register", "requires",  "return",  "short",
      "signed",   "sizeof",  "static",   "struct",    "switch",   "template", "this",      "throw",   "true",
      "try",      "typedef", "typeid",   "typename",  "union",    "unsigned", "using",     "virtual", "void",
      "volatile", "while",   "xor"};
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(name[i]);
    if (std::isupper(c) && i > 0 && !std::isupper(static_cast<unsigned char>(name[i - 1]))) out += '_';
    out += static_cast<char>(std::tolower(c));
  }
  if (kKeywords.count(out) != 0) out += '_';
  return out;
}

std::string pascal_case(const std::string& name) {
  std::string out = name;
  out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  return out;
}

}  // namespace capnpc_orrery
